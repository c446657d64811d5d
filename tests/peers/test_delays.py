"""Rounds over a slow network that loses packets: the simulator's bits, and nobody is left out."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from mpcjax.net import Channels
from mpcjax.net import config as configs
from mpcjax.net.founding import free_ports, local
from mpcjax.peers.node import Round
from mpcjax.peers.tls import Tls
from tests.peers._consortium import PEERS, compiled, consortium, play, simulated
from tests.peers._delays import proxies
from tests.peers._memory import Net


def behind_proxies(folder: Path) -> tuple[list[Path], list[tuple[int, int]]]:
    """Configurations whose addresses are those of proxies, and for these the port of each and where it leads."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))  # each has ports of its own
    paths = local(PEERS, folder, 25_000 + 100 * worker)
    public = [configs.load(path).listen[1] for path in paths]
    own = free_ports(PEERS, max(public) + 1)
    for path, port in zip(paths, own, strict=True):
        path.write_text(path.read_text() + f'listen = "127.0.0.1:{port}"\n')
    return paths, list(zip(public, own, strict=True))


DELAY, LOSS, SLOT = 0.05, 0.01, 1.0  # seconds one way; of packets; seconds that a notice takes at most


@pytest.mark.long
def test_rounds_over_a_slow_network_that_loses_packets(tmp_path: Path) -> None:
    compiled()
    paths, ports = behind_proxies(tmp_path)
    with ExitStack() as stack:
        network = stack.enter_context(proxies(ports, DELAY, LOSS))
        found = [configs.load(path) for path in paths]
        channels = [stack.enter_context(Channels(config, config.identity())) for config in found]
        for one in channels:
            one.wait_connected()
        net = Net(PEERS)
        net.ends = [Tls(one, slot=SLOT, grace=5.0) for one in channels]  # type: ignore[misc]
        nodes = consortium(net)
        for number in range(2):
            rounds = play(nodes, number)
            assert all(isinstance(one, Round) for one in rounds), rounds
            assert {one.attempt for one in rounds} == {0} and not any(one.missed for one in rounds)
            assert len({one.outcome.packed().tobytes() for one in rounds}) == 1
            assert rounds[0].outcome.bits["accepted"].all()
            same = simulated("mean", rounds[0].members, (number, 0))
            assert np.array_equal(rounds[0].outcome.value, np.asarray(same.state["value"]))
        assert network.passed > 1000 and network.lost > 0
