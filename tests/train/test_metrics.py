"""Metrics: legal JSON whatever the numbers, and files that go on where a run was broken off."""

from __future__ import annotations

import json

import jax.numpy as jnp
import numpy as np

from mpcjax.train import metrics


def test_what_json_lacks_becomes_null(tmp_path):
    log = metrics.JsonLines(tmp_path / "new" / "m.jsonl")
    log.write(
        {"round": 0, "loss": float("nan"), "worst": np.float32("inf"), "flag": np.bool_(True), "a": jnp.float32(2)}
    )
    line = (tmp_path / "new" / "m.jsonl").read_text()
    assert json.loads(line) == {"round": 0, "loss": None, "worst": None, "flag": True, "a": 2.0}
    assert log.records == metrics.read(tmp_path / "new" / "m.jsonl")


def test_a_new_run_replaces_and_a_resumed_run_keeps(tmp_path):
    path = tmp_path / "m.jsonl"
    log = metrics.JsonLines(path)
    for number in range(5):
        log.write({"round": number})
    resumed = metrics.JsonLines(path, keep_rounds=3)
    resumed.write({"round": 3, "again": True})
    assert (
        metrics.read(path) == resumed.records == [{"round": 0}, {"round": 1}, {"round": 2}, {"round": 3, "again": True}]
    )
    assert metrics.JsonLines(path).records == [] and path.read_text() == ""


def test_a_cut_off_line_is_ignored(tmp_path):
    (tmp_path / "m.jsonl").write_text('{"round": 0}\n{"rou')
    assert metrics.read(tmp_path / "m.jsonl") == [{"round": 0}]


def test_without_a_path_records_are_kept_in_memory():
    log = metrics.JsonLines()
    log.write({"nested": {1: [np.int64(3), float("inf")]}})
    assert log.records == [{"nested": {"1": [3, None]}}]


def test_plain_float32_has_no_report():
    assert metrics.report_fields(None) == {}
