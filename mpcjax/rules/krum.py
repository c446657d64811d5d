"""Krum and Multi-Krum: updates that are close to most others count, the rest does not."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.rules._gram import LimitedGramRule, require_poisoned
from mpcjax.rules.base import Public
from mpcjax.secret import Rows, off_diagonal, others_last, smallest, sum_of_smallest

NEIGHBOURS = {"paper": 2, "byzfl": 1}  # n - f less this


@dataclasses.dataclass(frozen=True)
class MultiKrum(LimitedGramRule):
    """The mean of the `select` updates with the lowest scores, ties by number of the peer.

    A peer's score is the sum of the squared distances to its n - f - 2 nearest others.

    limit: updates longer than this are clipped to it, as a peer that is honest does by itself; generous, for this is no
        part of the defence. It sets the precision: the larger, the fewer fractional bits fit; the report states them.
    f: how many peers may be poisoned, n > 2 f + 2. By default the most that this allows.
    select: how many are averaged; n - f by default (as in ByzFL; the paper leaves it open).
    neighbours: "paper" (and Flower), or "byzfl": the nearest n - f - 1.

    n counts the accepted peers: who is left out is nobody's neighbour and is not chosen. If these are too few for f, a
    score counts one neighbour at least, and one peer at least is chosen. Weights are not used.

    Error against float64: messages are rounded to f fractional bits, distances, scores and ranks of those are exact.
    So the choice differs only between scores that differ by less than the rounding does, n 2^(2-f) limit sqrt(d) at
    most; the mean then has an error of 2^-(f+1) per coordinate. The plain form computes in float32.
    Cost: one opening per pair of peers and one per coordinate, two inner products per peer; about n t^2 / 4 comparisons
    per peer to sort its distances (t = log2 n), n / 2 for its rank. A robust committee (threshold < parties / 3) spends a
    triple per pair and coordinate: for small models only. Revealed: the output.
    Reference: Blanchard, El Mhamdi, Guerraoui, Stainer 2017, "Machine learning with adversaries", sections 4 and 5.
    """

    f: int | None = None
    select: int | None = None
    neighbours: str = "paper"
    name = "multi_krum"
    paper = "Blanchard et al. 2017"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_poisoned(self.f)
        if self.select is not None and (
            isinstance(self.select, bool) or not isinstance(self.select, int) or self.select < 1
        ):
            raise ValueError(
                f"select={self.select!r}: how many are averaged is a whole number from 1, or None for n - f"
            )
        if self.neighbours not in NEIGHBOURS:
            raise ValueError(f"neighbours={self.neighbours!r}: legal are {', '.join(map(repr, NEIGHBOURS))}")

    def weights(self, rows: Rows, public: Public) -> Any:
        return best(rows, public.accepted, *self._counts(public.accepted))

    def finish(self, combined: Any, public: Public) -> Any:
        _, chosen = self._counts(public.accepted)
        return combined / jnp.maximum(chosen, 1).astype(jnp.float32)

    def require(self, peers: int) -> None:
        f = 0 if self.f is None else self.f
        if peers <= 2 * f + 2:
            raise ValueError(
                f"rule {self.name!r} with f={f} and {peers} peers: legal are more than 2 f + 2 = {2 * f + 2} peers"
            )
        if self.select is not None and self.select > peers:
            raise ValueError(f"rule {self.name!r}: select={self.select} of {peers} peers")

    def _counts(self, accepted: Any) -> tuple[Any, Any]:
        """How many neighbours count and how many peers are chosen: public numbers."""
        n = jnp.sum(accepted.astype(jnp.int32))
        f = jnp.maximum((n - 3) // 2, 0) if self.f is None else self.f
        neighbours = jnp.maximum(n - f - NEIGHBOURS[self.neighbours], jnp.minimum(n - 1, 1))
        wanted = n - f if self.select is None else self.select
        return neighbours, jnp.clip(wanted, jnp.minimum(n, 1), n)


@dataclasses.dataclass(frozen=True)
class Krum(MultiKrum):
    """The update with the lowest score: `MultiKrum` with `select` = 1."""

    select: int | None = dataclasses.field(default=1, init=False)
    name = "krum"


def best(rows: Rows, accepted: Any, neighbours: Any, chosen: Any) -> Any:
    """1 for the `chosen` of the accepted vectors with the least squared distance to their nearest `neighbours`, else 0."""
    distances = off_diagonal(rows.squared_distances())
    near = others_last(distances, off_diagonal(jnp.broadcast_to(accepted, (len(rows), len(rows)))))
    return smallest(others_last(sum_of_smallest(near, neighbours), accepted), chosen)
