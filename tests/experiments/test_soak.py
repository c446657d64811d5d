"""What `make soak` and `experiments.wide` conclude from what they see. The runs themselves are long."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

import mpcjax
from experiments import soak, wide


def watched(growth: float) -> soak.Watch:
    """Peer 1 is killed and comes back; the memory of peer 0 grows from the second fifth of 100 rounds to the last."""
    seen = [(done, 100.0 * (1 + growth * (done >= 80))) for done in range(100)]
    return soak.Watch({0: seen, 1: [(0, 50.0)]}, [[1, 20, 30]])


@pytest.mark.parametrize(("growth", "flat"), [(0.0, True), (0.04, True), (0.06, False)])
def test_memory_is_flat_only_if_it_does_not_grow(growth: float, flat: bool) -> None:
    watch, said = watched(growth), Console(file=io.StringIO(), width=120)
    assert watch.growth(0, 100) == pytest.approx(growth)
    assert soak._report(said, watch, {0: "a", 1: "a"}, {0: 0, 1: 0}, 100) is flat


def test_who_was_killed_is_back_once_it_begins_a_round_itself(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("attempt round=3 attempt=0\n")
    before = log.stat().st_size
    log.write_text(log.read_text() + "missed round=4 attempt=0\n")
    assert not soak._takes_part(log, before)
    log.write_text(log.read_text() + "attempt round=5 attempt=0\n")
    assert soak._takes_part(log, before)


def test_members_and_others_stand_beside_their_estimates() -> None:
    cost = mpcjax.estimate("mean", 40, peers=5, committee=mpcjax.simulate(3))
    first = dict(seconds=99.0, sent=10**9, member=True, memory=2 * 10**9, digest="x")
    found = [
        [first, first | dict(seconds=2.0, sent=3_000_000)],
        [first, first | dict(seconds=1.0, sent=7, member=False)],
    ]
    said = io.StringIO()
    wide._report(Console(file=said, width=120), found, cost)
    members, others = (line for line in said.getvalue().splitlines() if "members" in line or "others" in line)
    assert "2.0" in members and "3.0" in members and "99" not in members and "1.0" in others
