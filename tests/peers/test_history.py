"""What a peer that was away is told, and how often; and that a peer from which an outcome is withheld asks for it later."""

from __future__ import annotations

import dataclasses
import json
import struct
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mpcjax.errors import Abort
from mpcjax.fabric import Mark
from mpcjax.peers.conduct import Conduct
from mpcjax.peers.early import Early
from mpcjax.peers.history import History, Record
from mpcjax.peers.kept import Kept
from mpcjax.peers.links import Lost, Stopped
from mpcjax.peers.node import Node, Round
from mpcjax.peers.outcome import Outcome
from mpcjax.peers.peer import Peer
from mpcjax.peers.wire import Wire
from mpcjax.rules import Public
from tests.peers._consortium import LENGTH, PEERS, consortium, nobody_waits_for, play, updates
from tests.peers._memory import Net


def question(number: int, turn: int) -> bytes:
    return struct.pack("<cII", b"H", number, turn)


def record(value: float = 0.0) -> Record:
    blank = Outcome.blank(4, PEERS, 3, False)
    return Record(0, (0, 1, 2), Conduct(), dataclasses.replace(blank, value=np.full(4, value, np.float32)))


def histories(net: Net, corrupt: int = 1) -> list[History]:
    """Of all peers, which answer each other."""
    found = [History(end, corrupt, record()) for end in net.ends]
    for end, one in zip(net.ends, found, strict=True):
        end.heard = lambda peer, notice, one=one: one.answer(peer, notice.tobytes())
    return found


def soon() -> float:
    return time.monotonic() + 20.0


def test_questions_that_come_too_often_are_not_answered() -> None:
    net, sent = Net(3, slot=60.0), list[Any]()
    net.ends[0].send = lambda *what: sent.append(what[:3])  # type: ignore[method-assign]
    history = History(net.ends[0], 1, record())
    for turn in range(100):
        assert history.answer(1, question(0, turn))
    assert history.answer(2, question(5, 1)) and not history.answer(2, b"another")
    assert [(peer, label) for peer, _, label in sent] == [(1, "history/0/0"), (2, "history/5/1")]


