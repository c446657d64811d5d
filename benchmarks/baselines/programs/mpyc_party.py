"""One party of MPyC: takes the jobs as JSON, prints a JSON list of `[job, n, d, seconds]`. Started by `baselines/mpyc.py`.

In a folder of its own: a script's folder comes first in Python's path, and `baselines/mpyc.py` would be taken for MPyC.
Timed is sharing, computing and opening, one run each: MPyC compiles nothing.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from mpyc.runtime import mpc  # pyright: ignore[reportMissingImports]

FIELD, INTEGERS = mpc.SecFld(2**61 - 1), mpc.SecInt(32)


def compute(job: str, x: Any) -> Any:
    if job == "multiplications":
        return x * x
    if job == "comparisons":
        return x < 0
    if job == "squared norms":
        return mpc.np_sum(x * x, axis=1)
    return mpc.np_sum(x, axis=0)  # the mean's division by n is public


async def timed(job: str, n: int, d: int) -> float:
    kind = INTEGERS if job == "comparisons" else FIELD
    values = np.random.default_rng(0).integers(-1000 if job == "comparisons" else 0, 1000, (n, d))
    start = time.perf_counter()
    x = mpc.input(kind.array(values if n > 1 else values[0]), senders=0)
    await mpc.output(compute(job, x))
    return time.perf_counter() - start


async def main() -> None:
    jobs = json.loads(sys.argv[1])
    await mpc.start()
    await timed("comparisons", 1, 100)  # warms
    times = [[job, n, d, await timed(job, n, d)] for job, sizes in jobs.items() for n, d in sizes]
    if mpc.pid == 0:
        print(json.dumps(times), flush=True)
    await mpc.shutdown()


mpc.run(main())
