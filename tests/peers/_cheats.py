"""What peers do wrong on the wire: hooks for `Net(cheat=...)`, called with sender, receiver, label and what would be sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

MODULUS = 2**61 - 1
Cheat = Callable[[int, int, str, np.ndarray], Any]


def wrong(x: np.ndarray) -> np.ndarray:
    """Something else of the same shape: field elements plus one, other bits."""
    if x.dtype == np.bool_:
        return ~x
    return (x + np.uint64(1)) % np.uint64(MODULUS) if x.dtype == np.uint64 else x ^ np.array(1, x.dtype)


def lies(sender: int, label: str, receivers: tuple[int, ...] | None = None, times: int = 1) -> Cheat:
    """`sender` tells `receivers` (all) something wrong, the first `times` that it has `label` to tell."""
    told: dict[int, int] = {}

    def cheat(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray:
        if (who, name) != (sender, label) or (receivers is not None and receiver not in receivers):
            return x
        told[receiver] = told.get(receiver, 0) + 1
        return wrong(x) if told[receiver] <= times else x

    return cheat


def silent_from(sender: int, phase: str) -> Cheat:
    """`sender` says nothing any more, notices neither, from its first message of `phase` on."""
    begun = False

    def cheat(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray | None:
        nonlocal begun
        if who != sender:
            return x
        begun = begun or name.startswith(phase + "/")
        return None if begun else x

    return cheat


def misses(member: int, peer: int, times: int = 1) -> Cheat:
    """`member` can use nothing of what `peer` tells it in its first `times` roll calls: it says so at once, and need not wait."""
    missed = 0

    def cheat(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray:
        nonlocal missed
        if (who, receiver, name) != (peer, member, "deal/roll call") or missed == times:
            return x
        missed += 1
        return x[:0]

    return cheat


def silent_towards(sender: int, receivers: tuple[int, ...], label: str = "") -> Cheat:
    """`sender` sends these nothing, or no `label`."""

    def cheat(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray | None:
        return None if who == sender and receiver in receivers and label in ("", name) else x

    return cheat
