"""What a peer has dealt in an attempt, and what a member has received of all dealings.

With every message of its dealing a peer tells all members the digests of what each of them is sent. More than t members
say afterwards which digests they had in time, so that an honest one had them before any coin: that commits the dealer. A
member that has something else, or nothing, complains (`mpcjax.peers.complaints`); what a member was sent can be shown to
all (`mpcjax.peers.disputes`).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from mpcjax.peers.talk import HASH, digest

Part = tuple[str, range, np.ndarray]  # of a dealing: label, seats it goes to, what goes to each


class Dealing:
    """This peer's. `parts`: `[member, ...]`; `vectors [m, 32]`: the digests of a part, by seat."""

    def __init__(self, parties: int):
        self.parties, self.parts, self.vectors = parties, list[Part](), list[np.ndarray]()

    def add(self, label: str, seats: range, x: np.ndarray) -> np.ndarray:
        self.parts.append((label, seats, x))
        self.vectors.append(
            np.stack([digest(x[seat]) if seat in seats else np.zeros(HASH, np.uint8) for seat in range(self.parties)])
        )
        return self.vectors[-1]

    def sent_to(self, seat: int) -> dict[str, np.ndarray]:
        return {label: x[seat] for label, seats, x in self.parts if seat in seats}

    def size(self, seat: int, vectors: bool = True) -> int:
        """Bytes of `packed`, with the digests or without."""
        return sum(x.nbytes for x in (*(self.vectors if vectors else ()), *self.sent_to(seat).values()))

    def packed(self, seat: int) -> bytes:
        """What a member was sent, with the digests for all of them."""
        return b"".join(x.tobytes() for x in (*self.vectors, *self.sent_to(seat).values()))


class Dealings:
    """Of all `peers`, as the member at `seat` has them. `parts`: `[peer, ...]`, by label.

    `mine`: labels and shapes of what is for each seat, as this peer deals the same itself.
    """

    def __init__(self, peers: int, seat: int, mine: Dealing):
        self.peers, self.seat, self.mine = peers, seat, mine
        self.parts: dict[str, np.ndarray] = {}
        self.vectors: list[np.ndarray] = []  # [peer, m, 32] of each part
        self.torn: set[int] = set()  # of whom something did not come, or is not what the digests say

    def add(self, label: str, found: np.ndarray | None, vectors: np.ndarray, missed: Any) -> None:
        """`found`: None where the part is not for this seat."""
        self.vectors.append(vectors)
        self.torn |= set(missed)
        if found is not None:
            self.parts[label] = found
            right = [np.array_equal(digest(found[peer]), vectors[peer, self.seat]) for peer in range(self.peers)]
            self.torn |= set(np.flatnonzero(~np.array(right)).tolist())

    def commitments(self, missed: Any) -> np.ndarray:
        """The digest of all that each peer has committed to, `[peer, 32]`; zeros where something is missing."""
        return np.stack(
            [
                np.zeros(HASH, np.uint8) if peer in missed else _hash(v[peer].tobytes() for v in self.vectors)
                for peer in range(self.peers)
            ]
        )

    def unpacked(
        self, packed: bytes, commitment: bytes, seat: int
    ) -> tuple[list[np.ndarray], dict[str, np.ndarray]] | None:
        """Digests and parts of a peer's dealing for `seat`, from `Dealing.packed`; None if they are not what it committed to."""
        like = [*self.mine.vectors, *self.mine.sent_to(seat).values()]
        if len(packed) != self.mine.size(seat):
            return None
        found, start = [], 0
        for x in like:
            found.append(np.frombuffer(packed, x.dtype, x.size, start).reshape(x.shape))
            start += x.nbytes
        vectors, parts = found[: len(self.mine.vectors)], found[len(self.mine.vectors) :]
        if _hash(v.tobytes() for v in vectors).tobytes() != commitment:
            return None
        shown = [v[seat] for v, (_, seats, _) in zip(vectors, self.mine.parts, strict=True) if seat in seats]
        if not all(np.array_equal(digest(x), one) for x, one in zip(parts, shown, strict=True)):
            return None
        return vectors, dict(zip(self.mine.sent_to(seat), parts, strict=True))

    def replace(self, peer: int, vectors: list[np.ndarray], parts: dict[str, np.ndarray]) -> None:
        """By what the peer has committed to."""
        for of_all, one in zip(self.vectors, vectors, strict=True):
            of_all[peer] = one
        for label, one in parts.items():
            self.parts[label][peer] = one

    def packed(self, peer: int) -> np.ndarray:
        """What this member was sent by a peer, uint8: for `shown`."""
        return np.concatenate([np.frombuffer(part[peer].tobytes(), np.uint8) for part in self.parts.values()])

    def shown(self, peer: int, seat: int, packed: bytes) -> dict[str, np.ndarray] | None:
        """The parts of a peer's dealing that the member at `seat` shows; None if they are not what it was sent."""
        vectors = b"".join(v[peer].tobytes() for v in self.vectors)
        found = self.unpacked(vectors + packed, hashlib.sha256(vectors).digest(), seat)
        return None if found is None else found[1]


def _hash(parts: Any) -> np.ndarray:
    return np.frombuffer(hashlib.sha256(b"".join(parts)).digest(), np.uint8)
