"""Clipping before another rule: to a fixed length, or to the length of one of the vectors."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates import Certificate, Norm
from mpcjax.rules._gram import GramRule, counted, poisoned, require_majority, require_poisoned
from mpcjax.rules._mixing import PreAggregator
from mpcjax.rules._settings import require_positive
from mpcjax.rules._vectors import clipped
from mpcjax.rules.base import Public
from mpcjax.rules.krum import MultiKrum
from mpcjax.secret import Rows, others_last, ranked, scaled_back, to_limit, to_longest


@dataclasses.dataclass(frozen=True)
class Clipping(PreAggregator):
    """`rule` of x_i min(1, limit / |x_i|).

    rule: one of those that need inner products only (`GramRule`); Multi-Krum by default.
    limit: the length to which vectors are clipped.

    Of updates this is free: the peers clip, and their certificate says that they did, so that this is `rule` with another
    limit. Of vectors that another rule has mixed, as in `bucketing(clipping(...))`, lengths are secret.

    Error against float64: factors of mixed vectors are rounded to 2^-20, which moves them by 2^-19 of the limit at most.
    Cost: none, or for mixed vectors n inverse square roots, 2 n^2 truncations, n comparisons. Revealed: what `rule` reveals.
    Reference: static clipping as in Allouah, Guerraoui, Gupta, Jellouli, Rizk, Stephan 2025, "Adaptive gradient clipping for
    robust federated learning", section 3.
    """

    rule: GramRule = MultiKrum()  # noqa: RUF009 - frozen
    limit: float = 2.0
    name = "clipping"
    paper = "Allouah et al. 2025"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("limit", self.limit, "the length to which vectors are clipped")

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return clipped(super().local(update, peer, public), self.limit)

    def certificate(self, peers: int) -> Certificate:
        before = super().certificate(peers)
        return Norm(min(self.limit, before.limit) if isinstance(before, Norm) else self.limit, peers)

    def combine(self, messages: Any, public: Public) -> Any:
        return self.rule.combine(messages, public)  # the messages are clipped already

    def mix(self, rows: Rows, public: Public) -> tuple[Rows, Any]:
        factors = to_limit(rows.squared_norms(), self.limit * rows.unit)
        return rows.scaled(factors, self.growth(len(rows))), lambda weights: scaled_back(weights, factors)


@dataclasses.dataclass(frozen=True)
class AdaptiveClipping(PreAggregator):
    """`rule` of the updates, the floor(2 f (n - f) / n) longest of which are clipped to the length of the next shorter one.

    rule: one of those that need inner products only (`GramRule`); Multi-Krum by default.
    f: how many peers may be poisoned, n > 2 f. By default the most that this allows. Give `rule` the same.

    n counts the accepted peers. Weights are not used. Ties change nothing.

    Error against float64: lengths are compared exactly; the factors of clipped updates are rounded to 2^-20, which moves
    these by 2^-18 of the longest at most, and inner products are rounded to 2^-37 of the square of the limit, or, where
    vectors are mixed after it, to a few bits less. What `rule` chooses then differs only where its scores are as close as that.
    Cost: one opening per pair of peers (needed by `rule` anyway); a sort of n lengths, n + 1 inverse square roots, 2 n^2
    truncations; nothing per coordinate. Revealed: what `rule` reveals.
    Reference: Allouah, Guerraoui, Gupta, Jellouli, Rizk, Stephan 2025, "Adaptive gradient clipping for robust federated
    learning", algorithm 2 (ARC).
    """

    rule: GramRule = MultiKrum()  # noqa: RUF009 - frozen
    f: int | None = None
    name = "adaptive_clipping"
    paper = "Allouah et al. 2025"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_poisoned(self.f)

    def require(self, peers: int) -> None:
        require_majority(self.name, self.f, peers)
        super().require(peers)

    def mix(self, rows: Rows, public: Public) -> tuple[Rows, Any]:
        n, squares = counted(public), rows.squared_norms()
        f = poisoned(self.f, n)
        shorter = n - 2 * f * (n - f) // jnp.maximum(n, 1)  # how many are not clipped; one at least, as n > 2 f
        longest = ranked(others_last(squares, public.accepted), jnp.clip(shorter - 1, 0, jnp.maximum(n - 1, 0)))
        factors = to_longest(squares, longest)
        return rows.scaled(factors, self.growth(len(rows))), lambda weights: scaled_back(weights, factors)
