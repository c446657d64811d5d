"""The plain weighted mean: the baseline, not a defence."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates import Certificate, Norm
from mpcjax.rules._settings import require_positive
from mpcjax.rules.base import Public, Rule
from mpcjax.secret import weighted_sum

WEIGHT_BITS = 12


@dataclasses.dataclass(frozen=True)
class Mean(Rule):
    """sum_i w_i x_i / sum_i w_i (McMahan et al. 2017), with public weights read at 12 fractional bits of the largest.

    limit: a generous norm bound every update must meet (a longer one is left out, not clipped). It sets the precision:
        the larger, the fewer fractional bits fit; the report states them. Coordinates below 2^-f are rounded away: lower it,
        or scale the updates up, where they are that small.

    Error against float64: at most 2^-(f+1) per coordinate with f fractional bits, and 2^-24 relative.
    Cost: one opening per coordinate, two inner products per peer. Revealed: the output.
    Reference: McMahan, Moore, Ramage, Hampson, Aguera y Arcas 2017, "Communication-efficient learning".
    """

    limit: float = 100.0
    name = "mean"
    paper = "McMahan et al. 2017"
    takes = ("weights",)
    additive = True

    def __post_init__(self) -> None:
        require_positive("limit", self.limit, "the norm that no update exceeds")

    def certificate(self, peers: int) -> Certificate:
        return Norm(self.limit, peers)

    def combine(self, messages: Any, public: Public) -> Any:
        return weighted_sum(public.weights, messages, bits=WEIGHT_BITS)

    def finish(self, combined: Any, public: Public) -> Any:
        total = jnp.sum(public.weights)
        return combined / jnp.where(total > 0, total, 1)
