"""The table rule x attack: cells are kept and told apart, gaps are shown, the worst attack decides."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from experiments.robustness import __main__ as command
from experiments.robustness import cells as table
from experiments.robustness import parting, reporting
from experiments.robustness.running import Bench
from mpcjax import train

TINY: dict[str, Any] = {
    "rules": "mean,bucketing(geometric_median)", "attacks": "none,ipm", "partitions": "iid",
    "protocol": command.Protocol.plain, "rounds": 2, "peers": 6, "malicious": 1, "dataset": "digits",
}  # fmt: skip
ONE = table.Cell(train.demo_settings("mean", peers=6, malicious=1), "digits", 2, "plain")


def call(out: Path, **changes: Any) -> None:
    """The command in a tiny size."""
    arguments: dict[str, Any] = TINY | changes
    command.main(**arguments, out=out)


@pytest.fixture(scope="module")
def digits():
    return train.load("digits")


@pytest.fixture
def measured(monkeypatch):
    """What `Bench.measure` was asked for, in place of training."""
    asked = []

    def measure(self, cell, on_round=None):
        asked.append(cell.place)
        return {"accuracy": 0.5, "seconds": 0.0}

    monkeypatch.setattr(Bench, "measure", measure)
    return asked


def test_the_command_trains_and_writes(tmp_path, capsys):
    call(tmp_path)
    cells = [json.loads(path.read_text()) for path in (tmp_path / "cells").glob("*.json")]
    assert len(cells) == 4
    assert all(0 < cell["accuracy"] <= 1 and [at for at, _ in cell["curve"]] == [2] for cell in cells)
    text = (tmp_path / "table.md").read_text()
    assert "bucketing(geometric_median)" in text and reporting.MISSING + " |" not in text
    assert (tmp_path / "table.png").read_bytes().startswith(b"\x89PNG")
    assert "the best composition is bucketing(geometric_median)" in capsys.readouterr().out


def test_a_second_run_skips_what_is_finished(tmp_path, measured):
    call(tmp_path)
    assert len(measured) == 4
    call(tmp_path)
    assert len(measured) == 4
    next((tmp_path / "cells").glob("mean-ipm-*.json")).unlink()
    call(tmp_path)
    assert measured[4:] == [("iid", "plain", "mean", "ipm")]


@pytest.mark.parametrize(
    "change",
    [
        {"rounds": 3}, {"seed": 1}, {"peers": 7}, {"malicious": 2}, {"partitions": "0.3"}, {"momentum": 0.5}, {"batch": 8},
        {"rate": 0.3}, {"clip": 1.0},
        {"attacks": "alie,foe"}, {"model": "mlp"},
    ],
)  # fmt: skip
def test_other_settings_are_other_cells(change, tmp_path, measured):
    call(tmp_path)
    call(tmp_path, **change)
    assert len(measured) == 8
    assert len(list((tmp_path / "cells").glob("*.json"))) == 8


@pytest.mark.parametrize("change", [{"protocol": "mpc", "parties": 3}, {"parties": 5}, {"data": "mnist"}])
def test_other_protocols_and_data_are_other_cells(change):
    assert dataclasses.replace(ONE, **change).name != ONE.name


def test_a_rule_whose_default_changed_is_another_cell(monkeypatch):
    before = ONE.name
    monkeypatch.setattr(train.Settings, "make_rule", lambda self: "Mean(limit=7)")
    assert ONE.name != before


def test_half_a_file_is_no_cell(tmp_path, monkeypatch):
    store = table.Store(tmp_path)
    with pytest.raises(ValueError):
        store.save(ONE, {"accuracy": float("nan")})
    monkeypatch.setattr(table.Path, "replace", lambda *_: (_ for _ in ()).throw(OSError))
    with pytest.raises(OSError):
        store.save(ONE, {"accuracy": 0.5})
    assert store.load(ONE) is None and store.accuracies([ONE]) == {}


def test_known_cells_are_not_run_again(tmp_path, measured):
    """`--keep` adds what has been run to the file, and whoever has the file has the cells."""
    known = tmp_path / "known.jsonl"
    call(tmp_path / "here", known=known, keep=True, rules="mean")
    call(tmp_path / "here", known=known, keep=True, rules="mean", attacks="foe")
    assert len(measured) == 3 and len(known.read_text().splitlines()) == 3
    call(tmp_path / "there", known=known, rules="mean", attacks="none,ipm,foe")
    assert len(measured) == 3 and not (tmp_path / "there" / "cells").exists()
    assert "| mean | 0.500 | 0.500 | 0.500 |" in (tmp_path / "there" / "table.md").read_text()
    call(tmp_path / "there", known=tmp_path / "none", rules="mean")
    assert len(measured) == 5


def test_it_stops_after_the_cell_at_hand(tmp_path, digits, monkeypatch):
    clock = [0.0]

    def slow(self, cell, on_round=None):
        clock[0] += 50
        return {"accuracy": 0.5, "seconds": 50.0}

    monkeypatch.setattr(Bench, "measure", slow)
    monkeypatch.setattr(command.time, "perf_counter", lambda: clock[0])
    cells = [table.Cell(ONE.settings.replace(attack=name), "digits", 2, "plain") for name in ("none", "ipm", "foe")]
    store = table.Store(tmp_path)
    command.run(Console(quiet=True), cells, store, Bench(digits), 40)
    assert [store.load(cell) is not None for cell in cells] == [True, False, False]
    command.run(Console(quiet=True), cells, store, Bench(digits), 60)
    assert all(store.load(cell) for cell in cells)


def test_missing_cells_are_shown(tmp_path, measured, capsys):
    call(tmp_path, rules="mean")
    call(tmp_path, minutes=0)
    text = (tmp_path / "table.md").read_text()
    assert len(measured) == 2 and "2 cells are missing" in text
    assert "| mean | 0.500 | 0.500 |" in text
    assert f"| bucketing(geometric_median) | {reporting.MISSING} | {reporting.MISSING} |" in text
    printed = capsys.readouterr().out
    assert "2 cells missing" in printed and "no composition has all its cells yet" in printed


def grid(**rows: tuple[float | None, ...]) -> reporting.Grid:
    """Accuracies without attack, under IPM, under ALIE; `b_krum` is bucketing(krum), and so on."""
    full = {"b_": "bucketing(", "n_": "nearest_neighbour_mixing(", "a_": "adaptive_clipping("}
    rules = {name: full[name[:2]] + name[2:] + ")" if name[:2] in full else name for name in rows}
    attacks = ("none", "ipm", "alie")
    there = {
        ("iid", "plain", rules[name], attack): value
        for name, row in rows.items()
        for attack, value in zip(attacks, row, strict=True)
        if value is not None
    }
    return reporting.Grid(list(rules.values()), attacks, ["iid"], ["plain"], there)


def test_the_worst_attack_decides_which_composition_is_best():
    found = grid(
        mean=(0.82, 0.1, 0.1),
        krum=(0.8, 0.8, 0.8),  # no composition
        a_krum=(0.8, 0.79, 0.79),  # neither mixes nor makes groups
        b_krum=(0.8, 0.79, 0.60),  # better against one attack, and on average
        n_krum=(0.77, 0.70, 0.65),
        b_multi_krum=(0.5, 0.5, 0.5),  # loses nothing, having learned little
        n_multi_krum=(0.8, None, 0.79),  # not finished
        n_mean=(None, 0.79, 0.79),
    )
    assert found.best_composition("iid", "plain") == "nearest_neighbour_mixing(krum)"
    line = reporting.verdict(found, "iid", "plain")
    assert "nearest_neighbour_mixing(krum): 0.650 under its worst attack (alie)" in line
    assert "12.0 points below its own 0.770" in line and "17.0 below the mean's 0.820" in line
    assert found.missing == 2


def test_no_attack_is_no_attack():
    assert grid(krum=(0.1, 0.5, 0.6)).worst("iid", "plain", "krum") == (0.5, "ipm")


def test_a_run_that_diverges_has_the_accuracy_of_a_guess(digits):
    settings = ONE.settings.replace(rate=1e38, attack="none")
    found = Bench(digits).measure(table.Cell(settings, "digits", 6, "plain"))
    assert 0 < found["accuracy"] < 0.3
    json.dumps(found, allow_nan=False)


def test_cells_share_what_is_compiled(digits):
    bench = Bench(digits)

    def run(rule, attack, **changes):
        settings = train.demo_settings(rule, attack=attack, peers=6, malicious=1).replace(**changes)
        return bench.run(table.Cell(settings, "digits", 2, "plain"))

    one, other = run("mean", "ipm"), run("bucketing(krum)", "ipm", alpha=0.5)
    assert one.method is other.method and one.attack is other.attack and one.attack is not None
    assert one.batches is run("krum", "foe").batches and one.batches is not other.batches
    assert run("rsa", "ipm").method is not one.method and run("rsa", "ipm").batches is one.batches
    assert run("centered_clipping", "ipm").method.init().keys() >= {"center"}
    assert run("bucketing(fltrust)", "none").method.init().keys() >= {"reference"}
    assert run("mean", "opt_ipm").attack is not run("krum", "opt_ipm").attack


def test_rules_keep_what_is_their_own():
    def made(rule, rate=0.7, model="small"):
        (settings,) = command.wanted([rule], ["none"], [None], {"momentum": 0.5, "model": model}, rate)
        return settings.rate, settings.momentum

    assert made("bucketing(krum)") == (0.7, 0.5)
    assert made("fltrust") == (0.7, 0.0)  # its reference is a gradient of few samples: momentum makes its noise last
    assert made("sign_majority") == (train.demo_settings("sign_majority").rate, 0.5)
    assert made("bucketing(krum)", None) == (0.4, 0.5) and made("bucketing(krum)", None, "softmax") == (1.6, 0.5)
    assert made("bucketing(rsa)", 0.7, "softmax") == (3.0, 0.5)
    assert made("krum", None, "cnn") == (train.demo_settings("krum").rate, 0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"rules": "middle"}, {"rules": ","}, {"rules": "nearest_neighbour_mixing(median)"}, {"attacks": "mine"},
        {"partitions": "even"}, {"partitions": "-1"}, {"malicious": 3, "rules": "krum"}, {"model": "tall"},
        {"protocol": command.Protocol.mpc, "parties": 7},
    ],
)  # fmt: skip
def test_wrong_settings_are_named_before_anything_runs(change, tmp_path, measured):
    with pytest.raises(typer.BadParameter):
        call(tmp_path, **change)
    assert not measured


def test_under_mpc_it_is_the_plain_cell(digits):
    bench = Bench(digits)
    plain = bench.measure(ONE)
    secure = bench.measure(table.Cell(ONE.settings, "digits", 2, "mpc", parties=3))
    assert secure["accuracy"] == pytest.approx(plain["accuracy"], abs=0.02)
    assert secure["not_applied"] == secure["excluded"] == 0


def test_where_a_run_parts_is_shown(capsys):
    """The same updates under both: rounding apart, and no more where nothing is chosen."""
    parting.main(
        rule="centered_clipping", attack="ipm", partition="iid", rounds=2, peers=6, malicious=1, dataset="digits"
    )
    said = capsys.readouterr().out
    assert "apart by more than 0.001: MPC in 0, disturbed in 0 of 2 rounds, both in 0" in said
    rows = [line.split("│")[1:4] for line in said.splitlines() if line.startswith("│")]
    assert len(rows) == 2 and all(0 < float(one) < parting.APART for row in rows for one in row[1:])


def test_what_is_apart_is_a_part_of_the_length():
    assert parting._apart({"w": [3.0, 0.0]}, {"w": [0.0, 4.0]}) == pytest.approx(1.25)
