"""Processes over TLS, one of which is killed with signal 9 in the midst of a message: the others end with the same values."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mpcjax.net.founding import local

PEERS, VICTIM, ROUNDS = 5, 1, 12
ROOT = Path(__file__).parents[2]
PROTOCOL = "\n[run.protocol]\ncorrupt = 1\ncommittee = 3\nslot_seconds = 0.5\ngrace_seconds = 2.0\n"
PHASES = (
    "offline/", "deal/message", "deal/roll call", "certify/", "verify certificates/", "open/output", "notice",
)  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.mark.parametrize(
    "label", [pytest.param(one, marks=() if one == "open/output" else pytest.mark.long) for one in PHASES]
)
def test_a_peer_killed_in_the_midst_of_a_message_parts_nobody(tmp_path: Path, cache: Path, label: str) -> None:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))  # each has ports of its own
    paths = local(PEERS, tmp_path, 27_000 + 100 * worker)
    for path in paths:
        path.write_text(path.read_text().replace('rule = "mean"\n', 'rule = "mean"\n' + PROTOCOL))
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.peers._process", *map(str, (path, path.with_suffix(".out"), cache, ROUNDS))]
            + [label] * (k == VICTIM),
            cwd=ROOT,
        )
        for k, path in enumerate(paths)
    ]
    try:
        ended = [process.wait(240) for process in running]
    finally:
        for process in running:
            process.kill()
    assert ended == [-signal.SIGKILL if k == VICTIM else 0 for k in range(PEERS)]
    values = [[json.loads(line) for line in path.with_suffix(".out").read_text().splitlines()] for path in paths]
    victim = values.pop(VICTIM)
    assert all(one == values[0] for one in values) and len(values[0]) == ROUNDS
    assert 1 <= len(victim) < ROUNDS and victim == values[0][: len(victim)]
    assert all(values[0][len(victim) + 1 :]), "rounds after the one in which it died have an outcome"