def test_a_question_costs_no_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that answers reads notices, on whose time agreement rests; a digest of 100 MB takes a tenth of a second."""
    history = History(Net(3).ends[0], 1, record())
    history.add(0, record(1.0))
    monkeypatch.setattr("mpcjax.peers.history.digest", None)
    assert history.answer(1, question(0, 1)) and (0, 1, (2**32 - 1, 0), "history/0/1") in history.links.net.box  # type: ignore[attr-defined]


def test_an_honest_peer_that_asks_for_round_after_round_is_answered_every_time() -> None:
    net = Net(PEERS, slot=0.4)
    mine, *others = histories(net)
    for number in range(6):
        for one in others:
            one.add(number, record(number))
    asked, notify = list[int](), net.ends[0].notify
    net.ends[0].notify = lambda peer, notice: (asked.append(peer), notify(peer, notice))[1]  # type: ignore[method-assign]
    for number in range(6):
        found, running = mine.ask(number, soon())
        assert found.outcome.value[0] == number and not running
    assert len(asked) == 6 * (len(others) + 1), "all of them once, and one of them for the record"


def test_some_who_do_not_answer_make_nobody_wait() -> None:
    def silent(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray | None:
        return None if who == 1 else x

    mine, *others = histories(Net(PEERS, slot=5.0, cheat=silent))
    for one in others:
        one.add(0, record(1.0))
    begun = time.monotonic()
    mine.ask(0, soon())
    assert time.monotonic() - begun < 5.0, "it would be two slots"


@pytest.mark.parametrize("told", ["record", "history"])
def test_what_one_corrupt_peer_gives_is_not_believed(told: str) -> None:
    """It says the right digest and gives another record; or it says that the round has no end, or another one."""

    def lies(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray:
        return x ^ 1 if who == 1 and name.startswith(told) else x

    mine, *others = histories(Net(PEERS, slot=0.1, cheat=lies))
    for one in others:
        one.add(0, record(1.0))
    found, _ = mine.ask(0, soon())
    assert found.outcome.value.tolist() == [1.0] * 4 and mine.finished(0, soon())
    assert not mine.finished(1, soon())


def test_what_all_have_forgotten_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpcjax.peers.history.KEPT", 3)
    mine, *others = histories(Net(PEERS, slot=0.1))
    for one in others:
        for number in range(5):
            one.add(number, record(number))
    assert mine.ask(2, soon())[0].outcome.value[0] == 2
    with pytest.raises(Lost, match=r"have forgotten it.*file"):
        mine.ask(1, soon())


def test_how_many_are_kept_depends_on_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    size = record().packed(PEERS).nbytes
    for room, kept in ((size // 2, [4]), (3 * size, [2, 3, 4])):
        monkeypatch.setattr("mpcjax.peers.history.KEPT_BYTES", room)
        (one, *_) = histories(Net(PEERS))
        for number in range(5):
            one.add(number, record(number))
        assert list(one._records) == kept


def test_a_peer_that_is_not_given_an_accepted_outcome_asks_all_for_it() -> None:
    """And goes on asking until it has caught up; but it takes part again where the others have not ended a round."""

    def withheld(*_: Any) -> Any:
        raise Lost(1, "outcome", "did not come", late=True)

    later, taken = SimpleNamespace(number=7, attempt=0), SimpleNamespace(number=9, attempt=0)
    history = SimpleNamespace(finished=lambda number, until: number < 9)
    node: Any = SimpleNamespace(
        round=withheld, missed=lambda number: (later, False), history=history, links=SimpleNamespace(patience=1.0)
    )
    peer = object.__new__(Peer)
    peer._behind = peer._late = peer._asked = False
    peer._dealt, peer._kept = -1, Kept(None)
    peer.links = node.links
    assert peer._done(node, 7, np.zeros(3, np.float32), None) is later and peer._late and not peer._behind
    assert peer._done(node, 8, np.zeros(3, np.float32), None) is later
    node.round = lambda *_: taken
    assert peer._done(node, 9, np.zeros(3, np.float32), None) is taken and not peer._late


def test_a_peer_that_came_back_takes_no_part_until_a_round_has_begun_after_it_came() -> None:
    """It might have dealt before, in rounds that are over when it asks for them or about to be."""
    missed = [(SimpleNamespace(number=number, attempt=0), number == 8) for number in (6, 7, 8)]
    node: Any = SimpleNamespace(missed=lambda number: missed[number - 6])
    peer = object.__new__(Peer)
    peer._behind, peer._late, peer._asked, peer._dealt = True, False, False, -1
    behind = []
    for number in (6, 7, 8):
        peer._missed(node, number)
        behind.append(peer._behind)
    assert behind == [True, True, False], "it waited for the end of round 8, so it is there when 9 begins"


def test_a_peer_that_came_back_takes_no_part_in_a_round_in_which_it_may_have_dealt() -> None:
    """The others were slower, and still at round 6, when it was killed after it had begun with round 7."""
    node: Any = SimpleNamespace(missed=lambda number: (SimpleNamespace(number=number, attempt=0), number >= 6))
    peer = object.__new__(Peer)
    peer._behind, peer._late, peer._asked, peer._dealt = True, False, False, 7
    behind = []
    for number in (5, 6, 7):
        peer._missed(node, number)
        behind.append(peer._behind)
    assert behind == [True, True, False], "it may have dealt in round 7"


@pytest.mark.parametrize(("late", "dealt", "opened"), [(False, 3, False), (True, -1, True), (False, 4, True)])
def test_a_round_without_outcome_may_have_shown_what_a_peer_dealt_in_it(late: bool, dealt: int, opened: bool) -> None:
    """A peer that is late has dealt; one that came back may have, in the process before this one."""
    node: Any = SimpleNamespace(missed=lambda number: (None, False))
    peer = object.__new__(Peer)
    peer._behind, peer._late, peer._asked, peer._dealt = not late, late, False, dealt
    with pytest.raises(Abort) as raised:
        peer._missed(node, 4)
    assert raised.value.opened == opened


def test_that_a_round_begins_is_on_disk_before_anything_of_it_is_said(tmp_path: Path) -> None:
    node: Any = SimpleNamespace(round=lambda number, *_: json.loads((tmp_path / "kept").read_text())["begun"])
    peer = object.__new__(Peer)
    peer._behind, peer._late, peer._kept = False, False, Kept.at(tmp_path / "kept")
    peer._kept.start(b"s" * 32)
    assert [peer._done(node, number, np.zeros(3, np.float32), None) for number in (0, 4)] == [0, 4]
    peer._kept.close()
    again = Kept.at(tmp_path / "kept")
    assert (again.seed, again.begun) == (b"s" * 32, 4)
    again.begin(2)
    again.close()
    with closing(Kept.at(tmp_path / "kept")) as kept:
        assert kept.begun == 4, "never less"


def test_two_processes_do_not_share_a_session(tmp_path: Path) -> None:
    """A peer that hangs and the one that is to replace it would both sign in its name, and it would be caught as a cheat."""
    first = Kept.at(tmp_path / "new" / "kept")
    for _ in range(2):
        with pytest.raises(ValueError, match=r"another process holds it.*Stop that one"):
            Kept.at(tmp_path / "new" / "kept")
    first.start(b"s" * 32)
    first.close()
    with closing(Kept.at(tmp_path / "new" / "kept")) as again:
        assert again.seed == b"s" * 32
    with pytest.raises(ValueError, match=r"found a folder; legal is a file in it.*session\.json"):
        Kept.at(tmp_path)
    (tmp_path / "other").write_text("{}")
    for _ in range(2):  # what is refused is not held
        with pytest.raises(ValueError, match="legal is a file that"):
            Kept.at(tmp_path / "other")


def test_a_record_is_given_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine bytes ask for megabytes: a corrupt peer could have them several times a second."""
    (one, *_) = histories(Net(PEERS, patience=60.0, slot=0.1))
    one.add(0, record(1.0))
    one.add(1, record(2.0))
    given, now = list[Any](), [100.0]
    monkeypatch.setattr("mpcjax.peers.history.time.monotonic", lambda: now[0])
    one.links.send = lambda peer, when, label, x: given.append((peer, label))  # type: ignore[method-assign]
    for turn, (peer, number) in enumerate([(1, 0), (1, 0), (1, 1), (2, 0)]):
        assert one.answer(peer, struct.pack("<cII", b"G", number, turn))
        now[0] += 1.0
    assert given == [(1, "record/0/0"), (1, "record/1/2"), (2, "record/0/3")]
    now[0] += 30.0
    assert one.answer(1, struct.pack("<cII", b"G", 0, 9)) and given[-1] == (1, "record/0/9")


