"""Which benchmarks share a process, and what is left of their answers when one fails."""

import json

import pytest

from benchmarks import __main__ as main


def test_kin_run_in_one_process_in_the_order_asked_for():
    assert main.processes(["circuits", "fields", "floor", "growth", "prg", "round", "scale"]) == [
        ["circuits", "growth"], ["fields"], ["floor", "round", "scale"], ["prg"]
    ]  # fmt: skip
    assert main.processes(["scale", "prg", "round"]) == [["scale", "round"], ["prg"]]


def test_all_that_run_together_exist():
    assert set().union(*main.TOGETHER) <= set(main.names())


def test_what_was_measured_before_a_failure_is_kept(monkeypatch, tmp_path):
    def measure(name, quick):
        if name == "bad":
            raise RuntimeError(name)
        return {"rows": [name], "quick": quick}

    monkeypatch.setattr(main, "measure", measure)
    with pytest.raises(RuntimeError, match="bad"):
        main.measure_into(tmp_path / "a.json", ["good", "bad", "late"], True)
    assert json.loads((tmp_path / "a.json").read_text()) == {"good": {"rows": ["good"], "quick": True}}


def test_a_benchmark_without_an_answer_has_failed(monkeypatch, tmp_path):
    answer = {"rows": [], "machine": {}, "seconds": 1.0, "peak_bytes": 1}
    monkeypatch.setattr(main, "measure_apart", lambda group, quick: {"prg": dict(answer)})
    assert main.run("prg", "fields", apart=True, path=tmp_path / "a.json")["failed"] == ["fields"]
