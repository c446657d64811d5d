"""Centered clipping: updates are measured from an agreed point and clipped there."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates import Certificate, Norm
from mpcjax.rules._settings import require_positive
from mpcjax.rules._vectors import clipped
from mpcjax.rules.base import Public, Rule
from mpcjax.secret import mask


@dataclasses.dataclass(frozen=True)
class CenteredClipping(Rule):
    """v + (1/n) sum_i (x_i - v) min(1, clip / |x_i - v|) with v = center, for instance the previous result.

    clip: tau. The paper's code has 100 with momentum m <- beta m + g (a factor 1 / (1 - beta) longer than an
        exponential average: rescale when porting), the bucketing code 10. One iteration (L = 1).

    n counts the accepted peers. Error against float64: at most 2^-(f+1) per coordinate with f fractional bits, and the
    float32 rounding of clip and center. Weights are not used.
    Cost: one opening per coordinate, two inner products per peer. Revealed: the output.
    Reference: Karimireddy, He, Jaggi 2021, "Learning from history for Byzantine robust optimization", equation (CC).
    """

    clip: float = 10.0
    name = "centered_clipping"
    paper = "Karimireddy et al. 2021"
    takes = ("center",)
    additive = True

    def __post_init__(self) -> None:
        require_positive("clip", self.clip, "the radius to which updates are clipped")

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return clipped(update - public.center, self.clip)

    def certificate(self, peers: int) -> Certificate:
        return Norm(self.clip, peers)

    def combine(self, messages: Any, public: Public) -> Any:
        return mask(messages, public.accepted).sum(axis=0)

    def finish(self, combined: Any, public: Public) -> Any:
        count = jnp.sum(public.accepted)
        return public.center + combined / jnp.where(count > 0, count, 1).astype(jnp.float32)
