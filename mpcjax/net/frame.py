"""Frames: what travels on a channel, as bytes. Pure functions, no input or output, nothing is ever unpickled.

A frame is a header of 32 bytes, `8 ndim` bytes of dimensions, a label and the array's bytes. All numbers are little
endian:

    magic 4s | version u8 | kind u8 | dtype u8 | ndim u8 | round u32 | attempt u16 | label bytes u16 | sequence u64 |
    payload bytes u64

`sequence` numbers the data frames of one sender to one receiver, from 1; an ACK carries the last one received. Control
frames (all but DATA) are vectors of at most `CONTROL_BYTES` bytes in round 0 without a label.

Guarantee: every byte string is either the encoding of one frame or raises `FrameError`. Lengths are checked against the
caller's limit before anything of that length is taken; what is read before that is at most 351 bytes.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import struct

import numpy as np

from mpcjax.net.arrays import CODES, DTYPES, MAX_DIMS, little_endian, raw
from mpcjax.net.errors import FrameError, require

MAGIC = b"MPCX"
VERSION = 2
MAX_LABEL = 255  # bytes of UTF-8
CONTROL_BYTES = 1024
MAX_EXTENT = 1 << 62  # bytes an array would have with 1 in place of its empty dimensions
_HEADER = struct.Struct("<4s4BIHHQQ")
HEADER_BYTES = _HEADER.size


class Kind(enum.IntEnum):
    HELLO, DATA, BYE, REFUSE, ACK = range(1, 6)


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """An array and where it belongs."""

    kind: Kind
    array: np.ndarray
    round: int = 0
    attempt: int = 0
    label: str = ""
    sequence: int = 0

    @property
    def key(self) -> tuple[int, int, str]:
        """What names a data frame among all frames of its sender to its receiver."""
        return self.round, self.attempt, self.label


def control(kind: Kind, payload: bytes = b"", sequence: int = 0) -> Frame:
    """A control frame with these bytes; `payload` of a REFUSE is UTF-8 text."""
    return Frame(kind, np.frombuffer(payload, np.uint8), sequence=sequence)


@dataclasses.dataclass(frozen=True)
class Head:
    """All of a frame but its payload; `payload` is how many bytes of that follow."""

    kind: Kind
    dtype: np.dtype
    shape: tuple[int, ...]
    round: int
    attempt: int
    label: str
    sequence: int
    payload: int

    @property
    def key(self) -> tuple[int, int, str]:
        return self.round, self.attempt, self.label

    def frame(self, payload: bytes | bytearray | memoryview) -> Frame:
        """The frame with this payload; its array is a view of it."""
        require(len(payload) == self.payload, "bytes of payload", len(payload), str(self.payload))
        array = np.frombuffer(payload, self.dtype, count=math.prod(self.shape)).reshape(self.shape)
        if self.dtype == np.bool_ and self.payload:  # other bytes would be booleans that are neither true nor false
            require(bool(array.view(np.uint8).max() <= 1), "a byte of a bool array", "above 1", "0, 1")
        return Frame(self.kind, array, self.round, self.attempt, self.label, self.sequence)


@dataclasses.dataclass(frozen=True)
class Header:
    """The fixed part of a frame, each field in its legal range; `rest` bytes of dimensions and label follow."""

    kind: Kind
    dtype: np.dtype
    ndim: int
    round: int
    attempt: int
    label: int
    sequence: int
    payload: int

    @property
    def rest(self) -> int:
        return 8 * self.ndim + self.label

    @classmethod
    def parse(cls, data: bytes | memoryview, limit: int) -> Header:
        """The header in exactly `HEADER_BYTES` bytes, of a frame whose payload has at most `limit` bytes."""
        require(len(data) == HEADER_BYTES, "length of a header", len(data), str(HEADER_BYTES))
        magic, version, kind, dtype, ndim, round_, attempt, label, sequence, payload = _HEADER.unpack(data)
        require(magic == MAGIC, "magic", magic, repr(MAGIC))
        require(version == VERSION, "version of the frame format", version, str(VERSION))
        require(1 <= kind <= len(Kind), "kind", kind, f"1..{len(Kind)}")
        require(1 <= dtype <= len(DTYPES), "code of the dtype", dtype, f"1..{len(DTYPES)}")
        require(ndim <= MAX_DIMS, "number of dimensions", ndim, f"0..{MAX_DIMS}")
        require(label <= MAX_LABEL, "bytes of the label", label, f"0..{MAX_LABEL}")
        header = cls(Kind(kind), DTYPES[dtype - 1], ndim, round_, attempt, label, sequence, payload)
        if header.kind is not Kind.DATA:
            header._check_control()
        require(payload <= limit, "bytes of payload", payload, f"0..{limit}")
        return header

    def _check_control(self) -> None:
        plain = self.dtype == np.uint8 and self.ndim == 1 and not (self.round or self.attempt or self.label)
        require(plain, f"a {self.kind.name} frame", "labelled data", "a vector of uint8 in round 0 without a label")
        require(self.payload <= CONTROL_BYTES, f"bytes of a {self.kind.name}", self.payload, f"0..{CONTROL_BYTES}")
        require(self.sequence == 0 or self.kind is Kind.ACK, "sequence of a control frame", self.sequence, "0")

    def head(self, rest: bytes | memoryview) -> Head:
        """What the header and the `rest` bytes after it say together."""
        require(len(rest) == self.rest, "bytes of dimensions and label", len(rest), str(self.rest))
        shape = struct.unpack_from(f"<{self.ndim}Q", rest)
        # Empty arrays may not have huge dimensions either: their product would overflow in numpy.
        extent = math.prod(max(1, dim) for dim in shape) * self.dtype.itemsize
        require(extent <= MAX_EXTENT, "dimensions", shape, f"at most {MAX_EXTENT} bytes")
        size = math.prod(shape) * self.dtype.itemsize
        require(size == self.payload, f"payload of {shape} {self.dtype}", f"{self.payload} bytes", f"{size} bytes")
        label = _label(bytes(rest[8 * self.ndim :]))
        return Head(self.kind, self.dtype, shape, self.round, self.attempt, label, self.sequence, self.payload)


def _label(data: bytes) -> str:
    try:
        label = data.decode()
    except UnicodeDecodeError as error:
        raise FrameError(f"label is {data!r}, legal: UTF-8") from error
    # a line break in a label would forge lines of the log
    require(label.isprintable(), "label", label, "printable characters")
    return label


def encode(frame: Frame) -> list[bytes | memoryview]:
    """The buffers that make up the frame on the wire, the array's among them without a copy.

    Raises `FrameError` for a frame that no receiver would take, whatever its limit.
    """
    array = little_endian(frame.array)
    label = frame.label.encode("utf-8", "surrogatepass")
    for what, value, bits in (
        ("round", frame.round, 32),
        ("attempt", frame.attempt, 16),
        ("sequence", frame.sequence, 64),
    ):
        require(0 <= value < 1 << bits, what, value, f"0..2^{bits} - 1")
    require(len(label) <= MAX_LABEL, "bytes of the label", len(label), f"0..{MAX_LABEL}")
    require(array.ndim <= MAX_DIMS, "number of dimensions", array.ndim, f"0..{MAX_DIMS}")
    fixed = _HEADER.pack(
        MAGIC, VERSION, frame.kind, CODES[array.dtype], array.ndim,
        frame.round, frame.attempt, len(label), frame.sequence, array.nbytes,
    )  # fmt: skip
    rest = struct.pack(f"<{array.ndim}Q", *array.shape) + label
    Header.parse(fixed, array.nbytes).head(rest)  # what a receiver checks
    return [fixed + rest, *([raw(array)] if array.size else [])]


def decode(data: bytes | bytearray | memoryview, limit: int) -> Frame:
    """The one frame that `data` is; its array is a view of `data`. `limit`: the most bytes of payload."""
    view = memoryview(data)
    header = Header.parse(view[:HEADER_BYTES], limit)
    start = HEADER_BYTES + header.rest
    return header.head(view[HEADER_BYTES:start]).frame(view[start:])
