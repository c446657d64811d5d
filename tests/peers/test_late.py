"""No honest peer ends with another model than the others, however late it comes and whatever it has missed."""

from __future__ import annotations

import dataclasses
import inspect
import struct
import threading
import time
from typing import Any

import numpy as np
import pytest

from mpcjax.errors import Abort
from mpcjax.peers import node as nodes_of
from mpcjax.peers.claims import ABORT, RECORD_BYTES, Claim, notices, statement
from mpcjax.peers.conduct import Conduct
from mpcjax.peers.early import KEPT_BYTES, Early, room
from mpcjax.peers.election import Election
from mpcjax.peers.links import Lost
from mpcjax.peers.node import Node, Round
from mpcjax.peers.outcome import digest
from tests.peers._consortium import PARTIES, PEERS, SEED, compiled, consortium, nobody_waits_for, play
from tests.peers._memory import Net, _signature

LATE = 0
OTHERS = tuple(range(1, PEERS))


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    compiled()
    play(consortium(Net(PEERS)))


def alone(nodes: list[Node], number: int) -> Any:
    """What the late peer has when all others are done."""
    return play(nodes, number, without=OTHERS)[LATE]


def test_who_has_heard_nothing_catches_up_and_says_nothing_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others have finished without it, and their notices are lost: it must not hold that the round failed."""
    net = Net(PEERS, patience=2.0, slot=0.1)
    nodes = consortium(net)
    nobody_waits_for(nodes, LATE)
    hears, net.ends[LATE].heard = net.ends[LATE].heard, lambda peer, notice: None
    done = play(nodes, 0, without=(LATE,))[1]
    net.ends[LATE].notices.submit(lambda: None).result()
    net.ends[LATE].heard, net.ends[LATE].patience = hears, 0.25
    monkeypatch.setattr(nodes_of, "LONG", 2)
    assert isinstance(done, Round) and isinstance(alone(nodes, 0), Lost)
    assert not nodes[LATE].history._records
    found, _ = nodes[LATE].missed(0)
    assert found is not None and np.array_equal(found.outcome.value, done.outcome.value)
    assert nodes[LATE].conduct == nodes[1].conduct


def test_who_finds_the_others_ahead_asks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes_of, "LONG", 1)
    net = Net(PEERS, patience=1.0, slot=0.2)
    nodes = consortium(net)
    for peer in (1, 2):  # one of them is honest
        nodes[LATE]._heard(peer, about((4, 0), peer))
    for number in (0, 3):
        assert "ahead" in str(alone(nodes, number))


def test_who_has_not_had_everything_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes_of, "LONG", 1)
    nodes = consortium(Net(PEERS, patience=1.0, slot=0.2))
    monkeypatch.setattr(nodes[LATE]._early, "room", 0)
    for peer in (1, 2):
        nodes[LATE]._heard(peer, about((0, 0), peer))
    assert "ahead" in str(alone(nodes, 0))


def test_all_end_alike_when_most_of_a_committee_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody ever knows that t + 1 members have done with the attempt."""
    monkeypatch.setattr(nodes_of, "LONG", 2)
    dead = Election(SEED, PEERS, PARTIES).members((0, 0))[:2]
    nodes = consortium(Net(PEERS, patience=1.0, slot=0.1), corrupt=2, attempts=1)
    found = [one for one in play(nodes, 0, without=dead) if one is not None]
    assert len(found) == PEERS - 2 and all(isinstance(one, Abort) for one in found), found
    assert len({str(one) for one in found}) == 1


