"""What members and peers sign about an attempt, and the notices that signatures travel in."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import struct
from collections.abc import Iterator

import numpy as np

VOUCH, ABORT, SILENT, OPENED, TOLD, CAUGHT, ACCEPT = b"V", b"A", b"S", b"O", b"T", b"C", b"+"
DONE = (VOUCH, ABORT)  # each says that its member has done with the attempt; an honest one says one of them, once
NUMBER = 4  # bytes of the number of a broadcast
RECORD = struct.Struct("<cIHH32s64s")  # kind, round, attempt, signer, subject, signature


@dataclasses.dataclass(frozen=True)
class Claim:
    """`subject`: digest of an outcome or an accepted claim, number of a peer, number and digest of a broadcast, or zeros."""

    kind: bytes
    subject: bytes = bytes(32)

    @staticmethod
    def silent(peer: int) -> Claim:
        return Claim(SILENT, peer.to_bytes(32, "big"))

    @staticmethod
    def caught(peer: int) -> Claim:
        return Claim(CAUGHT, peer.to_bytes(32, "big"))

    @staticmethod
    def told(number: int, what: bytes) -> Claim:
        """What its signer said in the broadcast of this `number`, in this attempt."""
        return Claim(TOLD, number.to_bytes(NUMBER, "big") + hashlib.sha256(what).digest()[: 32 - NUMBER])

    @functools.cached_property
    def accepted(self) -> Claim:
        return Claim(ACCEPT, hashlib.sha256(self.kind + self.subject).digest())


Signed = tuple[Claim, int]  # and who signed it


def latest(notice: np.ndarray) -> tuple[int, int]:
    """The latest attempt that the signatures in a notice are about, by what it says; (0, 0) where it has none."""
    data = notice.tobytes()
    records = RECORD.iter_unpack(data[: len(data) - len(data) % RECORD.size])
    return max(((round, attempt) for _, round, attempt, *_ in records), default=(0, 0))


def records(data: bytes, when: tuple[int, int]) -> Iterator[tuple[Signed, bytes]]:
    """The signatures in a notice that are about the attempt `when`; a torn one ends it."""
    whole = len(data) - len(data) % RECORD.size
    for kind, round, attempt, signer, subject, signature in RECORD.iter_unpack(data[:whole]):
        if (round, attempt) == when:
            yield (Claim(kind, subject), signer), signature
