"""mpcjax on the same jobs: actively secure, offline and verification included; rules by `mpcjax.aggregate`.

No sockets: all parties are computed in one process. The messages are counted, not sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.baselines import common

ENGINE = common.Engine(
    name="mpcjax",
    module="mpcjax",
    install="pip install -e .",
    security="active, honest majority, with abort (2^-40)",
    field="2^61-1",
    transport=common.NO_SOCKETS,
)
CIRCUITS = (  # job, n, d, m
    ("multiplications", 1, 1_000_000, 3),
    ("comparisons", 1, 100_000, 3),
    ("squared norms", 100, 100_000, 3),
    ("multiplications", 1, 10_000, 3),
    ("comparisons", 1, 1_000, 3),
    ("multiplications", 1, 1_000_000, 5),
    ("multiplications", 1, 1_000_000, 11),
)
LONG = (("multiplications", 1, 100_000, 3), ("comparisons", 1, 10_000, 3), ("squared norms", 100, 10_000, 3))
LONG += (("comparisons", 1, 100_000, 5), ("comparisons", 1, 100_000, 11))
COMMITTEES = (5, 11)  # for the rules, beside 3


def run(quick: bool) -> Iterator[common.Row]:
    largest = (100, 100_000)
    yield from _rule("mean", *largest, 3)
    for job, n, d, m in CIRCUITS:
        yield from _circuit(job, n, d, m, 3 if quick else 9)
    yield from _rule("centered_clipping", *largest, 3)
    for n, d in common.MEANS:
        if (n, d) != largest:
            yield from _rule("mean", n, d, 3)
    for m in COMMITTEES:
        yield from _rule("mean", *largest, m)
    if not quick:
        for job, n, d, m in LONG:
            yield from _circuit(job, n, d, m, 9)


def _circuit(job: str, n: int, d: int, m: int, repeats: int) -> list[common.Row]:
    """One row: the median of offline and online together, both in the row too."""
    from benchmarks import bench_circuits as circuits

    program = {"multiplications": circuits.product, "comparisons": circuits.sign, "squared norms": circuits.norms}[job]
    inputs, shape = (2 if job == "multiplications" else 1), ((n, d) if n > 1 else ())
    chosen = circuits.Job(job, job, program, inputs, d if n == 1 else n, shape)
    times = sorted(circuits.measured(chosen, circuits.scheme_of(m), repeats)[1:], key=sum)
    offline, online = times[len(times) // 2]
    more: dict[str, Any] = dict(threshold=(m - 1) // 2, offline=offline, online=online)
    return [ENGINE.row(job, offline + online, n=n, d=d, m=m, **more)]


def _rule(rule: str, n: int, d: int, m: int) -> list[common.Row]:
    """Rows of a whole round, and of the same rule in plain float32."""
    from benchmarks import bench_round

    found = {row["name"]: row["value"] for row in bench_round.measure(rule, n, d, m, repeats=3)}
    job, online = rule.replace("_", " "), found["round/all"] - found["round/offline"]
    more: dict[str, Any] = dict(threshold=(m - 1) // 2, offline=found["round/offline"], online=online)
    rows = [ENGINE.row(job, found["round/all"], n=n, d=d, m=m, **more)]
    if m == 3:
        plain = {"security": "none: plaintext", "field": "float32", "transport": "none: plaintext in one process"}
        rows.append(ENGINE.row(f"{job}, plaintext", found["round/plain float32"], n=n, d=d, m=0, **plain))
    return rows


if __name__ == "__main__":
    common.main(ENGINE, run)