def test_a_node_of_other_programs_goes_on_answering_for_the_one_before() -> None:
    net = Net(PEERS, patience=5.0, slot=0.2)
    nodes = consortium(net)
    nobody_waits_for(nodes, LATE)
    done = play(nodes, 0, without=(LATE,))[1]
    setup = compiled().setup
    longer = dataclasses.replace(compiled(), setup=dataclasses.replace(setup, length=setup.length + 1))
    for peer in OTHERS:
        election, before = nodes[peer].election, nodes[peer]
        before.conduct = Conduct(silent=frozenset({3}))
        nodes[peer] = Node(net.ends[peer], election, longer, corrupt=1, before=before)
        assert nodes[peer].conduct == before.conduct, "else committees were others than those of a peer that comes back"
        for name in ("_decisions", "_giving", "_begun", "_early", "_lock"):
            assert getattr(nodes[peer], name) is getattr(before, name), (
                "the very one that the network's thread may be reading"
            )
    found, running = nodes[LATE].missed(0)
    assert not running and found is not None and np.array_equal(found.outcome.value, done.outcome.value)


def test_what_comes_while_an_attempt_begins_is_heard() -> None:
    """After what came long ago, from whose time the count goes."""
    node = consortium(Net(PEERS, slot=60.0))[LATE]
    begun, threads = node._early.about, []

    def meanwhile(when: tuple[int, int]) -> Any:
        found = begun(when)
        threads.append(threading.Thread(target=node._heard, args=(1, about((0, 0), 1))))
        threads[0].start()
        threads[0].join(0.2)
        return found

    node._early.about = meanwhile  # type: ignore[method-assign]
    node._heard(2, about((0, 0), 2))
    decision = node._decide((0, 0), (1, 2, 3), time.monotonic())
    threads[0].join()
    assert list(decision._done) == [2, 1]


def test_an_outcome_that_does_not_come_soon_is_asked_of_all_other_members_at_once() -> None:
    """Not at first, or every member would send it to everybody; and the first may still send it."""
    net = Net(PEERS, patience=1.2, slot=0.2)
    node, happened = consortium(net)[LATE], list[Any]()
    end, receive = net.ends[LATE], net.ends[LATE].receive
    end.notify = lambda peer, notice: happened.append(peer)  # type: ignore[method-assign]
    end.receive = lambda *args: happened.append("wait") or receive(*args)  # type: ignore[method-assign]
    with pytest.raises(Lost, match="nobody who has it gave"):
        node._giving.fetch((0, 0), (1, 2, 3), b"", node._blank().packed())
    asked = [k for k, what in enumerate(happened) if what != "wait"]
    assert {happened[k] for k in asked} == {2, 3} and asked[1] == asked[0] + 1 and asked[0] >= 3
    assert happened[asked[1] :].count("wait") >= 3


def test_an_outcome_is_given_once_to_whoever_asks_again() -> None:
    """Whoever asks for more wants this peer's memory."""
    net, sent = Net(PEERS), list[Any]()
    node = consortium(net)[1]
    node._giving.keep((0, 0), node._blank().packed())
    net.ends[1].send = lambda peer, when, label, x: sent.append((peer, label))  # type: ignore[method-assign]
    for peer in (2, 2, 3, 2):
        assert node._serves(peer, struct.pack("<cIH", b"W", 0, 0)) and node._serves(
            peer, struct.pack("<cIH", b"W", 1, 0)
        )
    assert sent == [(2, "outcome again"), (3, "outcome again")]


def test_an_outcome_that_comes_soon_is_asked_of_nobody() -> None:
    net = Net(PEERS, patience=2.0, slot=0.2)
    node, asked = consortium(net)[LATE], list[int]()
    packed = node._blank().packed()
    threading.Timer(0.2, lambda: net.ends[1].send(LATE, (0, 0), "outcome", packed)).start()
    net.ends[LATE].notify = lambda peer, notice: asked.append(peer)  # type: ignore[method-assign]
    assert np.array_equal(node._giving.fetch((0, 0), (1, 2, 3), digest(packed), packed), packed) and not asked


