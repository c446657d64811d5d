"""Frames: what goes in comes out, and everything else is refused in words, before memory is taken for it."""

from __future__ import annotations

import os
import random
import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mpcjax.net.arrays import DTYPES
from mpcjax.net.errors import FrameError
from mpcjax.net.frame import HEADER_BYTES, Frame, Kind, control, decode, encode

LIMIT = 1 << 16
LABELS = st.text(st.characters(exclude_categories=("C", "Z"), codec="utf-8"), max_size=60)


@st.composite
def data_frames(draw):
    dtype = draw(st.sampled_from(DTYPES))
    array = draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=8, min_side=0, max_side=3)))
    numbers = (draw(st.integers(0, 2**bits - 1)) for bits in (32, 16))
    return Frame(Kind.DATA, array, *numbers, draw(LABELS), draw(st.integers(0, 2**64 - 1)))


def wire(frame: Frame) -> bytes:
    return b"".join(encode(frame))


@given(data_frames())
def test_round_trip(frame):
    back = decode(wire(frame), LIMIT)
    assert (back.kind, back.key, back.sequence) == (frame.kind, frame.key, frame.sequence)
    assert back.array.dtype == frame.array.dtype and back.array.shape == frame.array.shape
    assert back.array.tobytes() == frame.array.tobytes()


@pytest.mark.parametrize("kind", [Kind.HELLO, Kind.BYE, Kind.REFUSE, Kind.ACK])
def test_control_frames_round_trip(kind):
    back = decode(wire(control(kind, b"why", sequence=7 if kind is Kind.ACK else 0)), LIMIT)
    assert back.kind is kind and back.array.tobytes() == b"why"


def test_encoding_copies_no_array():
    array = np.arange(1000, dtype="<u8")
    buffers = encode(Frame(Kind.DATA, array, 1, 2, "x"))
    assert np.shares_memory(np.frombuffer(buffers[1], np.uint8), array)
    assert np.shares_memory(decode(data := b"".join(buffers), LIMIT).array, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("array", [np.arange(6, dtype=">u4").reshape(2, 3), np.arange(6, dtype="<u4").reshape(2, 3).T])
def test_other_layouts_are_sent_as_the_same_numbers(array):
    np.testing.assert_array_equal(decode(wire(Frame(Kind.DATA, array)), LIMIT).array, array)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (Frame(Kind.DATA, np.zeros(3, np.float64)), "dtype is 'float64'"),
        (Frame(Kind.DATA, np.zeros(3, object)), "dtype is 'object'"),
        (Frame(Kind.DATA, np.zeros((1,) * 9, np.uint8)), "dimensions is 9, legal: 0..8"),
        (Frame(Kind.DATA, np.zeros(3, np.uint8), 1 << 32), "round is 4294967296"),
        (Frame(Kind.DATA, np.zeros(3, np.uint8), -1), "round is -1"),
        (Frame(Kind.DATA, np.zeros(3, np.uint8), 0, 1 << 16), "attempt is 65536"),
        (Frame(Kind.DATA, np.zeros(3, np.uint8), label="é" * 128), "label is 256, legal: 0..255"),
        (Frame(Kind.DATA, np.zeros(3, np.uint8), label="a\nb"), "printable"),
        (Frame(Kind.DATA, np.zeros(3, np.uint8), label="\ud800"), "legal: UTF-8"),
        (control(Kind.REFUSE, b"x" * 1025), "bytes of a REFUSE is 1025, legal: 0..1024"),
        (Frame(Kind.BYE, np.zeros(3, np.uint8), 1), "a BYE frame"),
    ],
)
def test_what_cannot_be_sent(frame, said):
    with pytest.raises(FrameError, match=said.replace(".", r"\.")):
        encode(frame)


GOOD = dict(magic=b"MPCX", version=2, kind=2, dtype=3, ndim=2, round=1, attempt=0, label=1, sequence=1, payload=48)


def crafted(dims=(2, 3), text=b"x", payload=b"\0" * 48, **fields) -> bytes:
    values = GOOD | dict(ndim=len(dims), label=len(text), payload=len(payload)) | fields
    return struct.pack("<4s4BIHHQQ", *values.values()) + struct.pack(f"<{len(dims)}Q", *dims) + text + payload


