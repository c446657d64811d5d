"""What comes of a round, as bytes that can be compared, sent and kept."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

BITS = ("accepted", "finite", "well", "certified", "fits", "false")  # of every peer
# fits: it does not withdraw; false: it is proven to have dealt what it must not


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """The value `[d]` float32; bits of every peer by name, `[n]` bool; `accused [m]` bool; `order [n]` int32 or empty."""

    value: np.ndarray
    bits: dict[str, np.ndarray]
    accused: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, state: dict[str, Any], said: dict[str, Any], accused: Any) -> Outcome:
        """`state` in the end; `said`: of `fits` and `false`, which are not in it any more."""
        bits = {name: np.asarray((said | state)[name], bool) for name in BITS}
        order = np.asarray(state.get("order", ()), np.int32)
        return cls(np.asarray(state["value"], np.float32), bits, np.asarray(accused, bool), order)

    @classmethod
    def blank(cls, length: int, peers: int, parties: int, ordered: bool) -> Outcome:
        """One of the right shapes."""
        bits = {name: np.zeros(peers, bool) for name in BITS}
        order = np.zeros(peers if ordered else 0, np.int32)
        return cls(np.zeros(length, np.float32), bits, np.zeros(parties, bool), order)

    def packed(self) -> np.ndarray:
        """As uint8."""
        parts = [self.value.astype("<f4"), *self.bits.values(), self.accused, self.order.astype("<i4")]
        return np.frombuffer(b"".join(part.tobytes() for part in parts), np.uint8)

    def unpacked(self, packed: np.ndarray) -> Outcome:
        """One of the shapes of this one."""
        data, start, found = packed.tobytes(), 0, []
        for part in (self.value, *self.bits.values(), self.accused, self.order):
            found.append(np.frombuffer(data, part.dtype.newbyteorder("<"), part.size, start).astype(part.dtype))
            start += part.nbytes
        value, *bits, accused, order = found
        return Outcome(value, dict(zip(self.bits, bits, strict=True)), accused, order)


def digest(packed: np.ndarray) -> bytes:
    return hashlib.sha256(packed.tobytes()).digest()
