"""The script for an accelerator: it refuses where there is none, and runs small where it is told to."""

import argparse
import json

import jax
import pytest

from benchmarks import accelerator, bench_round, compare

TINY = ["--here", "--rules", "rsa", "--peers", "3", "--length", "30", "--comparisons", "4", "--triples", "8"]


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="there is an accelerator")
def test_without_an_accelerator_it_refuses_in_one_line(capsys):
    assert accelerator.main([]) == 2
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "--here" in said


@pytest.mark.long
def test_small_sizes_run_here_and_are_written_like_other_results(tmp_path, capsys):
    assert accelerator.main([*TINY, "--json", str(tmp_path / "a.json")]) == 0
    result = compare.load(tmp_path / "a.json")
    rows = {row["name"]: row for row in result["benchmarks"]["accelerator"]["rows"]}
    assert {"copy rate", "round/all", "round/checks", "comparisons, verified", "triples, verified"} <= rows.keys()
    assert "ratio" not in rows["round/all"]  # the target is for the full size
    assert rows["triples, verified"]["floor"] == 500 and result["machine"]["platform"]
    assert compare.changes(result, json.loads((tmp_path / "a.json").read_text()))[0][0] == 1.0
    assert "triples" in capsys.readouterr().out


def rounds(rule, peers, length, parties, repeats):
    return bench_round.Rounds([{"deal": 0.01 * parties, "open": 0.01}] * repeats, 1.0, None, 0)  # pyright: ignore


def test_the_full_size_stands_beside_its_targets(monkeypatch):
    monkeypatch.setattr(accelerator.bench_round, "rounds", rounds)
    monkeypatch.setattr(accelerator.rates, "copy_rate", lambda: 1e9)
    options = accelerator.arguments(["--comparisons", "--triples"])
    found = [row for row in accelerator.rows(options, None) if row["name"] == "round/all"]
    assert [row["floor"] for row in found] == pytest.approx([60, 150, 200, 5 * 60])
    assert [row["value"] for row in found] == pytest.approx([60, 60, 60, 220])


def test_what_does_not_fit_is_said_and_the_rest_goes_on(monkeypatch, capsys):
    def refuse(kind, amount):
        if amount > 10:
            raise jax.errors.JaxRuntimeError("out of memory")
        return {"name": kind}

    monkeypatch.setattr(accelerator, "rate_row", refuse)
    monkeypatch.setattr(accelerator.rates, "copy_rate", lambda: 1e9)
    options = argparse.Namespace(rules=[], peers=3, length=3, comparisons=[10, 20, 5], triples=[7])
    console = accelerator.Console()
    assert [row["name"] for row in accelerator.rows(options, console)][1:] == ["comparisons", "triples"]
    assert "20: out of memory" in capsys.readouterr().out
