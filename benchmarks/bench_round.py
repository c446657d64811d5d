"""A whole round of each rule, phase by phase, beside the plain float32 rule."""

from __future__ import annotations

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import mpcjax
from benchmarks import harness, passive
from mpcjax.rules import Public, Rule

RULES = ("mean", "rsa", "centered_clipping", "fltrust")
QUICK = ((20, 100_000, 5),)
LONG = (*QUICK, (100, 100_000, 5), (100, 100_000, 21))
PARTS = {  # how the phases of a round are told apart in the table
    "offline": ("offline",),
    "sharing": ("deal",),
    "certificates": ("certify",),
    "combine": ("combine",),
    "verification": ("verify certificates", "verify"),
    "opening": ("open",),
}


def run(quick: bool) -> list[harness.Row]:
    rows = []
    for peers, length, parties in QUICK if quick else LONG:
        for rule in RULES:
            rows += measure(rule, peers, length, parties, repeats=3)
    return rows


def measure(rule: str, peers: int, length: int, parties: int, repeats: int) -> list[harness.Row]:
    """Rows for one rule and size: seconds by part, in all, of the plain rule, and bytes."""
    updates = jnp.asarray(np.random.default_rng(0).normal(scale=1e-3, size=(peers, length)).astype(np.float32))
    extra: dict[str, Any] = {"reference": jnp.mean(updates, axis=0)} if rule == "fltrust" else {}
    committee = mpcjax.simulate(parties=parties)
    chosen = mpcjax.rules.resolve(rule)
    times: list[dict[str, float]] = []
    start = time.perf_counter()
    first = 0.0
    for _ in range(repeats + 1):
        report = mpcjax.aggregate(updates, chosen, committee=committee, **extra).report
        first = first or time.perf_counter() - start
        times.append(dict(report.seconds))
    shape: dict[str, Any] = {"shape": f"{rule} {peers} x {length:,}, m={parties}"}
    rows = []
    for part, phases in PARTS.items():
        seconds = float(np.median([sum(t.get(phase, 0.0) for phase in phases) for t in times[1:]]))
        rows.append(harness.row(f"round/{part}", seconds, "s", **shape))
    total = float(np.median([sum(t.values()) for t in times[1:]]))
    if chosen.additive:
        unchecked = passive.runner(chosen, committee, updates)
        seconds = harness.seconds(lambda: unchecked(np.arange(8, dtype=np.uint32)), repeats=repeats)
        rows.append(harness.row("round/passive: nothing checked", seconds, "s", **shape))
        rows.append(harness.row("round/active over passive", total / seconds, "x", **shape))
    plain = harness.seconds(_plain(chosen, updates, extra), repeats=repeats)
    return [
        *rows,
        harness.row("round/all", total, "s", **shape),
        harness.row("round/first call", first, "s", **shape),
        harness.row("round/plain float32", plain, "s", **shape),
        harness.row("round/sent per party, offline", report.offline_bytes / 1e6, "MB", **shape),
        harness.row("round/sent per party, online", report.online_bytes / 1e6, "MB", **shape),
        harness.row("round/uploaded per peer", report.upload_bytes / 1e6, "MB", **shape),
        harness.row("round/peak memory of the process so far", harness.peak_memory() / 1e9, "GB", **shape),
    ]


def _plain(rule: Rule, updates: Any, extra: dict[str, Any]) -> Any:
    public = Public.of(*updates.shape, reference=extra.get("reference"))
    compiled = jax.jit(rule.plain)
    return lambda: compiled(updates, public)
