"""Honest peers over real TLS on loopback: everything arrives, once, also where connections and processes come and go."""

from __future__ import annotations

import socket
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mpcjax.net import Channels, Frame, FrameError, Gone, Kind, Malformed, Silent
from mpcjax.net.arrays import DTYPES
from mpcjax.net.flow import NOTICE_BYTES
from mpcjax.net.frame import control
from mpcjax.net.inbox import ANSWERS, LAST, Inbox
from tests.net._consortium import LIMITS, SOON, Consortium, data, due, until


def test_everybody_sends_to_everybody(tmp_path):
    made = Consortium(tmp_path, peers=4)
    with made.stack:
        peers = made.all()
        arrays = {dtype: np.arange(24).astype(dtype).reshape(2, 3, 4) for dtype in DTYPES}
        for i, sender in enumerate(peers):
            for j in range(4):
                for dtype, array in arrays.items():
                    if i != j:
                        sender.send(j, data(f"{dtype} from {i}", array=array))
        for j, receiver in enumerate(peers):
            for i in range(4):
                for dtype, array in arrays.items():
                    if i != j:
                        got = receiver.receive(i, **due(f"{dtype} from {i}", dtype=dtype, shape=array.shape))
                        np.testing.assert_array_equal(got, array)
        for channels in peers:
            assert all(channels.faults(name) == {} for name in channels.connected())


def test_large_arrays_both_ways_at_once(consortium):
    a, b, _ = consortium.all(limits=dict(frame_bytes=1 << 23, inbox_bytes=1 << 25, queue_bytes=1 << 26))
    array = np.random.default_rng(0).integers(0, 2**63, 1 << 20, dtype=np.uint64)
    for i in range(3):
        a.send("b", data(f"{i}", array=array))
        b.send("a", data(f"{i}", array=array + 1))
    for i in range(3):
        np.testing.assert_array_equal(b.receive("a", **due(f"{i}", shape=array.shape)), array)
        np.testing.assert_array_equal(a.receive("b", **due(f"{i}", shape=array.shape)), array + 1)


def test_empty_and_scalar_arrays(consortium):
    a, b, _ = consortium.all()
    a.send("b", data("empty", array=np.zeros((0, 3), np.uint64)))
    a.send("b", data("scalar", array=np.uint64(5).reshape(())))
    assert b.receive("a", **due("empty", shape=(0, 3))).shape == (0, 3)
    assert b.receive("a", **due("scalar", shape=())) == 5


def test_what_is_signed_counts_for_one_run_only(consortium):
    """The same peers with the same keys in another run, whose rounds have the same numbers."""
    here, other = (
        Channels(consortium.config(0, **run), consortium.config(0).identity()) for run in ({}, {"run": {"a": 1}})
    )
    signature = here.sign("context", b"statement")
    assert here.signed(0, "context", b"statement", signature)
    assert not here.signed(0, "another", b"statement", signature) and not here.signed(
        1, "context", b"statement", signature
    )
    assert not other.signed(0, "context", b"statement", signature)


def test_order_of_asking_is_free(consortium):
    a, b, _ = consortium.all()
    for label in "xyz":
        a.send("b", data(label, array=np.full(1, ord(label), np.uint64)))
    for label in "zxy":
        assert b.receive("a", **due(label, shape=(1,))) == ord(label)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (dict(dtype="<u4"), r"is uint64 \[2, 3\], due: uint32 \[2, 3\]"),
        (dict(dtype="<i8"), "due: int64"),
        (dict(shape=(6,)), r"due: uint64 \[6\]"),
        (dict(shape=(3, 2)), r"due: uint64 \[3, 2\]"),
    ],
)
def test_another_dtype_or_shape(consortium, wanted, said):
    a, b, _ = consortium.all()
    a.send("b", data())
    with pytest.raises(Malformed, match=said) as caught:
        b.receive("a", **due(**wanted))
    assert caught.value.peer == "a" and b.faults("a") == {"malformed": 1}


def test_a_silent_peer_is_named(consortium):
    _, b, _ = consortium.all()
    with pytest.raises(Silent, match="peer 'a', message 'x'") as caught:
        b.receive("a", **due(seconds=0.05))
    assert caught.value.peer == "a"


def test_a_peer_that_never_came_is_named(consortium):
    b = consortium.channels(1)
    with pytest.raises(Gone, match="peer 'c', message 'x': not connected") as caught:
        b.receive("c", **due(seconds=0.05))
    assert caught.value.peer == "c" and b.connected() == []


