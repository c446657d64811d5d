"""Rules in Gram space: all they need of the messages are inner products, all they make of them are weights."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates import Certificate, Norm
from mpcjax.rules._settings import require_positive
from mpcjax.rules._vectors import clipped
from mpcjax.rules.base import Public, Rule
from mpcjax.secret import Rows, Secret, rows_of


class GramRule(Rule):
    """A rule whose result is `weights @ messages`, with weights that follow from the inner products of the messages."""

    takes = ()

    @abc.abstractmethod
    def weights(self, rows: Rows, public: Public) -> Any:
        """The weights `[n]` of the vectors `rows`, zero for those that are not accepted. Computed on secrets and plainly."""

    def require(self, peers: int) -> None:
        """`ValueError` where the settings are not legal for so many peers (or groups, or mixtures of them)."""

    @property
    def by_products(self) -> bool:
        """Whether it can be told of mixed vectors by their inner products alone, by `weights`."""
        return True

    def rows(self, messages: Any) -> Rows:
        """The messages as they are. What `Norm` promises of a coordinate it promises of a whole message, others do not."""
        if isinstance(messages, Secret) and isinstance(self.certificate(messages.shape[0]), Norm):
            return rows_of(messages, messages.bound / 2.0**messages.scale)
        return rows_of(messages)

    def combine(self, messages: Any, public: Public) -> Any:
        return self.weights(self.rows(messages), public) @ messages

    def plain(self, updates: Any, public: Public | None = None) -> Any:
        self.require(updates.shape[0])
        return super().plain(updates, public)


@dataclasses.dataclass(frozen=True)
class LimitedGramRule(GramRule):
    """One whose messages are the peers' updates.

    limit: updates longer than this are clipped to it, as a peer that is honest does by itself; generous, for this is no
        part of the defence. It sets the precision: the larger, the fewer fractional bits fit; the report states them.
    """

    limit: float = 10.0

    def __post_init__(self) -> None:
        require_positive("limit", self.limit, "the norm to which updates are clipped")

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return clipped(update, self.limit)

    def certificate(self, peers: int) -> Certificate:
        self.require(peers)
        return Norm(self.limit, peers)


def by_products(rule: Rule) -> bool:
    """Whether `rule`, and all that it is made of, needs no more of the vectors than inner products."""
    return isinstance(rule, GramRule) and rule.by_products


def require_poisoned(f: int | None) -> None:
    """`ValueError` unless `f` is a number of poisoned peers."""
    if f is not None and (isinstance(f, bool) or not isinstance(f, int) or f < 0):
        raise ValueError(f"f={f!r}: the number of poisoned peers is a whole number from 0, or None for the default")


def require_majority(name: str, f: int | None, peers: int) -> None:
    """`ValueError` unless more than half of the peers are honest."""
    if f is not None and peers <= 2 * f:
        raise ValueError(
            f"rule {name!r} with f={f} and {peers} peers: legal are more than 2 f = {2 * f} peers; lower f"
        )


def counted(public: Public) -> Any:
    """How many peers are accepted: a public number that may be traced."""
    return jnp.sum(public.accepted.astype(jnp.int32))


def poisoned(f: int | None, n: Any) -> Any:
    """f, or by default the most of n peers that leave a majority."""
    return jnp.maximum((n - 1) // 2, 0) if f is None else f


def honest(f: int | None, n: Any) -> Any:
    """n - f, and at least one while there is one."""
    return jnp.maximum(n - poisoned(f, n), jnp.minimum(n, 1))


def most_honest(f: int | None, peers: int) -> int:
    """The largest that `honest` can be for up to `peers` accepted."""
    return max(peers - f, 1) if f is not None else peers // 2 + 1


def by_count(combined: Any, count: Any) -> Any:
    """A sum divided by the public number of its terms, zero for none."""
    return combined / jnp.maximum(count, 1).astype(jnp.float32)
