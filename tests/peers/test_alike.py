"""Peers that were given another reference than the others: left out, nothing of them opened, and not taken for cheats."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mpcjax.peers.election import Election
from mpcjax.peers.node import Node
from mpcjax.peers.wire import Wire
from mpcjax.rules import FLTrust, Public
from tests.peers._cheats import stands_by
from tests.peers._consortium import LENGTH, PARTIES, PEERS, SEED, consortium, play
from tests.peers._memory import Net

MEMBERS = Election(SEED, PEERS, PARTIES).members((0, 0))
LIGHT, OTHER = (peer for peer in range(PEERS) if peer not in MEMBERS)
OPENED = "verify certificates/certificate"


@dataclasses.dataclass(frozen=True)
class Undivided(FLTrust):
    """Compiles faster."""

    def settle(self, total: Any, public: Public) -> Any:
        return total[:LENGTH]


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Programs are compiled, and have run once: what follows is short against the patience of a message."""
    play(consortium(Net(PEERS), Undivided()))


def net(seen: Callable[..., Any] | None = None) -> Net:
    return Net(PEERS, patience=2.0, slot=0.1, cheat=seen)


ELSEWHERE = np.linspace(1, 2, LENGTH, dtype=np.float32)  # times this a reference has another direction


def mistaken(node: Node, times: np.ndarray = ELSEWHERE, rounds: int = 1) -> None:
    """In so many rounds it is given another reference."""
    honestly = node.round

    def round(number: int, update: Any, public: Public) -> Any:
        other = public.reference * times
        return honestly(number, update, dataclasses.replace(public, reference=other) if number < rounds else public)

    node.round = round  # type: ignore[method-assign]


def without(found: list[Any], peer: int) -> None:
    """All have the same outcome, in which every other peer has its part."""
    assert len({one.outcome.packed().tobytes() for one in found}) == 1
    expected = [k != peer for k in range(PEERS)]
    for one in found:
        assert one.outcome.bits["accepted"].tolist() == one.outcome.bits["well"].tolist() == expected


def test_what_is_opened_says_nothing_of_a_peer_that_has_another_reference() -> None:
    """Whatever its update is, the members say the same; of one that has the same reference they do not."""
    said = [opened(scale) for scale in (1.0, -2.0)]
    assert len(said[0]) == PARTIES * (PARTIES - 1)
    for pair, first in said[0].items():
        assert np.array_equal(first[LIGHT], said[1][pair][LIGHT]), "its update does not matter"
        assert not np.array_equal(first[OTHER], said[1][pair][OTHER]), "that of others does"


def opened(scale: float) -> dict[tuple[int, int], np.ndarray]:
    """What members tell each other of all certificates, by sender and receiver, if all updates are so many times as long."""
    told = {}

    def seen(who: int, receiver: int, label: str, x: np.ndarray) -> np.ndarray:
        if label.startswith(OPENED) and "/" not in label[len(OPENED) :]:
            told[who, receiver] = x
        return x

    nodes = consortium(net(seen), Undivided())
    mistaken(nodes[LIGHT])
    found = play(nodes, act=lambda given: given * np.float32(scale))
    without(found, LIGHT)
    assert found[0].attempt == 0 and all(node.conduct.caught == node.conduct.silent == set() for node in nodes)
    return told


@pytest.mark.parametrize("times", [ELSEWHERE, np.full(LENGTH, 2, np.float32)], ids=["elsewhere", "longer"])
def test_a_member_that_has_another_reference_is_not_drawn_until_it_has_that_of_all(times: np.ndarray) -> None:
    """What it computes fits to nothing: else all attempts fail for which it is drawn, and nobody is named. A longer one alone
    would give it another outcome, when the output has been opened."""
    nodes, who = consortium(net(), Undivided()), MEMBERS[1]
    mistaken(nodes[who], times)
    found = play(nodes)
    without(found, who)
    assert {one.failed for one in found} == {((MEMBERS, (who,)),)} and who not in found[0].members
    assert all(node.conduct.silent == {who} and node.conduct.caught == set() for node in nodes)
    found = play(nodes, 1)
    assert all(who not in one.members and one.outcome.bits["accepted"].all() for one in found)
    assert all(node.conduct.undrawn == set() for node in nodes)


def test_a_member_that_hears_other_fingerprints_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def said(votes: np.ndarray) -> np.ndarray:
        votes[:, -40:] ^= 1
        return votes

    stands_by(monkeypatch, MEMBERS[1], "deal/roll call/votes", said)
    nodes = consortium(net(), Undivided())
    for done, node in zip(play(nodes), nodes, strict=True):
        assert done.attempt == 0 and done.outcome.bits["accepted"].all() and node.conduct.silent == set()


WORDS = {"one of four": [5, 6, 5, 5], "no majority": [5, 6, 5, 6], "it is not there": [5, 6, 5, 5]}


@pytest.mark.parametrize("case", WORDS)
def test_who_is_not_listened_to(case: str) -> None:
    """Of four members one; not where no more than half of them say the same, and not who is left out in any case."""
    members, blames, said, present = (0, 3, 1, 2), [], np.zeros((5, 8), bool), np.ones(5, bool)
    said[:4] = np.unpackbits(np.array(WORDS[case], np.uint8)[:, None], axis=1)
    present[1] = case != "it is not there"

    def blame(check: str, label: str, seats: list[int], proven: bool) -> None:
        blames.append((members[seats[0]], len(seats), proven))

    wire: Any = SimpleNamespace(members=members, talk=SimpleNamespace(blame=blame, when=(0, 0)))
    Wire._require_alike(wire, "deal/roll call", present, said)
    assert blames == ([(1, 1, False)] if case == "one of four" else [])