def test_a_peer_that_left_is_not_waited_for(consortium):
    a, b, _ = consortium.all()
    a.close()
    start = time.monotonic()
    with pytest.raises(Gone, match="peer 'a', message 'x': it has left"):
        b.receive("a", **due(seconds=SOON))
    assert time.monotonic() - start < SOON / 2


def test_the_default_deadline_is_a_step(consortium):
    _, b, _ = consortium.all(limits=dict(step_seconds=0.05))
    with pytest.raises(Silent):
        b.receive("a", **due() | dict(deadline=None))


def test_what_was_sent_before_leaving_arrives(consortium):
    a, b, _ = consortium.all()
    array = np.zeros(1 << 17, np.uint64)
    for i in range(3):
        a.send("b", data(f"{i}", array=array))
    a.close(linger=SOON)
    for i in range(3):
        b.receive("a", **due(f"{i}", shape=array.shape))


def test_what_is_sent_before_the_other_comes_arrives(consortium):
    b = consortium.channels(1)
    b.send("a", data())
    b.send("c", data())
    a, c = consortium.channels(0), consortium.channels(2)
    a.receive("b", **due())
    c.receive("b", **due())


def test_connections_that_break_lose_nothing_and_repeat_nothing(consortium):
    a, b, _ = consortium.all(limits=dict(queue_bytes=1 << 25))
    received = []

    def receive():
        for i in range(300):
            received.append(int(b.receive("a", **due(f"{i}", shape=(5000,)))[0]))

    thread = threading.Thread(target=receive)
    thread.start()
    for i in range(300):
        a.send("b", data(f"{i}", array=np.full(5000, i, np.uint64)))
        if i % 60 == 30:
            (a, b)[i // 60 % 2]._link("b" if i // 60 % 2 == 0 else "a").drop()
            time.sleep(0.01)
    thread.join()
    assert received == list(range(300))
    assert b.faults("a") == {} and a.faults("b") == {}
    until(lambda: a._link("b").outbox.empty)


def test_a_peer_that_restarts_is_connected_again(consortium):
    a, b, c = consortium.all()
    b.close()
    a.send("b", data("while away"))
    c.send("b", data("while away"))
    again = consortium.channels(1)
    assert again.wait_connected() == ["a", "c"]
    for name in ("a", "c"):
        again.receive(name, **due("while away"))
    again.send("a", data("back"))
    a.receive("b", **due("back"))
    assert a.faults("b") == again.faults("a") == {}


def test_restarts_repeat_nothing_to_those_who_stayed(consortium):
    a, b, _ = consortium.all()
    b.send("a", data("one"))
    a.receive("b", **due("one"))
    b.close()
    again = consortium.channels(1)
    again.send("a", data("two"))
    assert "b" in a.wait_connected()
    a.receive("b", **due("two"))
    assert a.faults("b") == {}


def test_rounds_that_are_over(consortium):
    a, b, _ = consortium.all()
    a.send("b", data("early", round=1))
    until(lambda: b._link("a").inbox.used)
    b.advance(2, 1)
    assert b.faults("a") == {"stale": 1} and b._link("a").inbox.used == 0
    for i, (round, attempt) in enumerate(((1, 5), (2, 0), (2, 1))):
        a.send("b", data(f"late {i}", round=round, attempt=attempt))
    b.receive("a", **due("late 2", round=2, attempt=1))
    assert b.faults("a") == {"stale": 3}
    for again in (dict(label="late 0", attempt=5), dict(label="late 2", round=2, attempt=1)):
        with pytest.raises(ValueError, match="received before or is over"):
            b.receive("a", **due(**again))
    b.advance(1, 0)  # never back
    a.send("b", data("later", round=1))
    a.send("b", data("now", round=3))
    b.receive("a", **due("now", round=3))
    assert b.faults("a") == {"stale": 4}


def test_queues_for_those_away_forget_old_rounds(consortium):
    b = consortium.channels(1)
    outbox = b._link("a").outbox
    for round in range(1, 50):
        b.advance(round, 0)
        b.advance(round, 0)  # the same again is no further step
        b.send("a", data(round=round))
        assert outbox.used <= 2 * 1100
    a = consortium.channels(0)
    a.receive("b", **due(round=49))
    a.receive("b", **due(round=48))


def test_what_was_signed_in_one_run_does_not_count_in_another(consortium):
    a, b = consortium.channels(0), consortium.channels(1)
    config = consortium.config(2, run=dict(rule="rsa"))
    other = Channels(config, config.identity())
    signature = a.sign("notice", b"statement")
    assert b.signed(0, "notice", b"statement", signature) and not other.signed(0, "notice", b"statement", signature)
    assert not b.signed(2, "notice", b"statement", other.sign("notice", b"statement"))
    assert other.signed(2, "notice", b"statement", other.sign("notice", b"statement"))


def test_notices_go_before_what_waits(consortium):
    """And once each, across a connection that breaks."""
    heard = []
    b = consortium.channels(1)
    for k in range(3):
        b.send("a", data(f"bulk {k}", array=np.zeros(1 << 19, np.uint8)))
    for k in range(3):
        b.notify("a", np.full(4, k, np.uint8))

    def listens(made):
        made.on_notice(lambda peer, notice: heard.append((peer, int(notice[0]), made._link("b").inbox.used)))

    a = consortium.channels(0, before=listens)  # or what comes at once would be lost
    until(lambda: len(heard) == 3)
    assert heard == [(1, 0, 0), (1, 1, 0), (1, 2, 0)]
    for k in range(3):
        a.receive("b", **due(f"bulk {k}", dtype=np.uint8, shape=(1 << 19,)))
    a._link("b").drop()
    b.notify("a", np.full(4, 3, np.uint8))
    until(lambda: len(heard) == 4)
    assert heard[3][1] == 3


def test_a_notice_of_any_legal_length_and_none_longer(consortium):
    a, b, _ = consortium.all()
    heard = []
    a.on_notice(lambda peer, notice: heard.append(len(notice)))
    b.notify("a", np.zeros(NOTICE_BYTES, np.uint8))
    with pytest.raises(FrameError, match=f"bytes of a notice is {NOTICE_BYTES + 1}, legal: 0..{NOTICE_BYTES}"):
        b.notify("a", np.zeros(NOTICE_BYTES + 1, np.uint8))
    until(lambda: heard == [NOTICE_BYTES])


def test_traffic_is_the_same_on_both_sides(consortium):
    a, b, _ = consortium.all()
    before = a.traffic("b")[0]
    a.send("b", data(array=np.zeros(1000, np.uint64)))
    b.receive("a", **due(shape=(1000,)))
    until(lambda: a.traffic("b") == b.traffic("a")[::-1])
    assert a.traffic("b")[0] - before == 8000 + 32 + 8 + 1


def test_wrong_calls(consortium):
    a, _, _ = consortium.all()
    for peer in ("a", 0, "z", 3, -1):
        with pytest.raises(ValueError, match="legal: another one of a, b, c"):
            a.send(peer, data())
    with pytest.raises(FrameError, match="legal: DATA"):
        a.send("b", control(Kind.BYE))
    with pytest.raises(FrameError, match=r"raise limits\.frame_bytes"):
        a.send("b", data(array=np.zeros(LIMITS["frame_bytes"] + 1, np.uint8)))
    with pytest.raises(FrameError, match="dtype is 'float64'"):
        a.send("b", data(array=np.zeros(3)))
    with pytest.raises(RuntimeError, match="started before"):
        a.start()


def test_an_address_in_use(consortium):
    config = consortium.config(0)  # its listener is open in the fixture
    channels = Channels(config, config.identity())
    with pytest.raises(OSError, match=r"in use \(127\.0\.0\.1:\d+\); end what uses it, or set me\.listen"):
        channels.start()
    channels.close()


def test_channels_that_never_started_can_be_closed(consortium):
    config = consortium.config(0)
    Channels(config, config.identity(), listener=socket.create_server(("127.0.0.1", 0))).close()


def test_threads_may_wait_at_once(consortium):
    a, b, c = consortium.all()
    got = {}

    def receive(name):
        got[name] = b.receive(name, **due())

    threads = [threading.Thread(target=receive, args=(name,)) for name in "ac"]
    for thread in threads:
        thread.start()
    c.send("b", data())
    a.send("b", data())
    for thread in threads:
        thread.join()
    assert set(got) == {"a", "c"}


def test_what_comes_too_late_for_anybody_takes_no_room(consortium):
    """Answers to old questions, which no round's end forgets, would fill the inbox, and then nothing is heard any more."""
    a, b, _ = consortium.all()
    heard = []
    b.on_notice(lambda peer, notice: heard.append(notice))
    array, timeless = np.zeros(1 << 16, np.uint64), (1 << 32) - 1
    for turn in range(12):  # half a megabyte each, into an inbox of four
        b.forget("a", round=timeless, attempt=0, label=f"{turn}")
        a.send("b", Frame(Kind.DATA, array, timeless, 0, f"{turn}"))
    a.notify("b", np.zeros(3, np.uint8))
    until(lambda: heard)


def test_answers_to_old_questions_are_not_remembered_for_ever():
    inbox = Inbox(1 << 20, lambda: None)
    for number in range(1, 1000):
        inbox.drop((LAST, 0, f"answer {number}"))
        inbox.drop((number, 0, "array"))
        inbox.advance((number, 0))
    assert len(inbox._taken) == ANSWERS + 1
    with pytest.raises(ValueError, match="was received before"):
        inbox.take((LAST, 0, "answer 999"), 0.0, lambda: True)


def test_small_frames_that_fill_the_room_make_way_for_many_answers_at_once():
    """Else all of them were sorted for every small frame that comes then, while nothing else is read."""
    answer = head_of(LAST, 1 << 14)
    inbox, passes = looked_through(1 << 20)
    while inbox.room(small := head_of(7, 1, label=str(inbox.used))):
        inbox.put(Frame(Kind.DATA, np.zeros(1, np.uint8), 7, 0, small.label))
    full = inbox.used
    inbox.asks(True)
    for turn in range(20):
        assert inbox.refusal(answer) is None
        inbox.put(Frame(Kind.DATA, np.zeros(1 << 14, np.uint8), LAST, 0, f"{turn}"))
    assert len(passes) == 1 and inbox.used <= full
    for turn in range(20, 100):
        if (fault := inbox.refusal(answer)) is not None:
            break
        inbox.put(Frame(Kind.DATA, np.zeros(1 << 14, np.uint8), LAST, 0, f"{turn}"))
    assert fault == "crowded" and len(passes) < 5, "where nothing is left to make way, nothing is looked through"


def test_answers_that_nobody_asked_for_are_not_looked_through():
    """Who has filled the room with them, and sends one small array at a time, could keep the network's thread busy with that."""
    inbox, passes = looked_through(1 << 20)
    while inbox.room(unasked := head_of(LAST, 1, label=str(inbox.used))):
        inbox.put(Frame(Kind.DATA, np.zeros(1, np.uint8), LAST, 0, unasked.label))
    inbox.asks(True)
    inbox.drop(unasked.key[:2] + ("0",))
    for turn in range(20):
        small = head_of(7, 1, label=str(turn))
        assert inbox.refusal(small) is None and inbox.put(Frame(Kind.DATA, np.zeros(1, np.uint8), *small.key)) is None
        assert inbox.refusal(head_of(LAST, 1 << 12)) == "crowded"
    assert passes == [1] * 20


def test_what_waits_for_room_is_looked_at_again_when_this_peer_asks():
    """Answers are behind it. Of the round that it asks about nothing may be over yet, which would make room."""
    freed = list[int]()
    inbox = Inbox(1 << 20, lambda: freed.append(0))
    array = head_of(7, 1 << 20)
    assert inbox.refusal(array) is None and not inbox.room(array) and not freed
    inbox.asks(True)
    assert freed and inbox.refusal(array) == "crowded"


def looked_through(limit: int) -> tuple[Inbox, list[int]]:
    """An inbox, and how many frames it has looked through each time that some had to make way."""
    passes = list[int]()

    class Frames(dict[Any, Any]):
        def __iter__(self) -> Any:
            passes.append(len(self))
            return super().__iter__()

    inbox = Inbox(limit, lambda: None)
    inbox._frames, inbox._before = Frames(), Frames()
    return inbox, passes


def head_of(number: int, size: int, label: str = "x") -> Any:
    """As it is read of a frame that is on its way."""
    return SimpleNamespace(key=(number, 0, label), round=number, payload=size, label=label)


def test_a_notice_that_is_too_long_is_refused_where_it_is_sent(consortium):
    a, _, _ = consortium.all()
    with pytest.raises(FrameError, match="bytes of a notice is 65537, legal"):
        a.notify("b", np.zeros((1 << 16) + 1, np.uint8))
