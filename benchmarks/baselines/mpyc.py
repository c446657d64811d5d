"""MPyC: Shamir sharing in Python, semi-honest; three processes over sockets of this machine.

What each party runs is `programs/mpyc_party.py`, a script that MPyC starts once per party (`-M`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.baselines import common

PROGRAM = Path(__file__).parent / "programs" / "mpyc_party.py"
PARTIES = (3, 5)
ENGINE = common.Engine(
    name="MPyC",
    module="mpyc",
    install="pip install mpyc (and gmpy2 for speed), or make bench-peers",
    security="semi-honest, honest majority",
    field="2^61-1",
    transport=common.LOCAL,
)
LIMITS = {"products": 100_000, "comparisons": 10_000, "elements": 1_000_000}  # larger jobs take minutes
INTEGERS = "prime of 64 bits, for integers of 32 (30 bits of statistical hiding)"  # SecInt(32)


def run(quick: bool) -> list[common.Row]:
    return [row for m in (PARTIES[:1] if quick else PARTIES) for row in _by_parties(m)]


def _by_parties(m: int) -> list[common.Row]:
    jobs = {
        "mean": [(n, d) for n, d in common.MEANS if n * d <= LIMITS["elements"]],
        "squared norms": [(n, d) for n, d in common.NORMS if n * d <= LIMITS["elements"]],
        "multiplications": [(1, d) for d in common.PRODUCTS if d <= LIMITS["products"]],
        "comparisons": [(1, d) for d in common.COMPARISONS if d <= LIMITS["comparisons"]],
    }
    command = [sys.executable, str(PROGRAM), json.dumps(jobs), f"-M{m}", "--no-log"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    times = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("[")))
    rows = []
    for job, n, d, taken in times:
        more = {"field": INTEGERS} if job == "comparisons" else {}
        rows.append(ENGINE.row(job, taken, n=n, d=d, m=m, threshold=(m - 1) // 2, **more))
    return rows


if __name__ == "__main__":
    common.main(ENGINE, run)
