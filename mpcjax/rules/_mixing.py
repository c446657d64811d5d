"""Pre-aggregation: messages are mixed or scaled before another rule weighs them."""

from __future__ import annotations

import abc
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates import Certificate, Norm
from mpcjax.rules._gram import GramRule, LimitedGramRule, by_products
from mpcjax.rules.base import Public, Rule
from mpcjax.secret import Rows


class PreAggregator(GramRule, abc.ABC):
    """A rule made of a linear map of the messages and of another rule, `rule`, of what comes out.

    In Gram space the map is A G A^T, and the weights w of the inner rule become w A: the mixed vectors are never built.
    What peers do alone, and what is checked about their messages, is what the innermost rule says.
    """

    rule: Rule

    def __post_init__(self) -> None:
        require_gram(self.name, self.rule)
        self._take_after_rule()

    def _take_after_rule(self) -> None:
        for attribute in ("reveals", "needs", "shuffles"):
            object.__setattr__(self, attribute, getattr(self.rule, attribute))  # frozen: what follows from its fields
        # a mixture of peers has no weight of its own
        object.__setattr__(self, "takes", tuple(name for name in self.rule.takes if name != "weights"))

    @property
    def by_products(self) -> bool:
        return by_products(self.rule)

    @property
    def innermost(self) -> Rule:
        """The rule that is no pre-aggregation."""
        return self.rule.innermost if isinstance(self.rule, PreAggregator) else self.rule

    @abc.abstractmethod
    def mix(self, rows: Rows, public: Public) -> tuple[Rows, Any]:
        """The mixed vectors, and a function from weights of these to weights of `rows`."""

    def unit(self, public: Public) -> Any:
        """The public number by which mixed vectors are too long."""
        return 1

    def growth(self, peers: int) -> int:
        """By how much inner products grow in the mixtures from here on."""
        return self.rule.growth(self.groups(peers)) if isinstance(self.rule, PreAggregator) else 1

    def mixed_public(self, public: Public) -> Public:
        """What is public about the mixed vectors; by default what is public about `rows`."""
        return public

    def groups(self, peers: int) -> int:
        """How many vectors are made of those of `peers`."""
        return peers

    def weights(self, rows: Rows, public: Public) -> Any:
        assert isinstance(self.rule, GramRule)
        mixed, back = self.mix(rows, public)
        return back(self.rule.weights(mixed, self.mixed_public(public)))

    def require(self, peers: int) -> None:
        if isinstance(self.rule, GramRule):
            self.rule.require(self.groups(peers))

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return self.innermost.local(update, peer, public)

    def message_length(self, length: int) -> int:
        return self.innermost.message_length(length)

    def certificate(self, peers: int) -> Certificate:
        self.require(peers)
        innermost = self.innermost
        # whose own settings are legal for the mixed vectors, not for the peers
        return Norm(innermost.limit, peers) if isinstance(innermost, LimitedGramRule) else innermost.certificate(peers)

    def finish(self, combined: Any, public: Public) -> Any:
        unit = jnp.asarray(self.unit(public), jnp.float32)
        return self.rule.finish(combined / unit, self.mixed_public(public))


def require_gram(name: str, rule: Rule) -> None:
    """`ValueError` unless `rule` works on inner products alone."""
    if not by_products(rule):
        raise ValueError(
            f"rule {name!r} of rule={rule!r}: legal are rules that need no more of the vectors than inner products, such as "
            "multi_krum() or geometric_median(), not their names; before others there are bucketing and nearest-neighbour mixing"
        )


def require_mixes(name: str, rule: Rule) -> None:
    """`ValueError` where messages of `rule` may not be mixed."""
    if not rule.mixes:
        raise ValueError(
            f"rule {name!r} of rule={rule!r}: the messages of {rule.name!r} are no vectors, and means of them mean nothing; "
            "legal are other rules, such as geometric_median() or multi_krum()"
        )
    if rule.of_means().settles:
        raise ValueError(
            f"rule {name!r} of rule={rule!r}: what {rule.name!r} does in `settle` would not be done to a sum of means; legal are "
            "rules without it, or with an `of_means` that gives one"
        )
