"""Predicted beside measured: seconds to compute a round, by phase and in all, and the memory of its arrays.

The machine's rates are measured in turns with the rounds, so that its slow moments are in both.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import mpcjax
from benchmarks import bench_round, harness
from mpcjax.costs import Rates, calibrate
from mpcjax.report import Cost

QUICK = (("rsa", 20, 100_000),)  # a minute with its calibrations; four rules would not leave `make bench` five
LONG = (
    *((rule, 100, 100_000) for rule in (*bench_round.RULES, "multi_krum", "geometric_median")),
    *((rule, 25, 10_000) for rule in ("multi_krum", "geometric_median", "median")),
)
PARTIES, REPEATS = 5, 3
AIM = "measured; aim 0.7 to 1.3 times"


@dataclasses.dataclass(frozen=True)
class Rounds:
    """Seconds by phase of rounds that compile nothing, the machine's median rates between them, and the bytes that one
    adds to the process at most (None where the system does not say)."""

    times: list[dict[str, float]]
    rates: Rates
    grown: int | None


def run(quick: bool) -> list[harness.Row]:
    return [row for size in (QUICK if quick else LONG) for row in rule_rows(*size)]


def rule_rows(rule: str, peers: int, length: int) -> list[harness.Row]:
    """Rows of one rule and size."""
    cost = mpcjax.estimate(rule, length, peers=peers, committee=mpcjax.simulate(parties=PARTIES))
    return rows_of(f"{rule} {peers} x {length:,}, m={PARTIES}", cost, measured(rule, peers, length))


def measured(rule: str, peers: int, length: int) -> Rounds:
    """Rounds and calibrations in turns, after a first call that compiles."""
    updates, extra = bench_round.inputs(rule, peers, length)
    committee, chosen = mpcjax.simulate(parties=PARTIES), mpcjax.rules.resolve(rule)

    def one() -> dict[str, float]:
        return dict(mpcjax.aggregate(updates, chosen, committee=committee, **extra).report.seconds)

    one()
    grown = harness.growth(one)
    rates, times = [calibrate()], []
    for _ in range(REPEATS):
        times.append(one())
        rates.append(calibrate())
    return Rounds(times, median_of(rates), grown)


def median_of(rates: list[Rates]) -> Rates:
    """Of every kind apart."""
    return Rates(*(float(rate) for rate in np.median([dataclasses.astuple(each) for each in rates], axis=0)))


def rows_of(label: str, cost: Cost, found: Rounds) -> list[harness.Row]:
    """Predicted values over measured ones: a row of all, of every phase that takes a hundredth of it, and of memory."""
    assert cost.load is not None
    totals = [sum(one.values()) for one in found.times]
    whole, terms = float(np.median(totals)), found.rates.terms(cost.load.work)
    rows = [_row("seconds", label, found.rates.seconds(cost.load.work), whole, "s", terms=terms, measured=totals)]
    for phase in found.times[0]:
        taken = float(np.median([one[phase] for one in found.times]))
        work = [work for name, work in cost.load.phases if name == phase]
        if taken > whole / 100:
            rows.append(_row(phase, label, sum(map(found.rates.seconds, work)), taken, "s"))
    if found.grown is not None:
        updates = 4 * cost.peers * cost.length  # were there before
        rows.append(_row("memory", label, cost.load.memory / 1e6, (found.grown + updates) / 1e6, "MB"))
    return rows


def _row(name: str, label: str, predicted: float, taken: float, unit: str, **more: Any) -> harness.Row:
    return harness.row(f"predict/{name}", predicted, unit, shape=label, floor=taken, floor_name=AIM, **more)
