"""What peers sign about an attempt, and how signatures travel."""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from collections.abc import Iterable, Iterator

import numpy as np

VOUCH, ABORT, SILENT, OPENED, TOLD, CAUGHT, EXPIRED, ACCEPT = b"V", b"A", b"S", b"O", b"T", b"C", b"E", b"+"
NUMBER = 4  # bytes of the number of a broadcast
TOGETHER = 512  # signatures in one notice, which a channel takes; more are sent in several
_RECORD = struct.Struct("<cIHH32s64s")  # kind, round, attempt, signer, subject, signature
RECORD_BYTES = _RECORD.size


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

    @property
    def accepted(self) -> Claim:
        return Claim(ACCEPT, hashlib.sha256(self.kind + self.subject).digest())


Signed = tuple[Claim, int]  # and who signed it


def of_members(claim: Claim, members: tuple[int, ...]) -> bool:
    """Whether it is something that a member may say in an attempt of these."""
    if claim.kind in (SILENT, CAUGHT):
        return int.from_bytes(claim.subject, "big") in members  # corrupt peers ask this by the ten thousand
    return claim.kind in (VOUCH, TOLD) or claim in (Claim(ABORT), Claim(OPENED))


def statement(claim: Claim, when: tuple[int, int]) -> bytes:
    """The bytes that are signed, for the attempt `when`."""
    return b"mpcjax decision" + struct.pack("<cIH", claim.kind, *when) + claim.subject


def notices(when: tuple[int, int], signatures: Iterable[tuple[Signed, bytes]]) -> list[np.ndarray]:
    """Notices, uint8, each of at most `TOGETHER` signatures about the attempt `when`."""
    records = [_RECORD.pack(c.kind, *when, who, c.subject, signature) for (c, who), signature in signatures]
    return [np.frombuffer(b"".join(records[k : k + TOGETHER]), np.uint8) for k in range(0, len(records), TOGETHER)]


def about(notice: np.ndarray) -> tuple[int, int] | None:
    """The attempt that a notice is about, by its first signature: an honest peer's is about one. None if it has none."""
    if len(notice) < RECORD_BYTES:
        return None
    _, round, attempt, *_ = _RECORD.unpack(notice[:RECORD_BYTES].tobytes())
    return round, attempt


def records(notice: np.ndarray, when: tuple[int, int]) -> Iterator[tuple[Signed, bytes]]:
    """The signatures in a notice that are about the attempt `when`; a torn one ends it."""
    data = notice.tobytes()
    whole = len(data) - len(data) % RECORD_BYTES
    for kind, round, attempt, signer, subject, signature in _RECORD.iter_unpack(data[:whole]):
        if (round, attempt) == when:
            yield (Claim(kind, subject), signer), signature
