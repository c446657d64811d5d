"""RSA: only the sign of each coordinate counts."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates import Certificate, Signs
from mpcjax.rules._settings import require_positive
from mpcjax.rules.base import Public, Rule
from mpcjax.secret import mask


@dataclasses.dataclass(frozen=True)
class RSA(Rule):
    """lam * sum_i sign(x_i - center): the pull of the peers' models on the shared one, to be added to it times a step.

    With x_i the peer's own model th_i and center the shared th_0 this is the l1-penalty term of RSA's master step
    th_0 += a (lam sum_i sign(th_i - th_0) - mu th_0).

    lam: the penalty; the paper's code has 0.07 for iid and 0.5 for heterogeneous data.

    Ties: sign(0) is +1 at peers with an even number and -1 at odd ones, so a column of zeros sums to 0 or 1 if all are
    accepted.
    Error: none, sums of signs are exact. Weights are not used. Cost: one opening per coordinate, one inner product per
    peer. Revealed: the output, that is, the number of votes per coordinate.
    Reference: Li, Xu, Chen, Giannakis, Ling 2019, "RSA: Byzantine-robust stochastic aggregation", algorithm 2.
    """

    lam: float = 0.07
    name = "rsa"
    paper = "Li et al. 2019"
    takes = ("center",)
    additive = True
    reveals = ("output", "votes per coordinate")

    def __post_init__(self) -> None:
        require_positive("lam", self.lam, "the penalty")

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        tie = jnp.where(peer % 2 == 0, 1.0, -1.0).astype(jnp.float32)
        difference = update - public.center
        return jnp.where(difference > 0, jnp.float32(1), jnp.where(difference < 0, jnp.float32(-1), tie))

    def certificate(self, peers: int) -> Certificate:
        return Signs()

    def combine(self, messages: Any, public: Public) -> Any:
        return mask(messages, public.accepted).sum(axis=0)

    def finish(self, combined: Any, public: Public) -> Any:
        return jnp.float32(self.lam) * combined