@pytest.mark.parametrize("missed", [False, True])
def test_of_rounds_that_are_over_nothing_is_kept_however_they_ended(missed: bool) -> None:
    """With an outcome; without one, as every broadcast differs; or learned from the others."""
    net = Net(PEERS, patience=2.0, slot=0.1)
    nodes = consortium(net, attempts=1)
    node = nodes[LATE]
    done = play(nodes, 0)[LATE]
    node._giving._given.add((1, (0, 0)))
    assert list(node._decisions) == [(0, 0)] and (node._giving._packed or LATE not in done.members)
    net.cheat = lambda who, to, label, x: x ^ 1 if label == "deal/coin#1/echo" else x
    ends = play(nodes, 1, without=(LATE,) if missed else ())
    assert isinstance(ends[1], Abort)
    if missed:
        assert node._early.about((1, 0)) and node.missed(1) == (None, False)
    assert {when[0] for when in (*node._decisions, *node._giving._packed)} <= {1} and not node._giving._given
    assert missed != ((1, 0) in node._decisions)
    assert not node._early.about((0, 0))


# notices kept for later


def about(when: tuple[int, int], peer: int) -> np.ndarray:
    claim = Claim(ABORT)
    return notices(when, [((claim, peer), _signature(peer, statement(claim, when)))])[0]


SIZE = about((0, 0), 0).nbytes + KEPT_BYTES


def test_who_sends_many_fills_only_its_own_room() -> None:
    early = Early(4, 1, room=3 * SIZE)
    early.keep(2, about((0, 0), 2))
    for _ in range(9):
        early.keep(1, about((0, 0), 1))
    early.keep(3, about((0, 0), 3))
    assert [peer for _, peer, _ in early.about((0, 0))] == [2, 1, 1, 1, 3]
    assert early.whole((0, 0))  # the one may be corrupt
    early.keep(1, about((1, 0), 1))
    for _ in range(9):
        early.keep(2, about((1, 0), 2))
    assert early.whole((0, 0)) and not early.whole((1, 0))
    early.forget(2)
    assert early.whole((1, 0)) and not early.about((0, 0)) and not early.about((1, 0))
    early.keep(1, about((2, 0), 1))
    assert [peer for _, peer, _ in early.about((2, 0))] == [1]


def test_all_that_an_honest_peer_says_of_a_round_whose_committees_fail_has_room() -> None:
    """Of five attempts, as many as there are by default."""
    early, longest = Early(PEERS, 0, room(PEERS, PARTIES)), (PARTIES + PEERS) * RECORD_BYTES
    attempts = [(0, k) for k in range(inspect.signature(Node).parameters["attempts"].default)]
    for when in attempts:
        notice = np.resize(about(when, 1), longest)
        for _ in range(4 * PARTIES + 8):
            early.keep(1, notice)
    assert all(early.whole(when) and len(early.about(when)) == 4 * PARTIES + 8 for when in attempts)


def test_of_what_is_about_no_attempt_the_last_are_kept() -> None:
    """Whatever comes while a peer compiles: its memory is bounded."""
    early = Early(4, 1, room=9 * SIZE)
    for k in range(100):
        early.keep(2, np.frombuffer(bytes([k]), np.uint8))
    assert early.others() == [(2, bytes([k])) for k in range(96, 100)] and early.others() == []


def test_how_far_the_others_are_is_what_an_honest_one_says() -> None:
    early = Early(4, 1, room=9 * SIZE)
    early.keep(3, about((7, 0), 3))
    assert early.begun() == -1
    early.keep(2, about((2, 1), 2))
    assert early.begun() == 2
    early.keep(1, about((1, 0), 1))
    early.keep(1, np.zeros(3, np.uint8))
    assert not early.about((1, 0)) and early.about((2, 1))


@pytest.mark.long
def test_attempts_that_failed_leave_room_for_more() -> None:
    """What honest peers say of a round whose committees all fail is kept whole."""
    net = Net(
        PEERS, patience=1.0, slot=0.1, cheat=lambda who, to, label, x: x ^ 1 if label == "deal/coin#1/echo" else x
    )
    nodes = consortium(net, attempts=3)
    early = nodes[LATE]._early
    found = play(nodes, 0, without=(LATE,))
    assert all(isinstance(found[peer], Abort) for peer in OTHERS)
    assert all(early.about((0, k)) and early.whole((0, k)) for k in range(3))
    assert str(alone(nodes, 0)) == str(found[1])
