"""The mean of updates of bounded length."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates import Certificate, Norm
from mpcjax.rules._gram import by_count, counted
from mpcjax.rules._settings import require_positive
from mpcjax.rules._vectors import clipped
from mpcjax.rules.base import Public, Rule
from mpcjax.secret import weighted_sum


@dataclasses.dataclass(frozen=True)
class NormBounded(Rule):
    """(1/n) sum_i x_i min(1, limit / |x_i|).

    limit: c, 2 by default; the paper finds that the norms of honest updates suggest one.

    n counts the accepted peers. Weights are not used. Error against float64: at most 2^-(f+1) per coordinate with f
    fractional bits, and the float32 rounding of clip.
    Cost: one opening per coordinate, two inner products per peer. Revealed: the output.
    Reference: Sun, Kairouz, Suresh, McMahan 2019, "Can you really backdoor federated learning?", section 4 (norm thresholding).
    """

    limit: float = 2.0
    name = "norm_bounded"
    paper = "Sun et al. 2019"
    additive = True

    def __post_init__(self) -> None:
        require_positive("limit", self.limit, "the length to which updates are clipped")

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return clipped(update, self.limit)

    def certificate(self, peers: int) -> Certificate:
        return Norm(self.limit, peers)

    def combine(self, messages: Any, public: Public) -> Any:
        return weighted_sum(public.accepted.astype(jnp.float32), messages, bits=0)

    def finish(self, combined: Any, public: Public) -> Any:
        return by_count(combined, counted(public))
