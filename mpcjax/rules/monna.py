"""MoNNA: the mean of the updates nearest to one of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.rules._gram import LimitedGramRule, by_count, counted, honest, require_majority, require_poisoned
from mpcjax.rules.base import Public
from mpcjax.secret import Rows, mask, nearest


@dataclasses.dataclass(frozen=True)
class Monna(LimitedGramRule):
    """The mean of the n - f updates nearest to that of the `pivot`, itself included; ties by number of the peer.

    In the paper every peer is the pivot of its own aggregate; here all agree on one, and it should be one they trust.

    limit: updates longer than this are clipped to it, as a peer that is honest does by itself; generous, for this is no
        part of the defence. It sets the precision: the larger, the fewer fractional bits fit; the report states them.
    f: how many peers may be poisoned, n > 2 f. By default the most that this allows.
    pivot: number of a peer, also from the end as in a list; the last by default (as in ByzFL). If it is left out, the
        nearest before it that is not, cyclically.

    n counts the accepted peers. Weights are not used. If nobody is accepted the result is zero.

    Error against float64: distances of the rounded messages are exact, so the choice differs only between distances
    that differ by less than the rounding does; the mean then has an error of 2^-(f+1) per coordinate for f fractional bits.
    Cost: 2 n + d openings, besides two inner products per peer; about t^2 / 4 + 1 comparisons per peer (t = log2 n).
    Revealed: the output.
    Reference: Farhadkhani, Guerraoui, Gupta, Hoang, Pinot, Stephan 2023, "Robust collaborative learning with linear gradient
    overhead", section 3.
    """

    f: int | None = None
    pivot: int = -1
    name = "monna"
    paper = "Farhadkhani et al. 2023"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_poisoned(self.f)
        if isinstance(self.pivot, bool) or not isinstance(self.pivot, int):
            raise ValueError(f"pivot={self.pivot!r}: legal is the number of a peer, a whole number")

    def require(self, peers: int) -> None:
        require_majority(self.name, self.f, peers)
        if not -peers <= self.pivot < peers:
            raise ValueError(
                f"rule {self.name!r}: pivot={self.pivot} of {peers} peers; legal are {-peers} to {peers - 1}"
            )

    def weights(self, rows: Rows, public: Public) -> Any:
        peers = len(rows)
        backwards = (self.pivot - jnp.arange(peers)) % peers
        pivot = backwards[jnp.argmax(public.accepted[backwards])]
        distances = rows.squared_distances_from(pivot)
        chosen = nearest(distances, public.accepted, honest(self.f, counted(public)))
        return mask(chosen, public.accepted)

    def finish(self, combined: Any, public: Public) -> Any:
        return by_count(combined, honest(self.f, counted(public)))
