"""Rounds over real TLS channels: the simulator's bits, and what `mpcjax.connect` makes of a configuration."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mpcjax
from mpcjax.net import Channels
from mpcjax.net import config as configs
from mpcjax.net.founding import local
from mpcjax.peers.peer import Terms, examine
from mpcjax.peers.tls import Tls
from tests.peers._consortium import PEERS, consortium, play, simulated, updates
from tests.peers._memory import Net

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
            assert (
                found is not None and found.outcome.packed().tobytes() == of.outcome.packed().tobytes() and not running
            )
        assert back.conduct.away == {gone}


def test_connect_and_aggregate(paths: list[Path]) -> None:
    found: list[Any] = [None] * PEERS

    def body(peer: int) -> None:
        with mpcjax.connect(paths[peer], seconds=30) as me:
            result = me.aggregate({"w": updates()[peer]}, "mean", round=0)
            assert me.links.session == me.seed  # or what was signed in one session would count in another
            found[peer] = (me.seed, np.asarray(result.value["w"]), result.report)

    threads = [threading.Thread(target=body, args=(peer,)) for peer in range(PEERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seeds, values, reports = zip(*found, strict=True)
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
