"""Honest peers that are slow, and corrupt members that would have them called silent or away."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

import numpy as np
import pytest

from mpcjax._compat import x64
from mpcjax.errors import Abort
from mpcjax.peers import node as nodes_of
from mpcjax.peers.attempt import attempt
from mpcjax.peers.election import Election
from mpcjax.peers.node import Node, Round
from mpcjax.peers.talk import HASH, Talk
from mpcjax.rules import Public
from tests.peers._cheats import misses
from tests.peers._consortium import (
    LENGTH,
    PARTIES,
    PEERS,
    SEED,
    compiled,
    consortium,
    nobody_waits_for,
    play,
    updates,
)
from tests.peers._memory import Net

ALL = range(PEERS)
FIRST, CORRUPT, SLOW = Election(SEED, PEERS, PARTIES).members((0, 0))
LIGHT = [peer for peer in ALL if peer not in (FIRST, CORRUPT, SLOW)]


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    compiled()
    play(consortium(Net(PEERS)))


def begin(nodes: list[Node], number: int, later: dict[int, float]) -> list[Round]:
    """A round that some begin `later`, by peer in seconds."""
    found: list[Any] = [None] * PEERS

    def body(peer: int) -> None:
        time.sleep(later.get(peer, 0.0))
        with x64():
            found[peer] = nodes[peer].round(number, updates()[peer], Public.of(PEERS, LENGTH))

    threads = [threading.Thread(target=body, args=(peer,)) for peer in ALL]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(one, Round) for one in found), found
    return found


def ends_at_once(programs: Any, wire: Any, task: Any) -> Any:
    """An attempt that the corrupt member gives up as soon as it begins."""
    if (wire.links.me, wire.talk.when) == (CORRUPT, (0, 0)):
        raise Abort("echo", phase="corrupt")
    return attempt(programs, wire, task)


@pytest.mark.parametrize(
    "later",
    [
        pytest.param({SLOW: 2.0, LIGHT[1]: 2.0}, id="it begins later", marks=pytest.mark.long),
        pytest.param({LIGHT[0]: 3.0, LIGHT[1]: 3.0}, id="it waits for others, who begin later"),
    ],
)
def test_a_member_is_not_called_silent_because_a_corrupt_one_ends_the_attempt_at_once(
    monkeypatch: pytest.MonkeyPatch, later: dict[int, float]
) -> None:
    """Whoever is called silent is not drawn for a while; were they honest, more of those who are drawn would be corrupt."""

    monkeypatch.setattr(nodes_of, "attempt", ends_at_once)
    waits = Node._others_begun
    monkeypatch.setattr(Node, "_others_begun", lambda node, *what: node.links.me == CORRUPT or waits(node, *what))

    def begun_to_one(who: int, to: int, name: str, x: np.ndarray) -> np.ndarray | None:
        said = name == "notice" and bytes(x[:1]) == b"R" and len(x) == 7
        return None if who == CORRUPT and to != FIRST and said and SLOW not in later else x

    nodes = consortium(Net(PEERS, patience=5.0, slot=0.1, cheat=begun_to_one))
    found = begin(nodes, 0, later)
    assert all(one.failed == (((FIRST, CORRUPT, SLOW), ()),) for one in found)
    assert all(not node.conduct.silent for node in nodes)


def test_a_member_is_not_called_silent_for_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step may take as long as a message; what became of the attempt is agreed upon in a few slots meanwhile."""

    def computes(programs: Any, wire: Any, task: Any) -> Any:
        if (wire.links.me, wire.talk.when) == (SLOW, (0, 0)):
            time.sleep(2.0)
        return ends_at_once(programs, wire, task)

    monkeypatch.setattr(nodes_of, "attempt", computes)
    nodes = consortium(Net(PEERS, patience=5.0, slot=0.1))
    found = begin(nodes, 0, {})
    assert all(one.failed == (((FIRST, CORRUPT, SLOW), ()),) for one in found)


def test_a_member_is_not_called_silent_for_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """It had no seat in the first committee, and compiles what members run when it is drawn: only then does it begin."""
    first, again = (Election(SEED, PEERS, PARTIES).members((3, k)) for k in range(2))
    (new,) = set(again) - set(first)
    corrupt = min(set(again) & set(first))

    def ends(programs: Any, wire: Any, task: Any) -> Any:
        if wire.links.me == corrupt and wire.talk.when in ((3, 0), (3, 1)):
            raise Abort("echo", phase="corrupt")
        return attempt(programs, wire, task)

    class Slow:
        def __init__(self, programs: Any):
            self._programs = programs

        def __getattr__(self, name: str) -> Any:
            return getattr(self._programs, name)

        def compile(self, member: bool) -> float:
            time.sleep(2.0)
            return 2.0

    monkeypatch.setattr(nodes_of, "attempt", ends)
    nodes = consortium(Net(PEERS, patience=5.0, slot=0.1))
    nodes[new].programs = Slow(nodes[new].programs)  # type: ignore[assignment]
    assert all(one.failed == ((first, ()), (again, ())) for one in begin(nodes, 3, {}))


def test_a_member_that_has_left_is_called_silent_before_it_was_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes_of, "attempt", ends_at_once)
    nodes = consortium(Net(PEERS, patience=5.0, slot=0.1))
    nobody_waits_for(nodes, SLOW)  # by the second committee
    found = [one for one in play(nodes, without=(SLOW,)) if one is not None]
    assert all(one.failed == (((FIRST, CORRUPT, SLOW), (SLOW,)),) for one in found) and len(found) == PEERS - 1


