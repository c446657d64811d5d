"""What peers do wrong on the wire: hooks for `Net(cheat=...)`, called with sender, receiver, label and what would be sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mpcjax.peers.talk import Talk
from mpcjax.peers.wire import Wire

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


def misses(members: tuple[int, ...], peer: int, times: int = 1) -> Cheat:
    """These can use nothing of what `peer` tells them in their first `times` roll calls: they say so and need not wait."""
    missed = dict.fromkeys(members, 0)

    def cheat(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray:
        if (who, name) != (peer, "deal/roll call") or missed.get(receiver, times) == times:
            return x
        missed[receiver] += 1
        return x[:0]

    return cheat


def useless_towards(sender: int, receivers: tuple[int, ...], label: str) -> Cheat:
    """What `sender` sends these under `label` is of another shape: as if it did not come, but nobody waits."""

    def cheat(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray:
        return x[:0] if who == sender and receiver in receivers and name == label else x

    return cheat


def silent_towards(sender: int, receivers: tuple[int, ...], label: str = "") -> Cheat:
    """`sender` sends these nothing, or no `label`."""

    def cheat(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray | None:
        return None if who == sender and receiver in receivers and label in ("", name) else x

    return cheat


# what a peer does within: all that it says agrees with it


def stands_by(monkeypatch: pytest.MonkeyPatch, who: int, label: str, said: Callable[[np.ndarray], np.ndarray]) -> None:
    """In the first attempt this member tells all the same, which is not what it should, and echoes that."""
    honestly = Talk.from_all

    def from_all(self: Talk, name: str, own: np.ndarray) -> np.ndarray:
        cheats = self.links.me == who and name == label and self.when == (0, 0)
        return honestly(self, name, said(own.copy()) if cheats else own)

    monkeypatch.setattr(Talk, "from_all", from_all)


def says_false_of(monkeypatch: pytest.MonkeyPatch, who: int, dealer: int, label: str = "deal/dealing check#4") -> None:
    """In the first attempt this member says in the check of the dealings something false of one."""

    def said(own: np.ndarray) -> np.ndarray:
        own[dealer] = wrong(own[dealer])
        return own

    stands_by(monkeypatch, who, label, said)


def deals(monkeypatch: pytest.MonkeyPatch, who: int, label: str, instead: Callable[[np.ndarray], Any]) -> None:
    """This peer deals something else, `[member, 1, ...]`, and commits to it."""
    honestly = Wire._peers

    def peers(self: Wire, mark: Any, name: str, x: np.ndarray) -> Any:
        return honestly(self, mark, name, instead(x.copy()) if (self.links.me, name) == (who, label) else x)

    monkeypatch.setattr(Wire, "_peers", peers)


def off(x: np.ndarray) -> np.ndarray:
    """A share of the last member that does not fit to the others."""
    x[-1] = wrong(x[-1])
    return x
