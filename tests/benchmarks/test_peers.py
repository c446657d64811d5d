"""The comparison with other engines, with an engine made up here: guarantees in every row, skip lines, layout, plot."""

from __future__ import annotations

import importlib
import json
import sys

import pytest

from benchmarks import bench_circuits, compare, peers, peers_plot
from benchmarks.baselines import common, mp_spdz

FAKE = common.Engine("Fake", "json", "pip install fake", "semi-honest", "2^64", common.NO_SOCKETS)
ABSENT = common.Engine("Absent", "no_such_module_at_all", "pip install absent", "none", "float32", "none")


def rows(quick):
    yield from (FAKE.row("mean", d / 1e6, n=10, d=d, m=3) for d in (100, 1000))
    yield FAKE.row("mean", 0.5, n=100, d=1000, m=3)


@pytest.mark.parametrize("name", peers.ENGINES)
def test_every_engine_says_its_guarantees_and_how_it_is_installed(name):
    engine = importlib.import_module(f"benchmarks.baselines.{name}").ENGINE
    row = engine.row("mean", 0.1, n=2, d=3, m=3)
    assert all(row[part] for part in ("engine", "security", "field", "transport"))
    assert (row["parties"], row["n"], row["d"], row["unit"]) == (3, 2, 3, "s")
    assert engine.install


def test_ours_says_that_there_are_no_sockets():
    engine = importlib.import_module("benchmarks.baselines.ours").ENGINE
    assert "no sockets" in engine.transport
    assert "no sockets" in bench_circuits.MODEL["transport"]


def test_an_engine_that_is_not_installed_is_one_line():
    assert common.answer(ABSENT, rows, quick=True) == {"skipped": "Absent is not installed: pip install absent"}


def test_mp_spdz_is_found_by_its_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("MP_SPDZ", str(tmp_path))
    assert "set MP_SPDZ" in (mp_spdz.ENGINE.missing() or "")
    (tmp_path / mp_spdz.BINARY).touch()
    assert mp_spdz.ENGINE.missing() is None
    assert mp_spdz.timer("x\nTime1 = 0.25 seconds (1 MB, 3 rounds)\n") == 0.25
    with pytest.raises(RuntimeError, match="no `Time1`"):
        mp_spdz.timer("Time = 1 seconds")


def test_what_was_measured_is_kept_row_by_row():
    kept = []
    common.answer(FAKE, rows, quick=True, keep=lambda result: kept.append(len(result["rows"])))
    assert kept == [1, 2, 3]


def test_a_run_writes_what_compare_reads(monkeypatch, tmp_path, capsys):
    answers = {
        "byzfl": common.answer(FAKE, rows, quick=True),
        "spu": {"skipped": "spu is not there"},
        "mpyc": {"failed": "x"},
    }
    monkeypatch.setattr(peers, "measure", lambda engine, quick, limit: answers[engine])
    path = tmp_path / "a.json"
    result = peers.run(*answers, path=path)
    assert result["skipped"] == {"spu": "spu is not there"} and result["failed"] == ["mpyc: x"]
    loaded = compare.load(path)
    assert [times for times, *_ in compare.changes(loaded, json.loads(path.read_text()))] == [1.0, 1.0, 1.0]
    assert {"commit", "cpu", "versions"} <= loaded["machine"].keys()
    assert path.with_suffix(".png").stat().st_size > 1000
    assert "semi-honest" in path.with_suffix(".txt").read_text() and "spu is not there" in capsys.readouterr().out


def test_an_engine_is_stopped_at_its_limit_and_a_failure_named():
    assert peers._run([sys.executable, "-c", "import time; time.sleep(60)"], 0.5) == "stopped after 0.5 s"
    assert peers._run([sys.executable, "-c", "raise ValueError('this one')"], 30).endswith("ValueError: this one")
    assert peers._run([sys.executable, "-c", ""], 30) == ""


def test_series_differ_in_one_size():
    listed = list(rows(True))
    assert peers_plot.series(listed, "d") == {("Fake", "mean", "n=10, m=3"): [(100, 1e-4), (1000, 1e-3)]}
    assert peers_plot.series(listed, "n") == {("Fake", "mean", "d=1,000, m=3"): [(10, 1e-3), (100, 0.5)]}
    assert peers_plot.series(listed, "m") == {}


def test_a_small_circuit_is_counted():
    job = bench_circuits.Job("multiplications", "multiplication", bench_circuits.product, 2, 100)
    found = bench_circuits.traffic(job, bench_circuits.scheme_of(3))
    assert [row["unit"] for row in found] == ["bytes/multiplication"] * 2
    assert all(row["parties"] == 3 and row["security"] for row in found)
    assert sum(row["value"] for row in found) > 8, "offline three parties send nothing but keys"