def test_crafted_is_right():
    assert decode(crafted(), LIMIT).array.shape == (2, 3)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "length of a header is 0, legal: 32"),
        (crafted()[:31], "length of a header is 31"),
        (crafted(magic=b"HTTP"), "magic is b'HTTP'"),
        (crafted(version=1), "version of the frame format is 1, legal: 2"),
        (crafted(kind=0), "kind is 0, legal: 1..5"),
        (crafted(kind=6), "kind is 6, legal: 1..5"),
        (crafted(dtype=0), "code of the dtype is 0, legal: 1..7"),
        (crafted(dtype=8), "code of the dtype is 8"),
        (crafted(ndim=9), "number of dimensions is 9, legal: 0..8"),
        (crafted(label=256), "bytes of the label is 256, legal: 0..255"),
        (crafted(payload=b"\0" * 40), r"payload of (2, 3) uint64 is '40 bytes', legal: 48 bytes"),
        (crafted(dims=(2, 4)), "legal: 64 bytes"),
        (crafted(dims=(1 << 61, 8), payload=b""), "dimensions is"),  # their product is 2^64: nothing, were it to wrap
        (crafted(dims=(0, 1 << 62), payload=b""), "dimensions is"),
        (crafted(payload=b"\0" * (LIMIT + 8), dims=(LIMIT // 8 + 1,)), f"legal: 0..{LIMIT}"),
        (crafted(text=b"\xff"), "legal: UTF-8"),
        (crafted(text=b"\n"), "printable"),
        (crafted() + b"!", "bytes of payload is 49, legal: 48"),
        (crafted()[:-1], "bytes of payload is 47, legal: 48"),
        (crafted()[:40], "bytes of dimensions and label is 8, legal: 17"),
        (crafted(dtype=7, dims=(2,), payload=b"\1\2"), "a byte of a bool array"),
        (crafted(kind=1), "a HELLO frame"),
        (crafted(kind=3, dtype=1, dims=(0,), payload=b"", text=b"", round=0, sequence=1), "sequence of a control"),
        (crafted(kind=4, dtype=1, dims=(1025,), payload=b"\0" * 1025, text=b"", round=0, sequence=0), "0..1024"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",
)
def test_what_is_no_frame(data, said):
    with pytest.raises(FrameError) as caught:
        decode(data, LIMIT)
    assert said.replace("\\", "") in str(caught.value)


def test_a_length_over_the_limit_takes_no_memory():
    data = crafted(dims=(1 << 40,), payload=b"", text=b"x")
    data = data[:24] + struct.pack("<Q", 1 << 43) + data[32:]
    tracemalloc.start()
    with pytest.raises(FrameError):
        decode(data, LIMIT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LIMIT


def seeds(rng: random.Random) -> list[bytes]:
    made = [crafted(), wire(control(Kind.ACK, sequence=5)), wire(control(Kind.HELLO, bytes(136)))]
    for dtype in DTYPES:
        shape = tuple(rng.randrange(4) for _ in range(rng.randrange(5)))
        made.append(wire(Frame(Kind.DATA, np.zeros(shape, dtype), 3, 1, "label")))
    return made


def mutated(data: bytes, rng: random.Random) -> bytes:
    """A few bytes changed (mostly in the header, mostly to an edge), cut off, put in or repeated."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(min(len(changed), HEADER_BYTES + 24) if rng.random() < 0.8 else len(changed))
        choice = rng.randrange(6)
        if choice < 3:
            changed[at] = rng.choice((0, 1, 2, 7, 8, 9, 64, 127, 128, 255, rng.randrange(256)))
        elif choice == 3:
            del changed[max(1, at) :]
        elif choice == 4:
            changed[at:at] = rng.randbytes(rng.randrange(9))
        else:
            changed += changed[at:]
    return bytes(changed)


def fuzz(inputs: int, seconds: float) -> int:
    """Decodes this many hostile inputs or for this long, and sees `FrameError` or a frame that encodes to the input."""
    rng, end, accepted = random.Random(os.environ.get("FUZZ_SEED", 1)), time.monotonic() + seconds, 0
    corpus = seeds(rng)
    for i in range(inputs):
        data = rng.randbytes(rng.randrange(80)) if i % 8 == 0 else mutated(rng.choice(corpus), rng)
        try:
            frame = decode(data, 4096)
        except FrameError:
            continue
        assert wire(frame) == data
        accepted += 1
        if time.monotonic() > end:
            break
    return accepted


def test_fuzz():
    fuzz(100, 30)  # what is taken once
    tracemalloc.start()
    try:
        assert fuzz(10_000, 30) > 300
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.long
def test_fuzz_ten_million():
    assert fuzz(10_000_000, 3600) > 100_000


def test_codes_never_change():
    assert [str(dtype) for dtype in DTYPES] == ["uint8", "uint32", "uint64", "int32", "int64", "float32", "bool"]
    assert [kind.name for kind in Kind] == ["HELLO", "DATA", "BYE", "REFUSE", "ACK"]
