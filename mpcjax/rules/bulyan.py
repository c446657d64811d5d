"""Bulyan: of the updates that Krum selects, the mean around the median of every coordinate."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax.numpy as jnp

from mpcjax.rules._gram import counted
from mpcjax.rules.base import Public
from mpcjax.rules.krum import best
from mpcjax.rules.mean_around_median import MeanAroundMedian
from mpcjax.secret import rows_of, spelled


@dataclasses.dataclass(frozen=True)
class Bulyan(MeanAroundMedian):
    """Of the n - 2 f updates with Krum's lowest scores, the mean of the n - 4 f values of every coordinate that are nearest
    to their median; of equally near ones the lowest.

    limit, width: as of `TrimmedMean`. f: how many peers may be poisoned, n >= 4 f + 3; by default the most that this allows.
    Weights are not used. n counts the accepted peers; if these are too few for f, one update at least is selected.

    The paper applies Krum again and again to those that are left; here its scores are computed once and the lowest selected,
    as Multi-Krum does: the selection stays secret, and is not opened for the second part either.

    Error: half a step (1.5e-5 with the defaults), none of the choices among updates on the grid of values.
    Cost: that of `MultiKrum`, which reads the numbers off the bits, and 4 f + 3 ranks per coordinate, as in
    `MeanAroundMedian`, with 2 f comparisons. Revealed: the output.
    Reference: El Mhamdi, Guerraoui, Rouault 2018, "The hidden vulnerability of distributed learning in Byzantium", section 4.
    """

    name = "bulyan"
    paper = "El Mhamdi et al. 2018"
    coordinatewise = False  # Krum selects by all coordinates

    def poisoned(self, peers: int) -> int:
        return max((peers - 3) // 4, 0) if self.f is None else self.f

    def require(self, peers: int) -> None:
        if self.f is not None and peers < 4 * self.f + 3:
            raise ValueError(
                f"rule {self.name!r} with f={self.f} and {peers} peers: legal are at least 4 f + 3 = {4 * self.f + 3} peers"
            )

    def combine(self, messages: Any, public: Public) -> Any:
        peers = messages.shape[0]
        selected, window = self._counts(public)
        neighbours = jnp.maximum(counted(public) - self.poisoned(peers) - 2, jnp.minimum(counted(public) - 1, 1))
        values = spelled(messages, self.width) - self.half
        rows = rows_of(values, norm=self.half * math.sqrt(values.shape[1]))
        kept = best(rows, public.accepted, neighbours, selected)
        return self.around(messages, kept, selected, window, 2 * self.poisoned(peers))

    def _counts(self, public: Public) -> tuple[Any, Any]:
        count, f = counted(public), self.poisoned(public.accepted.shape[0])
        one = jnp.minimum(count, 1)
        return jnp.maximum(count - 2 * f, one), jnp.maximum(count - 4 * f, one)
