"""Bucketing: a rule of the means of small groups of peers, drawn by lot."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.rules._gram import counted
from mpcjax.rules._mixing import PreAggregator, require_mixes
from mpcjax.rules.base import Public, Rule
from mpcjax.rules.geometric_median import GeometricMedian
from mpcjax.secret import Rows, averages, grouped_back

LARGEST = 10
MEAN_BITS = 12  # of 1 / size, for rules that are given the means themselves


@dataclasses.dataclass(frozen=True)
class Bucketing(PreAggregator):
    """`rule` of the means of groups of `size` peers, drawn by a public random permutation. The last group may be smaller.

    rule: any rule whose messages are vectors (`Rule.mixes`); the geometric median by default. What its peers do alone
        (`local`) is done to the updates, not to the means. Of n peers, f poisoned, it gets ceil(n / size) groups, at most f
        poisoned: choose its settings for these.
    size: 2 in the paper, where ceil(0.5 / (f / n)) is the most that a share f / n of poisoned peers allows. At most 10.
    seed: of the permutation, that of NumPy's default generator, which everybody then knows beforehand. By default None: a
        public coin draws it when all peers have dealt, so that nobody chooses an update for its place; the report has it
        (`order`), and `plain` takes it in `Public`. Where there is none `plain` uses the seed 0.

    Who disturbs a round once the order is known sees it drawn anew, `attempts` times at most (`simulate(attempts=1)` never
    repeats; a robust committee goes on).

    Groups are made of the accepted peers, in the order of the permutation: who is left out leaves no gap. Weights are not used.

    Error against float64: none of its own for a rule that needs inner products only, whose fractional bits are lower by
    log2 of the least common multiple of 1 .. size (1 for size 2); for other rules the means are exact for size 2, otherwise
    1 / size is rounded to 2^-12.
    Cost: nothing in openings: for inner products, sums of these; for others, of the messages. Two rounds for the coin.
    Revealed: what `rule` reveals.
    Reference: Karimireddy, He, Jaggi 2022, "Byzantine-robust learning on heterogeneous datasets via bucketing", algorithm 1.
    """

    rule: Rule = GeometricMedian()  # noqa: RUF009 - frozen
    size: int = 2
    seed: int | None = None
    name = "bucketing"
    paper = "Karimireddy et al. 2022"

    def __post_init__(self) -> None:
        if not isinstance(self.rule, Rule):
            raise ValueError(
                f"bucketing of rule={self.rule!r}: legal are rules, such as multi_krum(); make one of a name by calling it, as "
                "in mpcjax.rules.krum()"
            )
        require_mixes(self.name, self.rule)
        object.__setattr__(self, "rule", self.rule.of_means())
        if isinstance(self.size, bool) or not isinstance(self.size, int) or not 1 <= self.size <= LARGEST:
            raise ValueError(f"size={self.size!r}: the size of a group is a whole number from 1 to {LARGEST}")
        if self.seed is not None and (isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0):
            raise ValueError(f"seed={self.seed!r}: legal are whole numbers from 0, or None for a public coin")
        self._take_after_rule()
        object.__setattr__(self, "shuffles", self.seed is None or self.rule.shuffles)

    def groups(self, peers: int) -> int:
        return -(-peers // self.size)

    def unit(self, public: Public) -> int:
        return math.lcm(*range(1, self.size + 1)) if self.by_products else 1

    def growth(self, peers: int) -> int:
        return math.lcm(*range(1, self.size + 1)) ** 2 * super().growth(peers)

    def mixed_public(self, public: Public) -> Public:
        groups = self.groups(public.accepted.shape[0])
        accepted = jnp.arange(groups) < self.groups_of(counted(public))
        order = None if public.order is None else jnp.argsort(public.order[:groups])
        return dataclasses.replace(public, weights=accepted.astype(jnp.float32), accepted=accepted, order=order)

    def groups_of(self, accepted: Any) -> Any:
        """How many groups so many accepted peers make."""
        return (accepted + self.size - 1) // self.size

    def members(self, public: Public) -> Any:
        """`[groups, n]` bool: who is in which group."""
        peers = public.accepted.shape[0]
        order = self._order(public, peers)
        place = jnp.cumsum(public.accepted[order].astype(jnp.int32)) - 1
        own = jnp.zeros((peers,), jnp.int32).at[order].set(place // self.size)
        return (own == jnp.arange(self.groups(peers), dtype=jnp.int32)[:, None]) & public.accepted

    def _order(self, public: Public, peers: int) -> Any:
        if self.seed is None and public.order is not None:
            return public.order
        return jnp.asarray(np.random.default_rng(self.seed or 0).permutation(peers).astype(np.int32))

    def mix(self, rows: Rows, public: Public) -> tuple[Rows, Any]:
        unit, members = self.unit(public), self.members(public)
        share = np.array([0] + [unit // count for count in range(1, self.size + 1)], np.int32)
        shares = jnp.asarray(share)[members.sum(axis=1)]
        matrix = jnp.where(members, shares[:, None], 0)
        return rows.grouped(matrix, unit), lambda weights: grouped_back(weights, matrix, unit)

    def combine(self, messages: Any, public: Public) -> Any:
        if self.by_products:
            return super().combine(messages, public)
        bits = self.size - 1 if self.size <= 2 else MEAN_BITS
        means = averages(self.members(public), messages, bits=bits, most=self.size)
        return self.rule.combine(means, self.mixed_public(public))
