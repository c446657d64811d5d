"""A whole round of each rule, phase by phase, beside the plain float32 rule."""

from __future__ import annotations

import dataclasses
import functools
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
ALONE = (("rsa", 100, 100_000, 41), ("rsa", 100, 100_000, 61), ("median", 16, 10_000, 3))
PARTS = {  # how the phases of a round are told apart in the table
    "offline": ("offline",),
    "sharing": ("deal", "deal again"),  # a weighted rule in groups has the simulator deal up to three times
    "certificates": ("certify",),
    "combine": ("combine", "score", "weigh", "sum", "reduce", "settle"),
    "verification": ("verify certificates", "project", "claim", "verify", "verify settled"),
    "opening": ("open",),
}


def run(quick: bool) -> list[harness.Row]:
    rows = []
    for peers, length, parties in QUICK if quick else LONG:
        for rule in RULES:
            rows += measure(rule, peers, length, parties, repeats=3)
    for rule, *size in () if quick else ALONE:
        rows += measure(rule, *size, repeats=3)
    return rows


@dataclasses.dataclass(frozen=True)
class Rounds:
    """Seconds by phase of every round after the first, all seconds of the first call, and a report.

    `peak`: the most bytes that the process had held when they were over.
    """

    times: list[dict[str, float]]
    first: float
    report: mpcjax.Report
    peak: int

    def median(self, *phases: str) -> float:
        """Seconds that these phases take together, all phases by default."""
        return float(np.median([sum(t[name] for name in t if not phases or name in phases) for t in self.times]))


def inputs(rule: str, peers: int, length: int) -> tuple[Any, dict[str, Any]]:
    """Updates, and what else the rule takes."""
    drawn = np.random.default_rng(0).standard_normal((peers, length), np.float32)
    drawn *= 1e-3  # in place: what is freed here would count as memory of the rounds
    updates = jnp.asarray(drawn)
    return updates, {"reference": jnp.mean(updates, axis=0)} if rule == "fltrust" else {}


@functools.cache
def rounds(rule: str, peers: int, length: int, parties: int, repeats: int) -> Rounds:
    """Run them, once in a process: benchmarks that look at the same rounds in different ways share them."""
    updates, extra = inputs(rule, peers, length)
    committee = mpcjax.simulate(parties=parties)
    chosen = mpcjax.rules.resolve(rule)
    times: list[dict[str, float]] = []
    start, first = time.perf_counter(), 0.0
    for _ in range(repeats + 1):
        report = mpcjax.aggregate(updates, chosen, committee=committee, **extra).report
        first = first or time.perf_counter() - start
        times.append(dict(report.seconds))
    return Rounds(times[1:], first, report, harness.peak_memory())


def measure(rule: str, peers: int, length: int, parties: int, repeats: int) -> list[harness.Row]:
    """Rows for one rule and size: seconds by part, in all, of the plain rule, and bytes."""
    found = rounds(rule, peers, length, parties, repeats)
    report, total = found.report, found.median()
    updates, extra = inputs(rule, peers, length)
    committee, chosen = mpcjax.simulate(parties=parties), mpcjax.rules.resolve(rule)
    shape: dict[str, Any] = {"shape": f"{rule} {peers} x {length:,}, m={parties}"}
    rows = [harness.row(f"round/{part}", found.median(*phases), "s", **shape) for part, phases in PARTS.items()]
    if chosen.additive:
        checked = functools.partial(mpcjax.aggregate, updates, chosen, committee=committee, **extra)
        unchecked = passive.runner(chosen, committee, updates, **extra)
        contenders = {"active": lambda: checked().value, "passive": lambda: unchecked(np.arange(8, dtype=np.uint32))}
        seconds = harness.race(contenders, repeats=repeats + 2, budget=60.0)
        rows.append(harness.row("round/active, in turns", seconds["active"], "s", **shape))
        rows.append(harness.row("round/passive: nothing checked", seconds["passive"], "s", **shape))
        rows.append(harness.row("round/active over passive", seconds["active"] / seconds["passive"], "x", **shape))
    plain = harness.seconds(_plain(chosen, updates, extra), repeats=repeats)
    return [
        *rows,
        harness.row("round/all", total, "s", **shape),
        harness.row("round/first call", found.first, "s", **shape),
        harness.row("round/plain float32", plain, "s", **shape),
        harness.row("round/sent per party, offline", report.offline_bytes / 1e6, "MB", **shape),
        harness.row("round/sent per party, online", report.online_bytes / 1e6, "MB", **shape),
        harness.row("round/uploaded per peer", report.upload_bytes / 1e6, "MB", **shape),
        harness.row("round/peak memory of the process so far", found.peak / 1e9, "GB", **shape),
    ]


def _plain(rule: Rule, updates: Any, extra: dict[str, Any]) -> Any:
    public = Public.of(*updates.shape, reference=extra.get("reference"))
    compiled = jax.jit(rule.plain)
    return lambda: compiled(updates, public)
