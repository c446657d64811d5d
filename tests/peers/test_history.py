"""What a peer that was away is told, and how often; and that a peer from which an outcome is withheld asks for it later."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mpcjax.fabric import Mark
from mpcjax.peers.conduct import Conduct
from mpcjax.peers.early import Early
from mpcjax.peers.history import History, Record
from mpcjax.peers.links import Lost, Stopped
from mpcjax.peers.node import Node, Round
from mpcjax.peers.outcome import Outcome
from mpcjax.peers.peer import Peer
from mpcjax.peers.wire import Wire
from tests.peers._consortium import PEERS, consortium, play
from tests.peers._memory import Net


def question(number: int, turn: int) -> bytes:
    return struct.pack("<cII", b"H", number, turn)


def test_questions_that_come_too_often_are_not_answered() -> None:
    net, sent = Net(3, slot=60.0), list[Any]()
    net.ends[0].send = lambda *what: sent.append(what[:3])  # type: ignore[method-assign]
    history = History(net.ends[0], 1, Record(0, (0, 1, 2), Conduct(), Outcome.blank(4, 3, 3, False)))
    for turn in range(100):
        assert history.answer(1, question(0, turn))
    assert history.answer(2, question(5, 1)) and not history.answer(2, b"another")
    assert [(peer, label) for peer, _, label in sent] == [(1, "history/0/0"), (2, "history/5/1")]


def test_a_peer_that_is_not_given_an_accepted_outcome_asks_all_for_it() -> None:
    def withheld(*_: Any) -> Any:
        raise Lost(1, "outcome", "did not come", late=True)

    later = SimpleNamespace(number=7, attempt=0)
    node: Any = SimpleNamespace(round=withheld, missed=lambda number: (later, False))
    peer = object.__new__(Peer)
    peer._behind = peer._asked = False
    assert peer._done(node, 7, np.zeros(3, np.float32), None) is later and peer._behind


def test_who_comes_too_late_to_open_says_and_shows_nothing() -> None:
    """The others may have agreed that nobody has opened; a round that is repeated then would show two outputs."""
    said = list[Any]()
    wire = object.__new__(Wire)
    wire.seat, wire._opened, wire.long = 0, False, float("inf")
    wire.decision = SimpleNamespace(over=lambda: True, say=said.append)  # type: ignore[assignment]
    with pytest.raises(Stopped):
        wire.meet(Mark("broadcast", "open", "output#1"), "", None, np.zeros((1, 3), np.uint64))
    assert not said and not wire._opened


def test_a_member_whose_claim_to_open_is_not_accepted_shows_nothing() -> None:
    wire = object.__new__(Wire)
    wire.seat, wire._opened, wire.long, wire._since, wire._meetings = 0, False, float("inf"), 0.0, 0
    wire.links = Net(PEERS).ends[0]
    wire.decision = SimpleNamespace(over=lambda: False, say=lambda claim: None, may_open=lambda until: False)  # type: ignore[assignment]
    with pytest.raises(Stopped):
        wire.meet(Mark("broadcast", "open", "output#1"), "", None, np.zeros((1, 3), np.uint64))


def test_a_round_number_is_used_once() -> None:
    nodes = consortium(Net(PEERS))
    assert all(isinstance(one, Round) for one in play(nodes, 3))
    for number in (3, 2):
        assert all(isinstance(one, ValueError) and "rounds from 4 on" in str(one) for one in play(nodes, number))


def test_what_came_before_there_was_a_node_is_heard() -> None:
    """A peer that still compiles when all others are done has their outcome all the same."""
    net, late = Net(PEERS, patience=2.0), 0
    early = Early(PEERS, 1, 1 << 20)
    nodes = consortium(net)
    net.ends[late].heard = early.keep
    done = play(nodes, 0, without=(late,))
    nodes[late] = Node(net.ends[late], nodes[late].election, nodes[late].programs, corrupt=1, early=early)
    assert early.about((0, 0)) and isinstance(done[1], Round)
    (found,) = [one for one in play(nodes, 0, without=tuple(range(1, PEERS))) if one is not None]
    assert isinstance(found, Round) and np.array_equal(found.outcome.value, done[1].outcome.value)