def test_who_was_left_out_twice_and_takes_part_is_waited_for() -> None:
    """To have come too late twice would leave a slow peer out for ever."""
    victim, election = LIGHT[0], Election(SEED, PEERS, PARTIES)
    both = tuple(sorted(set(election.members((0, 0))) & set(election.members((1, 0)))))[:2]
    nodes = consortium(Net(PEERS, patience=4.0, slot=0.1, cheat=misses(both, victim, times=2)))
    assert len(both) == 2 and victim not in nodes[0].election.members((1, 0))
    for number in (0, 1):
        begin(nodes, number, {})
    assert nodes[FIRST].conduct.gone == {victim}
    found = begin(nodes, 3, {victim: 1.5})  # no member of this committee either
    assert victim not in found[FIRST].members and found[FIRST].outcome.bits["well"].all()


def test_who_was_away_once_and_has_no_connection_is_not_waited_for() -> None:
    victim = LIGHT[0]
    net = Net(PEERS, patience=4.0, slot=0.1, cheat=misses((FIRST, CORRUPT), victim))
    nodes = consortium(net)
    play(nodes, 0)
    assert all(node.conduct.away == {victim} and not node.conduct.gone for node in nodes)
    for end in net.ends:
        end.left = lambda peer: peer == victim  # type: ignore[method-assign]
    rest = [one for one in play(nodes, 1, without=(victim,)) if one is not None]
    assert all(one.seconds < 4.0 for one in rest) and nodes[FIRST].conduct.gone == {victim}


def test_who_was_left_out_once_is_waited_for_in_the_next_round() -> None:
    """Though it begins later than all others: to have come too late once would leave it out for ever."""
    victim = LIGHT[0]
    nodes = consortium(Net(PEERS, patience=4.0, slot=0.1, cheat=misses((FIRST, CORRUPT), victim)))
    first, second = begin(nodes, 0, {})[0], begin(nodes, 1, {victim: 1.5})[0]
    assert not first.outcome.bits["well"][victim] and nodes[0].conduct.away == set()
    assert second.outcome.bits["well"].all()


def test_who_is_away_twice_is_not_waited_for_again() -> None:
    """It would cost a patience a round. Whether it was away once or twice all honest peers know alike."""
    nodes, victim = consortium(Net(PEERS, patience=1.5, slot=0.1)), LIGHT[0]
    others = [node for peer, node in enumerate(nodes) if peer != victim]
    seconds, gone = [], []
    for number in (0, 1, 3):  # in its committees the victim has no seat, or it would be called silent
        assert victim not in nodes[0].election.members((number, 0))
        rest = [one for one in play(nodes, number, without=(victim,)) if one is not None]
        seconds.append(min(one.seconds for one in rest))
        gone.append(all(node.conduct.gone == {victim} for node in others))
    assert gone == [False, True, True] and seconds[0] > 1.5 and seconds[1] > 1.5 > seconds[2]


def test_one_member_does_not_say_for_a_peer_that_it_withdraws_or_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer whose update is too large withdraws. Were it taken to go on, its certificate would fail: it would be a cheat."""
    large, honestly = LIGHT[0], Talk.from_all

    def from_all(wire: Talk, label: str, own: np.ndarray) -> np.ndarray:
        if wire.links.me == CORRUPT and label == "deal/roll call/votes":
            own = own.copy()
            own[large, 1 + HASH :] = True
        return honestly(wire, label, own)

    def too_large(given: np.ndarray) -> np.ndarray:
        given[large] *= 1e9
        return given

    monkeypatch.setattr(Talk, "from_all", from_all)
    nodes = consortium(Net(PEERS, patience=2.0, slot=0.1))
    found = play(nodes, act=too_large)
    for node, done in zip(nodes, found, strict=True):
        assert done.outcome.bits["well"].all() and not done.outcome.bits["fits"][large] and not node.conduct.caught


def test_members_whose_machines_round_differently_end_without_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corrupt member could vouch for the one's outcome towards some peers and for the other's towards others."""

    def rounds(programs: Any, wire: Any, task: Any) -> Any:
        outcome = attempt(programs, wire, task)
        if outcome is not None and wire.links.me == SLOW and wire.talk.when[0] == 0:
            value = outcome.value.copy()
            value[0] = np.nextafter(value[0], np.float32(np.inf))
            outcome = dataclasses.replace(outcome, value=value)
        return outcome

    monkeypatch.setattr(nodes_of, "attempt", rounds)
    nodes = consortium(Net(PEERS, patience=2.0, slot=0.1))
    assert all(isinstance(one, Abort) and one.phase == "round" for one in play(nodes, 0))
    assert all(isinstance(one, Round) for one in play(nodes, 1))


def test_a_member_that_tells_one_of_another_outcome_parts_nobody() -> None:
    def lies(who: int, to: int, name: str, x: np.ndarray) -> np.ndarray:
        return x ^ 1 if (who, to, name) == (CORRUPT, SLOW, "open/outcome") else x

    found = play(consortium(Net(PEERS, patience=2.0, slot=0.1, cheat=lies)), 0)
    assert len({one.outcome.packed().tobytes() for one in found}) == 1
