"""Who has no seat begins without the programs of members; who has one waits for them before others wait for it."""

from __future__ import annotations

import dataclasses
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mpcjax
from mpcjax._compat import x64
from mpcjax.peers.early import Early
from mpcjax.peers.election import Election
from mpcjax.peers.node import AHEAD
from mpcjax.peers.peer import Peer
from mpcjax.peers.programs import Programs
from mpcjax.segments.steps import Segment
from mpcjax.setup import Setup
from tests.peers._consortium import PEERS, SEED, compiled, consortium, play
from tests.peers._memory import Net


class Watched:
    """Programs, and what a peer does about them, in order."""

    def __init__(self, programs: Programs, happened: list[Any]):
        self._programs, self._happened = programs, happened

    def __getattr__(self, name: str) -> Any:
        return getattr(self._programs, name)

    def compile(self, member: bool) -> float:
        self._happened.append(("compiled", member))
        return self._programs.compile(member)


def test_only_who_has_a_seat_needs_the_programs_of_members_and_before_it_says_that_it_has_begun() -> None:
    net = Net(PEERS)
    nodes, happened = consortium(net), [list[Any]() for _ in range(PEERS)]
    for peer, node in enumerate(nodes):
        node.programs = Watched(node.programs, happened[peer])  # type: ignore[assignment]
        say = node._begun.say

        def said(when: tuple[int, int], mine: list[Any] = happened[peer], say: Any = say, node: Any = node) -> None:
            assert when in node._decisions, "what is said of the attempt from now on is heard"
            mine.append("begun")
            say(when)

        node._begun.say = said  # type: ignore[method-assign]
    members = play(nodes)[0].members
    for peer, mine in enumerate(happened):
        compilations = [("compiled", True)] if peer in members else []
        assert mine[: len(compilations) + 1] == [*compilations, "begun"]
        assert (("compiled", True) in mine) == (peer in members)


def test_a_peer_compiles_what_members_run_behind_its_rounds_and_before_it_has_a_seat(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compilations, done = list[tuple[bool, bool]](), threading.Event()

    def compile(programs: Programs, member: bool) -> float:
        compilations.append((member, threading.current_thread() is threading.main_thread()))
        if member:
            done.set()
        return 0.0

    monkeypatch.setattr(Programs, "compile", compile)
    setup, election = compiled().setup, Election(SEED, 20, 3)
    compilations.clear()
    net, terms = Net(20), SimpleNamespace(corrupt=1, committee=3, attempts=2)
    first = {me: next(k for k in range(1000) if me in election.members((k, 0))) for me in range(20)}
    me = max(first, key=lambda one: first[one])
    peer = object.__new__(Peer)
    peer.links, peer.seed, peer.terms, peer._node = net.ends[me], SEED, terms, None  # type: ignore[assignment]
    peer._early = Early(20, 1, 1 << 20)
    with x64():
        node = peer._prepared(setup)
        for number in range(first[me] - AHEAD + 1):
            node.prepare(number)
    assert compilations == [(False, True)], "it has no seat soon"
    for number in range(first[me] - AHEAD + 1, first[me] + 1):
        node.prepare(number)
    assert done.wait(30.0) and compilations == [(False, True), (True, False)]


@pytest.mark.parametrize(("rule", "length"), [("median", 10_000), ("rsa", 2_000_000)])
def test_nothing_goes_in_groups_or_blocks_between_peers(
    rule: str, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their programs are those of a round at once, however large it is."""
    setups = list[Setup]()

    def prepared(peer: Peer, setup: Setup) -> None:
        setups.append(setup)
        raise InterruptedError

    monkeypatch.setattr(Peer, "_prepared", prepared)
    peer = object.__new__(Peer)
    peer.links, peer._node, peer._simulated = SimpleNamespace(peers=25), None, mpcjax.simulate(5)  # type: ignore[assignment]
    with pytest.raises(InterruptedError):
        peer.aggregate(np.zeros(length, np.float32), rule, round=0)
    assert setups == [setups[0].at_once]


def test_programs_are_compiled_once_and_who_needs_them_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    again, begun = dataclasses.replace(compiled()), list[Segment]()

    def slowly(segment: Segment) -> None:
        begun.append(segment)
        time.sleep(0.01)

    monkeypatch.setattr(Segment, "compile", slowly)
    behind = threading.Thread(target=again.compile, args=(True,))
    behind.start()
    while not begun:
        time.sleep(0.001)
    again.compile(member=True)
    segments = [segment for traced in again.phases.values() for segment in traced.of_member.segments()]
    assert len(begun) == len(segments) and all(map(lambda one, other: one is other, begun, segments))
    behind.join()
    again.compile(member=False)
    assert len(begun) > len(segments)
