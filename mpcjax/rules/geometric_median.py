"""The geometric median: the point with the smallest sum of distances to the updates."""

from __future__ import annotations

import dataclasses
from typing import Any

from mpcjax.rules._gram import LimitedGramRule
from mpcjax.rules._settings import require_positive
from mpcjax.rules.base import Public
from mpcjax.secret import Rows, median_weights


@dataclasses.dataclass(frozen=True)
class GeometricMedian(LimitedGramRule):
    """z after `steps` steps of the smoothed Weiszfeld iteration, from z = 0:

    z <- sum_i beta_i x_i / sum_i beta_i with beta_i = 1 / max(nu, |z - x_i|).

    limit: updates longer than this are clipped to it, as a peer that is honest does by itself; generous, for this is no
        part of the defence. It sets the precision: the larger, the fewer fractional bits fit; the report states them.
    nu: distances below this count as this; 0.1 in the paper's experiments. Steps: 3 there (ByzFL has nu = 0.1, and starts from
        the mean, until z moves less than 1e-6).

    Who is left out has no weight; weights given to `aggregate` are not used. If nobody is accepted the result is zero.

    Error against float64: the iteration runs on the n weights, of b = 20 fractional bits, or fewer where limit / nu is large
    (b = 38 - log2(2 limit) - log2(n / nu) where that is less; at least 10, or the rule is refused), with squared distances to
    2^-35 limit^2 and inverse distances to 2^-17 of themselves: |z - z*| is at most about n 2^(1-b) limit a step, typically
    10^-5 of the updates' lengths, besides 2^-(f+1) per coordinate for f fractional bits. Measured by the tests: below 2^-18 of
    the longest update for 9 of them, besides the rounding of messages.
    Cost: one opening per pair of peers and one per coordinate, two inner products per peer; in every step n inverse square
    roots, 3 n + 1 truncations, n comparisons, a reciprocal. Revealed: the output.
    Reference: Pillutla, Kakade, Harchaoui 2022, "Robust aggregation for federated learning", algorithm 2 (RFA).
    """

    nu: float = 0.1
    steps: int = 3
    name = "geometric_median"
    paper = "Pillutla et al. 2022"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("nu", self.nu, "the distance below which the median is smoothed")
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ValueError(f"steps={self.steps!r}: the number of Weiszfeld steps is a whole number from 1")

    def weights(self, rows: Rows, public: Public) -> Any:
        return median_weights(rows, public.accepted, nu=self.nu, steps=self.steps)
