"""ByzFL: the same rules in plaintext, NumPy in float32. What robust aggregation costs where everybody sees everything."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from benchmarks.baselines import common

ENGINE = common.Engine(
    name="ByzFL",
    module="byzfl",
    install="pip install byzfl (brings PyTorch), or make bench-peers",
    security="none: plaintext, one server sees all updates",
    field="float32",
    transport="none: plaintext in one process",
)


def run(quick: bool) -> Iterator[common.Row]:
    import numpy as np

    byzfl: Any = importlib.import_module("byzfl")
    rules: dict[str, Any] = {
        "mean": byzfl.Average,
        "centered clipping": lambda: byzfl.CenteredClipping(L=1, tau=10.0),
    }
    for n, d in common.MEANS:
        updates = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
        for job, make in rules.items():
            taken = common.seconds(lambda: make()(updates), 5 if quick else 15)  # noqa: B023 - called at once
            yield ENGINE.row(job, taken, n=n, d=d, m=0)


if __name__ == "__main__":
    common.main(ENGINE, run)
