"""Members and dealers that are slow, though in time: nobody honest is left out, or called silent, for what others delay."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mpcjax.peers.answers import Answers
from mpcjax.peers.node import Node, Round
from mpcjax.peers.talk import Talk
from mpcjax.peers.wire import Wire
from tests.peers._cheats import says_false_of
from tests.peers._consortium import PEERS, consortium, play
from tests.peers._memory import Net
from tests.peers.test_rounds import ALL, CHEAT, LIGHT, MEMBERS, agreed, left_out, warm

__all__ = ["warm"]
FIRST, LAST, DEALER, PATIENCE, NEVER = MEMBERS[0], MEMBERS[2], LIGHT[0], 2.0, float("inf")
LATE, TAKES = 0.85 * PATIENCE, 0.25 * PATIENCE  # a message of the corrupt member; what an honest dealer takes to answer
SAID = "deal/dealing check#4"
Later = dict[tuple[int, int, str], float]


def slowly(later: Later, slow: dict[tuple[int, str], float]) -> Net:
    """Messages `later`, by sender, receiver and label, come so many seconds later or never; so do those of who is `slow`."""
    net, sent = Net(PEERS, patience=PATIENCE, slot=0.1), set[Any]()

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray | None:
        takes = next((t for (one, start), t in slow.items() if who == one and label.startswith(start)), 0.0)
        wait = later.get((who, to, label), takes)
        if not wait or (who, to, label) in sent:
            return x
        sent.add((who, to, label))
        if wait < NEVER:
            threading.Timer(wait, net.ends[who].send, (to, (0, 0), label, x.copy())).start()
        return None

    net.cheat = cheat
    return net


def played(net: Net) -> tuple[list[Node], Round]:
    nodes = consortium(net)
    return nodes, agreed(play(nodes), ALL)


def test_a_member_whose_echo_is_slow_for_one_has_no_dealer_left_out() -> None:
    """The dealer hears the coin of the two honest members alone, of the second a patience after the first."""
    later = {(CHEAT, LAST, "deal/coin#1/echo"): LATE, (CHEAT, DEALER, "deal/told#1"): NEVER}
    _, done = played(slowly(later, {(DEALER, "deal/responses"): TAKES}))
    assert done.attempt == 0 and left_out(done) == set()


def test_a_member_whose_echo_is_slow_for_one_is_caught_in_a_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks the dealer nothing, which so hears of the dispute a patience after the first has asked."""
    says_false_of(monkeypatch, CHEAT, DEALER)
    corrupted(monkeypatch, Answers, "ask", lambda honestly, self, kind, what: honestly(self, kind, {}))
    corrupted(monkeypatch, Talk, "spread", lambda honestly, self, label, held, likes: honestly(self, label, {}, likes))
    nodes, done = played(slowly({(CHEAT, LAST, f"{SAID}/echo"): LATE}, {(DEALER, "deal/named"): TAKES}))
    assert left_out(done) == set() and all(node.conduct.caught == {CHEAT} for node in nodes)


def test_a_member_is_not_called_silent_for_dealers_that_another_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both without a seat answer a coin late for the first; the corrupt one waits for them."""
    later = {(CHEAT, LAST, "deal/coin#1/echo"): LATE} | {(CHEAT, dealer, "deal/told#1"): NEVER for dealer in LIGHT}
    honestly = Talk.due
    monkeypatch.setattr(Talk, "due", lambda self, meeting=False: honestly(self, meeting) + (self.links.me == CHEAT))
    _, done = played(slowly(later, {(dealer, "deal/responses"): TAKES for dealer in LIGHT}))
    assert left_out(done) == set() and all(silent == () for _, silent in done.failed)


def test_a_dealer_waits_for_a_coin_for_as_long_as_members_may_wait_for_each_other() -> None:
    """A corrupt member may be slow, in time each time, with all that it sends before a coin. `stopped` ends the wait earlier."""
    waits = list[float]()

    def each(labels: Any, when: Any, like: Any, until: float, stopped: Any) -> Any:
        waits.append(until)
        assert stopped is talk.stopped
        yield 0, like
        yield 1, like

    wire: Any = object.__new__(Wire)
    wire.links, wire.members = SimpleNamespace(each=each), (0, 1, 2)
    wire.talk = talk = SimpleNamespace(
        when=(0, 0), long=NEVER, threshold=1, stopped=lambda: False, together=lambda: None
    )
    assert wire._hear("deal/told#1", np.ones(3)).tolist() == [1, 1, 1] and waits == [NEVER]


def corrupted(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, instead: Callable[..., Any]) -> None:
    """The cheat does something else in the first attempt."""
    honestly = getattr(kind, name)

    def method(self: Any, *given: Any) -> Any:
        when = getattr(self, "when", None)
        return instead(honestly, self, *given) if (self.links.me, when) == (CHEAT, (0, 0)) else honestly(self, *given)

    monkeypatch.setattr(kind, name, method)


@pytest.mark.parametrize("label", ["deal/helpers", "deal/roll call"])
def test_who_sends_all_but_the_last_of_several_is_waited_for_no_longer_than_who_sends_nothing(label: str) -> None:
    """It could keep the members for two patiences a part; who has no seat waits for nobody between them."""
    net = slowly({(DEALER, member, label): NEVER for member in MEMBERS}, {})
    begun = time.monotonic()
    _, done = played(net)
    assert left_out(done) == {DEALER} and time.monotonic() - begun < 3 * PATIENCE


def test_a_part_is_due_a_patience_after_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of peers without a seat; members may have waited in vain for each part before. After a coin one patience more."""
    talk: Any = object.__new__(Talk)
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    talk.links = SimpleNamespace(patience=10.0, due=lambda: 10.0 + clock.now)
    monkeypatch.setattr("mpcjax.peers.talk.time", clock)
    talk.together()
    for clock.now, alone, member in ((100.0, 120.0, 120.0), (115.0, 125.0, 140.0), (116.0, 126.0, 160.0)):
        assert talk.dues() == (alone, member)
