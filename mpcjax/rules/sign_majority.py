"""Majority vote of the signs."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates import Certificate, Signs
from mpcjax.rules.base import Public, Rule
from mpcjax.secret import signs_of_votes, weighted_sum


@dataclasses.dataclass(frozen=True)
class SignMajority(Rule):
    """sign(sum_i sign(x_i)), per coordinate +1, -1, or 0 where as many vote for one as for the other.

    hide: whether the votes stay secret. Without it they are opened, which costs nothing.

    A peer must vote: sign(0) is +1 at peers with an even number and -1 at odd ones. Weights are not used.
    Error: none. If nobody is accepted the result is zero.
    Cost: one opening per coordinate, one inner product per peer. With `hide` two comparisons of small numbers per coordinate
    more, each of some 4 products and 46 random bits for 25 peers. Revealed: the output, and the number of votes per coordinate
    without `hide`.
    Reference: Bernstein, Zhao, Azizzadenesheli, Anandkumar 2019, "signSGD with majority vote is communication efficient and
    fault tolerant", algorithm 1.
    """

    hide: bool = False
    name = "sign_majority"
    paper = "Bernstein et al. 2019"
    additive = True
    reveals = ("output", "votes per coordinate")

    def __post_init__(self) -> None:
        if not isinstance(self.hide, bool):
            raise ValueError(f"hide={self.hide!r}: legal are True, for secret votes, and False")
        if self.hide:
            # what these follow from is a field of a frozen dataclass
            object.__setattr__(self, "additive", False)
            object.__setattr__(self, "reveals", ("output",))

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        tie = jnp.where(peer % 2 == 0, 1.0, -1.0).astype(jnp.float32)
        return jnp.where(update > 0, jnp.float32(1), jnp.where(update < 0, jnp.float32(-1), tie))

    def certificate(self, peers: int) -> Certificate:
        return Signs()

    def combine(self, messages: Any, public: Public) -> Any:
        votes = weighted_sum(public.accepted.astype(jnp.float32), messages, bits=0)
        return signs_of_votes(votes) if self.hide else votes

    def finish(self, combined: Any, public: Public) -> Any:
        return jnp.sign(combined)
