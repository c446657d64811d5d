"""Rounds over real TLS channels: the simulator's bits, and what `mpcjax.connect` makes of a configuration."""

from __future__ import annotations

import dataclasses
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mpcjax
from mpcjax.net import Channels
from mpcjax.net import config as configs
from mpcjax.net.founding import local
from mpcjax.peers.election import Election
from mpcjax.peers.kept import Kept
from mpcjax.peers.peer import Terms, examine
from mpcjax.peers.tls import Tls
from tests.peers._cheats import wrong
from tests.peers._consortium import PARTIES, PEERS, SEED, consortium, play, simulated, updates
from tests.peers._memory import Net

MEMBERS = Election(SEED, PEERS, PARTIES).members((0, 0))
LIGHT = tuple(sorted(set(range(PEERS)) - set(Election(SEED, PEERS, PARTIES).members((1, 0)))))
PROTOCOL = "\n[run.protocol]\ncorrupt = 1\ncommittee = 3\nslot_seconds = 0.3\ngrace_seconds = 1.0\n"


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))  # each has ports of its own
    found = local(PEERS, tmp_path, 21_000 + 100 * worker)
    for path in found:
        path.write_text(path.read_text().replace('rule = "mean"\n', 'rule = "mean"\n' + PROTOCOL))
    return found


@pytest.fixture
def links(paths: list[Path]) -> Iterator[list[Tls]]:
    with ExitStack() as stack:
        found = [configs.load(path) for path in paths]
        channels = [stack.enter_context(Channels(config, config.identity())) for config in found]
        for one in channels:
            one.wait_connected()
        yield [Tls(one, slot=0.3, grace=1.0) for one in channels]


def over(links: list[Tls]) -> Net:
    """Nodes with these links."""
    net = Net(PEERS)
    net.ends = links  # type: ignore[assignment]
    return net


def test_the_bits_of_the_simulator(links: list[Tls]) -> None:
    nodes = consortium(over(links))
    for number in range(2):
        rounds = play(nodes, number)
        assert len({one.outcome.packed().tobytes() for one in rounds}) == 1
        same = simulated("mean", rounds[0].members, (number, 0))
        assert np.array_equal(rounds[0].outcome.value, np.asarray(same.state["value"]))


def test_what_arrives_otherwise_than_it_was_dealt_is_sent_again(links: list[Tls]) -> None:
    """Sealed, by way of all members; the dealer has a seat in the one round and none in the other."""
    nodes = consortium(over(links))
    for number, dealer in ((0, MEMBERS[0]), (1, LIGHT[0])):
        send, member = (
            links[dealer].send,
            next(who for who in reversed(nodes[0].election.members((number, 0))) if who != dealer),
        )

        def sends(to: int, when: Any, label: str, x: np.ndarray) -> None:
            send(to, when, label, wrong(x) if (to, label) == (member, "deal/message") else x)  # noqa: B023 - used at once

        links[dealer].send = sends  # type: ignore[method-assign]
        rounds = play(nodes, number)
        assert all(one.attempt == 0 and one.outcome.bits["accepted"].all() for one in rounds)
        assert len({one.outcome.packed().tobytes() for one in rounds}) == 1
        links[dealer].send = send  # type: ignore[method-assign]


def test_what_was_signed_in_one_session_does_not_count_in_another(links: list[Tls]) -> None:
    """A consortium that starts again with the same keys: rounds have the same numbers, and something else was said in them."""
    links[0].session = links[1].session = b"one"
    signature = links[0].sign(b"statement")
    assert links[1].signed(0, b"statement", signature)
    links[1].session = b"another"
    assert not links[1].signed(0, b"statement", signature)


def test_a_peer_that_is_gone_is_left_out_and_learns_later_what_it_missed(links: list[Tls]) -> None:
    nodes = consortium(over(links))
    everybody = play(nodes, 0)
    gone = next(peer for peer in range(PEERS) if peer not in nodes[0].election.members((1, 0)))
    links[gone].channels.close()
    rest = [one for peer, one in enumerate(play(nodes, 1, without=(gone,))) if peer != gone]
    assert all(not one.outcome.bits["well"][gone] and one.outcome.bits["well"].sum() == PEERS - 1 for one in rest)
    again = Channels(links[gone].channels.config, links[gone].channels.config.identity())
    with again:
        again.wait_connected()
        back = consortium(over([*links[:gone], Tls(again, 0.3, 1.0), *links[gone + 1 :]]))[gone]
        for peer, node in enumerate(nodes):  # `consortium` made nodes for all: the others' stay those they were
            if peer != gone:
                links[peer].heard = node._heard
        for number, of in ((0, everybody[0]), (1, rest[0])):
            found, running = back.missed(number)
            assert found.outcome.packed().tobytes() == of.outcome.packed().tobytes() and not running
        assert back.conduct.away == {gone}


