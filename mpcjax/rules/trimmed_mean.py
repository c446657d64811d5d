"""Coordinate-wise trimmed mean and median."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax import secret
from mpcjax.rules._coordinates import OrderRule
from mpcjax.rules._gram import counted
from mpcjax.rules.base import Public


@dataclasses.dataclass(frozen=True)
class TrimmedMean(OrderRule):
    """The mean of every coordinate without its f lowest and its f highest values.

    limit: coordinates are clipped to [-limit, limit - one step]. width: bits of a coordinate; the values are multiples of a
    step of 2 limit / 2^width, rounded half to even. f: how many to drop at each end, by default a fifth of the peers; of
    few accepted peers less is dropped, and the middle one or two stay. Weights are not used.

    Error: half a step (1.5e-5 with the defaults), none of the order. If nobody is accepted the result is zero.
    Cost: every peer deals `width` bits per coordinate. Two ranks are found bit by bit, for 2 width (2 n + 3 + 2 sqrt(2 n))
    openings per coordinate or so, and no random bits: it grows with n, a sorting network with n (log n)^2 comparisons.
    Revealed: the output. Reference: Yin, Chen, Ramchandran, Bartlett 2018, "Byzantine-robust distributed learning: towards
    optimal statistical rates", definition 2.
    """

    name = "trimmed_mean"
    paper = "Yin et al. 2018"
    coordinatewise = True

    def combine(self, messages: Any, public: Public) -> Any:
        first, last = self._kept(public)
        sums, _ = self.lowest(messages, jnp.stack([first, last]), public.accepted)
        return self.from_zero(sums[1] - sums[0], last - first, messages.shape[0])

    def finish(self, combined: Any, public: Public) -> Any:
        first, last = self._kept(public)
        return self.mean_of(combined, last - first)

    def _kept(self, public: Public) -> tuple[Any, Any]:
        """The ranks from which to which the values count: public numbers."""
        count = counted(public)
        first = jnp.minimum(self.poisoned(public.accepted.shape[0]), jnp.maximum(count - 1, 0) // 2)
        return first, count - first


@dataclasses.dataclass(frozen=True)
class Median(OrderRule):
    """The median of every coordinate; of an even number of values the mean of the middle two.

    limit, width, error: as of `TrimmedMean`. Weights are not used. If nobody is accepted the result is zero.
    Cost: two ranks as in `TrimmedMean`, without sums. Revealed: the output. Reference: Yin et al. 2018, definition 1.
    """

    f: int | None = dataclasses.field(default=None, init=False)
    name = "median"
    paper = "Yin et al. 2018"
    coordinatewise = True

    def combine(self, messages: Any, public: Public) -> Any:
        count = counted(public)
        middle = jnp.stack([jnp.maximum(count - 1, 0) // 2, count // 2])
        values = secret.of_rank(messages, self.width, middle, public.accepted)
        return self.from_zero(values[0] + values[1], 2, 2) * jnp.any(public.accepted)

    def finish(self, combined: Any, public: Public) -> Any:
        return self.mean_of(combined, 2)
