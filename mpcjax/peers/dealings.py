"""What a peer has dealt in an attempt, and what a member has received of all dealings.

With every message of its dealing a peer tells all members the digests of what each of them is sent. More than t members
say afterwards which digests they had in time, so that an honest one had them before any coin: that commits the dealer. A
member that has something else, or nothing, complains (`mpcjax.peers.complaints`); what a member was sent can be shown to
all (`mpcjax.peers.disputes`).
"""

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np

from mpcjax.peers.talk import HASH, digest

Part = tuple[str, range, np.ndarray]  # of a dealing: label, seats it goes to, what goes to each


class Dealing:
    """This peer's. `parts`: `[member, ...]`; `vectors [m, 32]`: the digests of a part, by seat; `salts [m, 32]`: what goes into
    them and only that member is told. Without these a digest would tell who has t shares whether a guess of the secret is right.
    """

    def __init__(self, parties: int):
        self.parties, self.parts = parties, list[Part]()
        self.vectors, self.salts = list[np.ndarray](), list[np.ndarray]()

    def add(self, label: str, seats: range, x: np.ndarray) -> None:
        salts = np.frombuffer(os.urandom(HASH * self.parties), np.uint8).reshape(self.parties, HASH)
        each = [
            salted(salts[seat], x[seat]) if seat in seats else np.zeros(HASH, np.uint8) for seat in range(self.parties)
        ]
        self.parts.append((label, seats, x))
        self.vectors.append(np.stack(each))
        self.salts.append(salts)

    def digests(self, seat: int) -> np.ndarray:
        """What goes with the last part to a member, `[m + 1, 32]`: the digests of all, and its salt."""
        return np.concatenate([self.vectors[-1], self.salts[-1][seat : seat + 1]])

    def sent_to(self, seat: int) -> dict[str, np.ndarray]:
        return {label: x[seat] for label, seats, x in self.parts if seat in seats}

    def like(self, seat: int, vectors: bool = True) -> list[np.ndarray]:
        """All that a member was sent: digests, salts and parts; or without the digests."""
        return [
            *(self.vectors if vectors else ()),
            *(salts[seat] for salts in self.salts),
            *self.sent_to(seat).values(),
        ]

    def size(self, seat: int, vectors: bool = True) -> int:
        return sum(x.nbytes for x in self.like(seat, vectors))

    def packed(self, seat: int) -> bytes:
        """`like`, as bytes."""
        return b"".join(x.tobytes() for x in self.like(seat))

    @property
    def most(self) -> int:
        """Bytes of the longest array that was dealt: a channel takes it."""
        return max(part[0].nbytes for _, _, part in self.parts)


class Dealings:
    """Of all `peers`, as the member at `seat` has them. `parts`: `[peer, ...]`, by label.

    `mine`: labels and shapes of what is for each seat, as this peer deals the same itself.
    """

    def __init__(self, peers: int, seat: int, mine: Dealing):
        self.peers, self.seat, self.mine = peers, seat, mine
        self.parts: dict[str, np.ndarray] = {}
        self.vectors: list[np.ndarray] = []  # [peer, m, 32] of each part
        self.salts: list[np.ndarray] = []  # [peer, 32]
        self.torn: set[int] = set()  # of whom something did not come, or is not what the digests say

    def add(self, label: str, found: np.ndarray | None, digests: np.ndarray, missed: Any) -> None:
        """`digests [peer, m + 1, 32]`: see `Dealing.digests`. `found`: None where the part is not for this seat."""
        self.vectors.append(digests[:, :-1].copy())
        self.salts.append(digests[:, -1].copy())
        self.torn |= set(missed)
        if found is not None:
            self.parts[label] = found
            for peer in range(self.peers):
                if not np.array_equal(salted(digests[peer, -1], found[peer]), digests[peer, self.seat]):
                    self.torn.add(peer)

    def commitments(self, missed: Any) -> np.ndarray:
        """The digest of all that each peer has committed to, `[peer, 32]`; zeros where something is missing."""
        return np.stack(
            [
                np.zeros(HASH, np.uint8) if peer in missed else _hash(v[peer].tobytes() for v in self.vectors)
                for peer in range(self.peers)
            ]
        )

    def unpacked(self, packed: bytes, commitment: bytes, seat: int) -> list[np.ndarray] | None:
        """What a peer has dealt for `seat`, as `Dealing.like`, from `Dealing.packed`; None if it is not committed to that."""
        like, found, start = self.mine.like(seat), list[np.ndarray](), 0
        if len(packed) != self.mine.size(seat):
            return None
        for x in like:
            found.append(np.frombuffer(packed, x.dtype, x.size, start).reshape(x.shape))
            start += x.nbytes
        count = len(self.mine.vectors)
        vectors, salts, parts = found[:count], found[count : 2 * count], iter(found[2 * count :])
        if _hash(v.tobytes() for v in vectors).tobytes() != commitment:
            return None
        for vector, salt, (_, seats, _) in zip(vectors, salts, self.mine.parts, strict=True):
            if seat in seats and not np.array_equal(salted(salt, next(parts)), vector[seat]):
                return None
        return found

    def replace(self, good: dict[int, list[np.ndarray]]) -> None:
        """By what these peers have committed to."""
        self.parts = {label: part.copy() for label, part in self.parts.items()}  # the program may have them, too
        kept = [*self.vectors, *self.salts, *self.parts.values()]
        for peer, found in good.items():
            for of_all, one in zip(kept, found, strict=True):
                of_all[peer] = one

    def packed(self, peer: int) -> np.ndarray:
        """What this member was sent by a peer, uint8: for `shown`."""
        each = [part[peer] for part in (*self.salts, *self.parts.values())]
        return np.concatenate([np.frombuffer(x.tobytes(), np.uint8) for x in each])

    def shown(self, peer: int, seat: int, packed: bytes) -> dict[str, np.ndarray] | None:
        """The parts of a peer's dealing that the member at `seat` shows; None if they are not what it was sent."""
        vectors = b"".join(v[peer].tobytes() for v in self.vectors)
        found = self.unpacked(vectors + packed, hashlib.sha256(vectors).digest(), seat)
        labels = self.mine.sent_to(seat)
        return None if found is None else dict(zip(labels, found[len(found) - len(labels) :], strict=True))


def salted(salt: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The digest of a part."""
    hashed = hashlib.sha256(salt.tobytes())
    hashed.update(np.ascontiguousarray(x).data)
    return np.frombuffer(hashed.digest(), np.uint8)


def _hash(parts: Any) -> np.ndarray:
    return digest(np.frombuffer(b"".join(parts), np.uint8))