def test_a_peer_that_begins_anew_is_not_waited_for_until_it_says_that_it_takes_part(links: list[Tls]) -> None:
    """It is connected, but the process that owed messages is no more: a minute's patience would be in vain."""
    nodes = consortium(over(links))
    play(nodes, 0)
    gone = next(peer for peer in range(PEERS) if peer not in nodes[0].election.members((1, 0)))
    links[gone].channels.close()
    again = Channels(links[gone].channels.config, links[gone].channels.config.identity())
    with again:
        again.wait_connected()
        rest = play(nodes, 1, without=(gone,))
        members = nodes[0].election.members((1, 0))
        assert all("begun anew" in rest[peer].missed[gone] for peer in members)
        back = Tls(again, 0.3, 1.0)
        sends, before_the_first = back.send, iter([0.5])
        back.send = lambda *message: (time.sleep(next(before_the_first, 0.0)), sends(*message))[1]  # it is waited for
        nodes[gone] = consortium(over([*links[:gone], back, *links[gone + 1 :]]))[gone]
        for peer, node in enumerate(nodes):
            (again if peer == gone else links[peer].channels).on_notice(node._heard)
        for number in (0, 1):
            nodes[gone].missed(number)
        assert all(one.outcome.bits["well"].all() for one in play(nodes, 3)), "it said so, and deals"


@pytest.mark.parametrize("first", [0, 3, 4])
def test_arrays_of_rounds_that_went_on_without_a_peer_do_not_keep_it_from_learning_what_became_of_them(
    paths: list[Path], first: int
) -> None:
    """They fill its inbox, of rounds that it has left, of the one that it asks for, and of later ones."""
    found = [configs.load(path) for path in paths[:2]]
    small = dict(frame_bytes=1 << 20, inbox_bytes=1 << 22, queue_bytes=1 << 26)
    found = [dataclasses.replace(one, limits=dataclasses.replace(one.limits, **small)) for one in found]
    with Channels(found[0], found[0].identity()) as a, Channels(found[1], found[1].identity()) as b:
        b.wait_connected([found[0].me.name])
        giver, net = Tls(a, 0.3, 1.0), Net(PEERS)
        net.ends = [giver, Tls(b, 0.3, 1.0)]  # type: ignore[list-item]
        gives, asks = consortium(net, corrupt=0)
        gives.history.add(3, dataclasses.replace(gives.history.blank, attempt=2))
        for number in range(first, first + 9):
            giver.send(1, (number, 0), "deal/message", np.zeros(1 << 20, np.uint8))
        while b.traffic(0)[1] < 3 << 20:
            time.sleep(0.01)

        missed, _ = asks.missed(3)
        assert missed is not None and missed.attempt == 2
        assert first < 4 or b.faults(0)["crowded"], "of later rounds it keeps what fits"
        assert (
            first < 4
            or asks.links.receive(0, (4, 0), "deal/message", np.zeros(1 << 20, np.uint8), time.monotonic() + 5).any()
            == 0
        )


def test_connect_and_aggregate(paths: list[Path]) -> None:
    found: list[Any] = [None] * PEERS

    def body(peer: int) -> None:
        with mpcjax.connect(paths[peer], session=paths[peer].with_suffix(".json"), seconds=30) as me:
            result = me.aggregate({"w": updates()[peer]}, "mean", round=0)
            assert me.links.session == me.seed, "what is signed counts in this session only"
            found[peer] = (me.seed, np.asarray(result.value["w"]), result.report)

    threads = [threading.Thread(target=body, args=(peer,)) for peer in range(PEERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seeds, values, reports = zip(*found, strict=True)
    for path in paths:
        with closing(Kept.at(path.with_suffix(".json"))) as kept:
            assert (kept.seed, kept.begun) == (seeds[0], 0)
    assert len(set(seeds)) == 1 and len({value.tobytes() for value in values}) == 1
    np.testing.assert_allclose(values[0], updates().mean(axis=0), atol=1e-5)
    assert all(bool(report.accepted.all()) and len(report.committee) == 3 for report in reports)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("committee = 9", "run.protocol.committee is 9, legal: a whole number of members in 3..5"),
        (
            "threshold = 2\ncommittee = 3",
            "run.protocol.threshold is 2, legal: a whole number of corrupt members in 1..1",
        ),
        # with more, honest peers that begin late could be too few
        ("corrupt = 2", "run.protocol.corrupt is 2, legal: a whole number of peers in 0..1"),
        ("corupt = 1", "did you mean 'corrupt'"),
        # with a threshold of 0 a share is the secret
        ("threshold = 0", "run.protocol.threshold is 0, legal: a whole number of corrupt members in 1..1"),
        ("committee = 2", "run.protocol.committee is 2, legal: a whole number of members in 3..5"),
    ],
)
def test_wrong_terms_are_named(paths: list[Path], wrong: str, message: str) -> None:
    text = paths[0].read_text().replace(PROTOCOL, f"\n[run.protocol]\n{wrong}\n")
    paths[0].write_text(text)
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        Terms.of(configs.load(paths[0]))
    (check,) = examine(paths[0])
    assert not check.ok and check.found.startswith("run.protocol")


def test_two_peers_are_no_consortium(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has 2 peers, legal: at least 3"):
        Terms.of(configs.load(local(2, tmp_path, 24_000)[0]))


def test_the_doctor_says_what_the_terms_are(paths: list[Path]) -> None:
    (check,) = examine(paths[0])
    assert check.ok and check.found == str(Terms.of(configs.load(paths[0])))
    assert examine(paths[0].parent / "nowhere.toml") == []


def test_who_does_not_come_is_named(paths: list[Path]) -> None:
    with pytest.raises(TimeoutError, match=r"peer1.*peer4.*did not come within"):
        mpcjax.connect(paths[0], seconds=0.2)
