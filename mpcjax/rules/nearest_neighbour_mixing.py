"""Nearest-neighbour mixing: every update is replaced by the mean of those nearest to it, then a rule combines these."""

from __future__ import annotations

import dataclasses
from typing import Any

from mpcjax.rules._gram import counted, honest, most_honest, require_majority, require_poisoned
from mpcjax.rules._mixing import PreAggregator, require_mixes
from mpcjax.rules.base import Public, Rule
from mpcjax.rules.krum import MultiKrum
from mpcjax.secret import Rows, mask, mixed_back, mixtures, nearest


@dataclasses.dataclass(frozen=True)
class NearestNeighbourMixing(PreAggregator):
    """`rule` of y_1 .. y_n, where y_i is the mean of the n - f updates nearest to x_i, itself included; ties by number.

    rule: one of those that need inner products only (`GramRule`), Multi-Krum by default; or any whose `combine` and `finish` of
        messages c times as long are c times as long, as sums and coordinate-wise rules are.
    f: how many peers may be poisoned, n > 2 f. By default the most that this allows. Give `rule` the same.

    n counts the accepted peers: who is left out is nobody's neighbour, and has no mixture. Weights are not used.

    Error against float64: who is near to whom follows from exact distances of the messages, rounded to as many fractional
    bits as the report states; sums of the chosen are exact, so `rule` adds its own error only.
    Cost: one opening per pair of peers (needed by `rule` anyway), 3 n^2 / 2 inner products of length n, about t^2 / 4 + 1
    comparisons per pair of peers (t = log2 n), n openings; nothing per coordinate. For a `rule` that needs more than inner
    products n openings per coordinate: it gets the mixtures themselves. Revealed: what `rule` reveals.
    Reference: Allouah, Farhadkhani, Guerraoui, Gupta, Pinot, Stephan 2023, "Fixing by mixing: a recipe for optimal
    Byzantine ML under heterogeneity", algorithm 2.
    """

    rule: Rule = MultiKrum()  # noqa: RUF009 - frozen
    f: int | None = None
    name = "nearest_neighbour_mixing"
    paper = "Allouah et al. 2023"

    def __post_init__(self) -> None:
        if not isinstance(self.rule, Rule):
            raise ValueError(
                f"mixing for rule={self.rule!r}: legal are rules, such as multi_krum(); make one of a name by calling it, as in "
                "mpcjax.rules.krum()"
            )
        require_mixes(self.name, self.rule)
        object.__setattr__(self, "rule", self.rule.of_means())
        self._take_after_rule()
        require_poisoned(self.f)

    def require(self, peers: int) -> None:
        require_majority(self.name, self.f, peers)
        super().require(peers)

    def unit(self, public: Public) -> Any:
        return honest(self.f, counted(public)).clip(1)

    def growth(self, peers: int) -> int:
        return most_honest(self.f, peers) ** 2 * super().growth(peers)

    def _near(self, rows: Rows, public: Public) -> Any:
        """Row i: 1 for those whose mean is y_i, `[n, n]`."""
        count = honest(self.f, counted(public))
        return mask(nearest(rows.squared_distances(), public.accepted, count), public.accepted)

    def mix(self, rows: Rows, public: Public) -> tuple[Rows, Any]:
        near = self._near(rows, public)
        mixed = rows.mixed(near, self.unit(public), most_honest(self.f, len(rows)))
        return mixed, lambda weights: mixed_back(weights, near)

    def combine(self, messages: Any, public: Public) -> Any:
        if self.by_products:
            return super().combine(messages, public)
        near = self._near(self.rows(messages), public)
        mixed = mixtures(near, messages, most_honest(self.f, messages.shape[0]))
        return self.rule.combine(mixed, self.mixed_public(public))
