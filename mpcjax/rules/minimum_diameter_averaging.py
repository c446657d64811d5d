"""Minimum-diameter averaging: the mean of those updates that lie closest together."""

from __future__ import annotations

import dataclasses
import itertools
import math
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax import secret
from mpcjax.rules._gram import LimitedGramRule, by_count, counted, require_majority, require_poisoned
from mpcjax.rules.base import Public
from mpcjax.secret import Rows, entries, of_smallest, others_last

MOST = 30_000  # comparisons


@dataclasses.dataclass(frozen=True)
class MinimumDiameterAveraging(LimitedGramRule):
    """The mean of the n - f updates whose largest distance between two is smallest.

    Ties: of several such sets the one whose complement comes first in lexicographic order.

    limit: updates longer than this are clipped to it, as a peer that is honest does by itself; generous, for this is no
        part of the defence. It sets the precision: the larger, the fewer fractional bits fit; the report states them.
    f: how many peers may be poisoned, n > 2 f.

    n counts the accepted peers; while these are no more than f, all of them are averaged. Weights are not used.

    Error against float64: distances of the rounded messages are exact, so the choice differs only between diameters
    that differ by less than the rounding does; the mean then has an error of 2^-(f+1) per coordinate for f fractional bits.
    Cost: one opening per pair of peers and one per coordinate, two inner products per peer; (n choose f) (n - f choose 2)
    comparisons, of which there may be 30,000: n = 10 with f = 3 takes 2,520, n = 12 with f = 4 13,860. Revealed: the output.
    Reference: El Mhamdi, Guerraoui, Rouault 2018, "The hidden vulnerability of distributed learning in Byzantium"; Rousseeuw
    1985, "Multivariate estimation with high breakdown point" (minimum volume); ByzFL calls it MDA.
    """

    f: int = 1
    name = "minimum_diameter_averaging"
    paper = "El Mhamdi et al. 2018"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.f is None:
            raise ValueError("f=None: the number of poisoned peers is a whole number from 0")
        require_poisoned(self.f)

    def require(self, peers: int) -> None:
        require_majority(self.name, self.f, peers)
        comparisons = math.comb(peers, self.f) * max(math.comb(peers - self.f, 2), 1)
        if comparisons > MOST:
            raise ValueError(
                f"rule {self.name!r} with f={self.f} and {peers} peers compares {comparisons:,} distances: legal are up to "
                f"{MOST:,}; lower f, use multi_krum, or put bucketing before it"
            )

    def weights(self, rows: Rows, public: Public) -> Any:
        peers, accepted = len(rows), public.accepted
        left_out, left, right = _subsets(peers, self.f)
        few = counted(public) <= self.f
        legal = jnp.all(~left_out | accepted, axis=1) | few
        kept = accepted & (~left_out | few)
        if peers - self.f < 2:
            return of_smallest(others_last(rows.squared_norms(), legal), kept)
        pairs = entries(rows.squared_distances(), left, right, accepted[left] & accepted[right])
        return of_smallest(others_last(secret.max(pairs, axis=-1), legal), kept)

    def finish(self, combined: Any, public: Public) -> Any:
        n = counted(public)
        return by_count(combined, jnp.where(n <= self.f, n, n - self.f))


@lru_cache(maxsize=64)
def _subsets(peers: int, f: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who is left out of each subset, `[subsets, n]` bool, and its pairs, `left`, `right` `[subsets, pairs]`."""
    out = [set(chosen) for chosen in itertools.combinations(range(peers), f)]
    left_out = np.array([[i in one for i in range(peers)] for one in out], bool).reshape(len(out), peers)
    pairs = [list(itertools.combinations(sorted(set(range(peers)) - one), 2)) for one in out]
    both = np.array(pairs, np.int32).reshape(len(out), -1, 2)
    return left_out, both[..., 0], both[..., 1]