def test_answers_to_a_process_before_are_no_answers_to_the_next() -> None:
    assert len({one._turn for one in histories(Net(PEERS))}) == PEERS


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"seed": "00", "begun": 1}', f'{{"seed": "{"00" * 32}", "begun": true}}']
)
def test_a_file_that_is_none_of_a_session_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "kept").write_text(text)
    with pytest.raises(ValueError, match=r"session=.*legal is a file that"):
        Kept.at(tmp_path / "kept")


def test_who_comes_too_late_to_open_says_and_shows_nothing() -> None:
    """The others may have agreed that nobody has opened; a round that is repeated then would show two outputs."""
    said = list[Any]()
    wire = object.__new__(Wire)
    wire.seat, wire._opened, wire._again = 0, False, {}
    wire.talk = SimpleNamespace(stopped=lambda: True)  # type: ignore[assignment]
    wire.decision = SimpleNamespace(say=said.append)  # type: ignore[assignment]
    with pytest.raises(Stopped):
        wire.meet(Mark("broadcast", "open", "output#1"), "", None, np.zeros((1, 3), np.uint64))
    assert not said and not wire._opened


def test_a_member_whose_claim_to_open_is_not_accepted_shows_nothing() -> None:
    wire = object.__new__(Wire)
    wire.seat, wire._opened, wire._again = 0, False, {}
    wire.talk = SimpleNamespace(stopped=lambda: False, due=lambda: 0.0)  # type: ignore[assignment]
    wire.decision = SimpleNamespace(say=lambda claim: None, may_open=lambda until: False)  # type: ignore[assignment]
    with pytest.raises(Stopped):
        wire.meet(Mark("broadcast", "open", "output#1"), "", None, np.zeros((1, 3), np.uint64))


def test_a_round_number_is_used_once() -> None:
    nodes = consortium(Net(PEERS))
    assert all(isinstance(one, Round) for one in play(nodes, 3))
    for number in (3, 2):
        assert all(isinstance(one, ValueError) and "rounds from 4 on" in str(one) for one in play(nodes, number))


def test_who_was_silent_and_has_dealt_again_may_be_drawn() -> None:
    outcome = consortium(Net(PEERS))[0]._blank()
    outcome.bits["well"][:3] = outcome.bits["certified"][:3] = True
    before = Conduct(away=frozenset({4}), silent=frozenset({1, 4}), caught=frozenset({3}))
    outcome.bits["false"][4] = True
    assert before.settled(outcome, (2,)) == Conduct(
        away=frozenset({3, 4}), gone=frozenset({4}), silent=frozenset({4}), caught=frozenset({2, 3, 4})
    )


def test_a_round_number_fits_into_what_is_sent() -> None:
    node = consortium(Net(PEERS))[0]
    with pytest.raises(ValueError, match="legal are rounds from 0 on, below 4294967295"):
        node.round((1 << 32) - 1, updates()[0], Public.of(PEERS, LENGTH))


def test_what_came_before_there_was_a_node_is_heard() -> None:
    """A peer that still compiles when all others are done has their outcome all the same."""
    net, late = Net(PEERS, patience=2.0), 0
    early = Early(PEERS, 1, 1 << 20)
    nodes = consortium(net)
    nobody_waits_for(nodes, late)
    net.ends[late].heard = early.keep
    done = play(nodes, 0, without=(late,))
    nodes[late] = Node(net.ends[late], nodes[late].election, nodes[late].programs, corrupt=1, early=early)
    assert early.about((0, 0)) and isinstance(done[1], Round)
    (found,) = [one for one in play(nodes, 0, without=tuple(range(1, PEERS))) if one is not None]
    assert isinstance(found, Round) and np.array_equal(found.outcome.value, done[1].outcome.value)


def test_who_says_that_it_is_back_while_another_compiles_is_heard() -> None:
    net, early = Net(PEERS), Early(PEERS, 1, 1 << 20)
    early.keep(2, np.frombuffer(struct.pack("<cIH", b"R", 3, 1), np.uint8))
    made = consortium(net)[0]
    assert Node(net.ends[0], made.election, made.programs, corrupt=1, early=early)._begun.last == {2: (3, 1)}
