"""Predictions beside measurements, and the table of costs: what is run, what is marked, what is kept."""

import dataclasses
import json

import pytest

import mpcjax
from benchmarks import bench_predict, costs
from mpcjax.costs import Rates
from mpcjax.work import Load, Work

ONES = Rates(*(1.0 for _ in dataclasses.fields(Rates)))
FOUND = {
    "rounds": 1234, "offline_bytes": 5e6, "online_bytes": 2.5e6, "upload_bytes": 1e6, "memory": 3 << 30, "seconds": 40.0,
    "LAN": 41.0, "WAN": 80.0, "4G": 90.0, "material": dict(random=1, double=20_000, bit=3, triple=0),
}  # fmt: skip


def test_predictions_stand_beside_what_was_measured():
    cost = mpcjax.estimate("mean", 50, peers=4, committee=mpcjax.simulate(3))
    load = Load((("deal", Work(words=6)), ("open", Work(words=3)), ("verify", Work(words=1))), 2_000_000)
    times = [{"deal": 5.0, "open": each, "verify": 0.01} for each in (1.0, 3.0, 2.0)]
    rows = bench_predict.rows_of("x", dataclasses.replace(cost, load=load), bench_predict.Rounds(times, ONES, 999_200))
    found = {row["name"].removeprefix("predict/"): (row["value"], row["floor"]) for row in rows}
    assert found == {"seconds": (10, 7.01), "deal": (6, 5), "open": (3, 2), "memory": (2, 1)}
    assert rows[0]["ratio"] == pytest.approx(10 / 7.01) and rows[0]["terms"]["words"] == 10


def test_rates_of_several_moments_are_medians():
    slow, fast = (Rates(*(rate for _ in dataclasses.fields(Rates))) for rate in (0.5, 9.0))
    assert bench_predict.median_of([slow, fast, ONES]) == ONES


def test_memory_that_a_call_takes_is_seen():
    grown = bench_predict.harness.growth(lambda: bytearray(b"x") * 50_000_000)
    assert grown is None or 40_000_000 < grown < 200_000_000


def test_what_does_not_fit_is_not_run():
    assert costs.too_much(FOUND, memory=10 << 30) == ""
    assert costs.too_much(FOUND, memory=3.9 * 2**30) == "memory"
    assert costs.too_much(FOUND | {"seconds": 80.0}, memory=10 << 30) == "time"


def test_what_was_not_measured_says_so():
    estimated = costs.cells_of(FOUND | {"not_measured": "memory"})
    assert estimated[0] == "1,234" and "~40 memory" in estimated
    assert "~40 not yet" in costs.cells_of(FOUND)
    assert "39.00" in costs.cells_of(FOUND | {"measured": {"seconds": 39.0, "first": 60.0}})
    assert costs.cells_of({})[-1] == "not yet"


def test_the_table_that_is_kept_has_a_row_for_every_cell():
    cells = [(("mean", 25, 10_000), FOUND | {"measured": {"seconds": 39.0, "first": 60.0}}), (("rsa", 100, 10), {})]
    refused = {"not_measured": "refused", "why": "too many peers"}
    assert "\n- bulyan, 100 x 5: too many peers\n" in costs.markdown(
        [*cells, (("bulyan", 100, 5), refused)], ["a machine"]
    )
    *_, head, _, first, second = costs.markdown(cells, ["a machine"]).splitlines()
    assert first.startswith("| mean | 25 | 10,000 | 1,234 |") and "| 39.00 |" in first and "not yet" in second
    assert head.count("|") == first.count("|") and "a machine" in costs.markdown(cells, ["a machine"])


def test_what_a_rule_refuses_is_a_cell_too(tmp_path):
    (tmp_path / "rates.json").write_text(json.dumps(dataclasses.asdict(ONES)))
    costs.compute(tmp_path, ("minimum_diameter_averaging", 100, 30))
    found = costs.known(tmp_path, ("minimum_diameter_averaging", 100, 30))
    assert costs.is_done(found) and "legal are up to" in found["why"] and costs.cells_of(found)[-1] == "refused"


def test_a_cell_is_estimated_run_and_stored(tmp_path, monkeypatch):
    (tmp_path / "rates.json").write_text(json.dumps(dataclasses.asdict(ONES) | {"words": 1e9}))
    monkeypatch.setattr(costs, "CELL_SECONDS", 1e12)
    costs.compute(tmp_path, ("mean", 5, 30))
    found = costs.known(tmp_path, ("mean", 5, 30))
    assert costs.is_done(found) and found["measured"]["seconds"] > 0
    assert found["rounds"] == mpcjax.estimate("mean", 30, peers=5, committee=mpcjax.simulate(5)).rounds


def test_known_cells_are_not_computed_again(tmp_path, monkeypatch, capsys):
    begun, fast = [], Rates(*(1e12 for _ in dataclasses.fields(Rates)))  # so that every cell fits into the time
    (tmp_path / "rates.json").write_text(json.dumps(dataclasses.asdict(fast)))
    monkeypatch.setattr(costs, "run_apart", lambda folder, cell, seconds: begun.append(cell))
    done = FOUND | {"measured": {"seconds": 1.0, "first": 2.0}, "machine": bench_predict.harness.machine()}
    costs.path_of(tmp_path, ("mean", 25, 10_000)).write_text(json.dumps(done))
    options = ["--rules", "mean", "rsa", "--peers", "25", "--lengths", "10000", "--folder", str(tmp_path)]
    assert costs.main(options) == 1  # rsa has no answer
    assert begun == [("rsa", 25, 10_000)]
    assert costs.main([*options, "--minutes", "0"]) == 1 and len(begun) == 1
    found = costs.known(tmp_path, ("rsa", 25, 10_000))
    assert "rounds" in found and not costs.is_done(found), "estimated, and still to be run"
    monkeypatch.setattr(costs, "compute", None)
    assert costs.main([*options, "--minutes", "0"]) == 1 and "not yet" in capsys.readouterr().out


def test_a_cell_that_fails_says_so(tmp_path, monkeypatch):
    class Failed:
        returncode = 1

    monkeypatch.setattr(costs.subprocess, "run", lambda *_, **__: Failed)
    costs.run_apart(tmp_path, ("mean", 25, 10), 1.0)
    assert costs.known(tmp_path, ("mean", 25, 10)) == {"not_measured": "failed"}
