"""The least that a round must do: every formula beside numbers worked out by hand, and how rows come of them."""

import pytest

import mpcjax
from benchmarks import bench_floor, bench_round, floors, rates
from benchmarks.floors import Rates, Size, Work
from mpcjax.api import setup_of

SIZE = Size(peers=10, length=100, parties=5, threshold=2)  # 1,000 secrets, 5,000 shares
RATES = Rates(copy=1000, addition=100, product=50, keystream=200)


@pytest.mark.parametrize(
    ("formula", "rule", "work"),
    [
        (floors.encode, "rsa", Work(moved=4_000, additions=1_000)),
        (floors.randomness, "rsa", Work(keystream=16_000)),
        (floors.share, "rsa", Work(moved=40_000, additions=6_000)),
        (floors.checks, "rsa", Work(moved=40_000, products=6_000)),
        (floors.combine, "rsa", Work(moved=44_000, additions=5_000)),
        (floors.opening, "rsa", Work(moved=4_400, products=300)),
    ],
)
def test_the_least_work_of_every_stage(formula, rule, work):
    assert formula(SIZE, rule) == work


def test_a_stage_takes_the_larger_of_moving_and_computing():
    assert floors.seconds(Work(moved=5_000, additions=100), RATES) == 5
    assert floors.seconds(Work(moved=5_000, additions=100, products=100, keystream=800), RATES) == 7


def test_the_stages_of_a_round():
    least = floors.of_stages(SIZE, "rsa", RATES)
    assert tuple(least) == floors.STAGES
    assert least["sharing"] == {"encode": 10, "PRG": 80, "share": 60}
    assert [least[stage] for stage in floors.STAGES[1:]] == [{"checks": 120}, {"combine": 50}, {"open": 6}]


def test_phases_that_have_no_name_here_are_checks():
    phases = {"offline": 1.0, "deal": 2.0, "prove": 4.0, "certify": 8.0, "verify": 16.0, "combine": 32.0, "open": 64.0}
    found = floors.by_stage(phases)
    assert found == {"offline": 1, "sharing": 2, "checks": 28, "combine": 32, "open": 64}
    assert sum(found.values()) == sum(phases.values())


def test_the_phases_of_a_round_are_the_stages_of_a_round():
    seconds = dict(bench_round.rounds("mean", 3, 40, 3, 1).report.seconds)
    stages = floors.by_stage(seconds)
    assert all(stages[stage] > 0 for stage in floors.STAGES)
    assert sum(stages.values()) == pytest.approx(sum(seconds.values()))


def test_every_stage_stands_beside_its_floor_and_the_round_beside_their_sum():
    times = [dict(offline=0.5, sharing=300.0, checks=240.0, combine=100.0, open=12.0)] * 3
    rows = bench_floor.stage_rows("x", times, floors.of_stages(SIZE, "rsa", RATES))
    found = {row["name"].removeprefix("floor/"): row for row in rows}
    assert {name: row["ratio"] for name, row in found.items() if name in floors.STAGES} == {
        "sharing": 2, "checks": 2, "combine": 2, "open": 2
    }  # fmt: skip
    assert (found["sharing and checks"]["value"], found["sharing and checks"]["floor"]) == (540, 270)
    assert (found["round"]["value"], found["round"]["floor"]) == (652.5, 326)
    assert found["round"]["target"] == 3 and "target 3" in found["round"]["floor_name"]


def test_encoding_and_dealing_are_measured_for_all_peers():
    setup = setup_of(mpcjax.rules.resolve("fltrust"), mpcjax.simulate(parties=3), 4, 30)
    assert all(taken > 0 for taken in bench_floor.pieces(setup).values())


def test_rates_are_measured(monkeypatch):
    monkeypatch.setattr(rates, "MOVED", 1 << 16)
    monkeypatch.setattr(rates, "STREAM", 1 << 19)
    monkeypatch.setattr(rates, "LENGTH", 1 << 8)
    rows = bench_floor.rate_rows(rates.measured())
    assert [row["unit"] for row in rows] == ["GB/s", "G/s", "G/s", "GB/s"]
    assert all(row["value"] > 0 for row in rows)
