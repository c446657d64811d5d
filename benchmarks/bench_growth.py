"""How cost grows: exponents of time in peers, parameters and parties, and bytes an operation in parties.

Exponents are slopes of least squares in log-log, one a stage of a round of RSA, only with `--long`: a small grid would show
the cost of starting programs, not of running them. There is a picture of them too (with matplotlib). Bytes are counted
while tracing, exactly, without running anything; all parties of a committee send alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import bench_circuits, bench_round, floors, growth_plot, harness
from mpcjax._compat import x64_scope

RULE, REPEATS = "rsa", 5
FIXED = {"n": 100, "d": 100_000, "m": 5}
LONG = {
    "n": (25, 50, 100, 200, 400),
    "d": (10_000, 30_000, 100_000, 300_000, 1_000_000),
    "m": (3, 5, 11, 21, 41),
}
EXPECTED: dict[str, dict[str, float]] = {  # sharing takes m t additions a secret
    "n": dict.fromkeys(("sharing", floors.CHECKS, "combine", "round"), 1),
    "d": dict.fromkeys((*floors.STAGES, "round"), 1),
    "m": {"sharing": 2, floors.CHECKS: 1, "combine": 1, "open": 1},
}
PARTIES = (3, 5, 11, 21, 41)
QUICK_PARTIES = {"comparisons": PARTIES[:-2]}  # tracing them for 21 and 41 takes three quarters of a minute
RESULTS = Path(__file__).parent / "results"
Points = list[tuple[float, float]]


def run(quick: bool) -> list[harness.Row]:
    rows = []
    for job in bench_circuits.jobs(quick):
        rows += bytes_rows(job, QUICK_PARTIES.get(job.name, PARTIES) if quick else PARTIES)
    if quick:
        return rows
    found = {axis: times(axis, sizes, FIXED) for axis, sizes in LONG.items()}
    machine = harness.machine()
    path = RESULTS / f"{machine['time'].replace(':', '')}-{machine['platform']}-growth.png"
    if growth_plot.draw(found, f"{RULE}, {machine['cpu']}, {machine['cores']} cores", path):
        print(f"picture: {path}")
    return rows + [row for axis, lines in found.items() for row in exponent_rows(axis, lines)]


def exponent(points: Points) -> float:
    """The least-squares slope of log y over log x: y grows like x to this power."""
    x, y = np.log(np.asarray(points, float)).T
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / (x @ x))


def times(axis: str, sizes: Iterable[int], fixed: dict[str, int]) -> dict[str, Points]:
    """`{stage: [(size, median seconds), ...]}` of rounds that differ in one size."""
    lines: dict[str, Points] = {stage: [] for stage in (*floors.STAGES, "round")}
    for size in sizes:
        at = {**fixed, axis: size}
        rounds = bench_round.rounds(RULE, at["n"], at["d"], at["m"], REPEATS)
        stages = [floors.by_stage(one) for one in rounds.times]
        for stage in floors.STAGES:
            lines[stage].append((size, float(np.median([one[stage] for one in stages]))))
        lines["round"].append((size, rounds.median()))
    return lines


def exponent_rows(axis: str, lines: dict[str, Points]) -> list[harness.Row]:
    """One exponent a stage, beside the one expected."""
    rows = []
    for stage, points in lines.items():
        about: dict[str, Any] = {"shape": f"{axis} = {', '.join(f'{int(size):,}' for size, _ in points)}"}
        if expected := EXPECTED[axis].get(stage):
            about |= {"floor": expected, "floor_name": "expected"}
        rows.append(harness.row(f"growth/{stage} over {axis}", exponent(points), "exponent", points=points, **about))
    return rows


@x64_scope
def bytes_rows(job: bench_circuits.Job, parties: Iterable[int]) -> list[harness.Row]:
    """Bytes an operation and party, offline and online together; both apart go into the JSON."""
    rows = []
    for m in parties:
        _, before, during = bench_circuits.counted(job, bench_circuits.scheme_of(m))
        offline, online = before.sent / job.amount, during.sent / job.amount
        about = {"shape": f"{job.amount:,}, m={m}", "parties": m, "offline": offline, "online": online}
        rows.append(harness.row(f"growth/sent per {job.unit}", offline + online, f"bytes/{job.unit}", **about))
    return rows
