"""The full size, 100 peers and a million parameters: only in the longer grid, some ten to fifteen minutes on 2 cores."""

from __future__ import annotations

from benchmarks import bench_round, harness

RULES = ("rsa", "centered_clipping", "fltrust")


def run(quick: bool) -> list[harness.Row]:
    if quick:
        return []
    rows = [row for rule in RULES for row in bench_round.measure(rule, 100, 1_000_000, 5, repeats=3)]
    return rows + bench_round.measure(
        "rsa", 500, 1_000_000, 5, repeats=1
    )  # in groups: no more memory but for the updates
