"""Two result files side by side: what got worse is found, whatever the unit, and noise is not."""

import json

import pytest

from benchmarks import compare


def result(**rows):
    listed = [{"name": name, "shape": "s", **row} for name, row in rows.items()]
    machine = {"commit": "c", "cpu": "x", "cores": 2, "device": "cpu", "jax": "1"}
    return {"machine": machine, "benchmarks": {"b": {"rows": listed}}}


def seconds(value, **more):
    return {"value": value, "unit": "s", **more}


OLD = result(slow=seconds(1.0), rate={"value": 10.0, "unit": "GB/s"}, steady=seconds(2.0), gone=seconds(1.0))


def test_a_slower_time_and_a_lower_rate_are_worse_and_come_first():
    new = result(slow=seconds(3.0), rate={"value": 5.0, "unit": "GB/s"}, steady=seconds(2.1))
    entries = compare.changes(OLD, new)
    assert [(round(times, 2), key[1]) for times, key, *_ in entries] == [(3.0, "slow"), (2.0, "rate"), (1.05, "steady")]


def test_times_over_the_floor_cancel_a_slower_machine():
    old, new = seconds(1.0, ratio=1.5), seconds(2.0, ratio=1.5)
    assert compare.worse(old, new) == 1.0
    assert compare.worse(seconds(1.0), seconds(2.0)) == 2.0


def test_the_exit_status_says_whether_something_got_worse(tmp_path, monkeypatch, capsys):
    old, new = tmp_path / "1.json", tmp_path / "2.json"
    old.write_text(json.dumps(OLD))
    for value, status in ((1.1, 0), (1.5, 1)):
        new.write_text(json.dumps(result(slow=seconds(value))))
        monkeypatch.setattr("sys.argv", ["compare", str(old), str(new)])
        assert compare.main() == status
    assert "1.50" in capsys.readouterr().out


def test_the_two_newest_files_are_taken_by_default(tmp_path):
    with pytest.raises(SystemExit, match="has 0 result files"):
        compare.newest(tmp_path)
    for name in ("2026-01-02T.json", "2026-01-01T.json", "2025.json"):
        (tmp_path / name).write_text("{}")
    assert [path.name for path in compare.newest(tmp_path)] == ["2026-01-01T.json", "2026-01-02T.json"]


def test_a_file_of_something_else_is_named(tmp_path):
    with pytest.raises(SystemExit, match="not a result file"):
        compare.load(tmp_path / "missing.json")
