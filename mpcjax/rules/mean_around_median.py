"""Coordinate-wise mean of the values nearest to the median."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.rules._coordinates import OrderRule
from mpcjax.rules._gram import counted
from mpcjax.rules.base import Public


@dataclasses.dataclass(frozen=True)
class MeanAroundMedian(OrderRule):
    """The mean of the n - f values of every coordinate that are nearest to its median; of equally near ones the lowest.

    limit, width: as of `TrimmedMean`. f: how many are left out, by default a fifth of the peers. Weights are not used.

    In ascending order the nearest are a window, which moves up from the lowest n - f values while the value that it takes
    in is nearer than the one it leaves behind: f moves at most, each of two ordered values.

    Error: half a step (1.5e-5 with the defaults), none of the choice. If nobody is accepted the result is zero.
    Cost: 2 f + 3 ranks per coordinate, each as in `TrimmedMean`, which takes two, or for more than 7 (n = 25) to 17 (n = 100)
    a sorting network by bits, of 4 width products for each of some n (log2 n)^2 / 4 comparators; and f comparisons.
    Revealed: the output. Reference: Xie, Koyejo, Gupta 2018, "Generalized Byzantine-tolerant SGD", section 3.
    """

    name = "mean_around_median"
    paper = "Xie et al. 2018"
    coordinatewise = True

    def combine(self, messages: Any, public: Public) -> Any:
        count, window = self._counts(public)
        return self.around(messages, public.accepted, count, window, self.poisoned(messages.shape[0]))

    def around(self, messages: Any, kept: Any, count: Any, window: Any, most: int) -> Any:
        """Sums of the `window` values nearest to the median of the `count` values kept, of which `most` are left out at most."""
        steps = jnp.arange(most, dtype=jnp.int32)
        moves = steps < count - window
        middle = jnp.stack([jnp.maximum(count - 1, 0) // 2, count // 2, window])
        ranks = jnp.concatenate([middle, jnp.where(moves, steps, 0), jnp.where(moves, steps + window, 0)])
        sums, values = self.lowest(messages, ranks, kept)
        total, twice = sums[2], values[0] + values[1]
        if most:
            left, taken = values[3 : 3 + most], values[3 + most :]
            total = total + ((left + taken < twice) * (taken - left) * moves[:, None]).sum(0)
        return self.from_zero(total, window, messages.shape[0])

    def finish(self, combined: Any, public: Public) -> Any:
        return self.mean_of(combined, self._counts(public)[1])

    def _counts(self, public: Public) -> tuple[Any, Any]:
        """How many values count, and of how many of them the mean is taken: public numbers."""
        count = counted(public)
        return count, jnp.maximum(count - self.poisoned(public.accepted.shape[0]), jnp.minimum(count, 1))
