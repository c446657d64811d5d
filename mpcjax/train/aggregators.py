"""What turns the peers' stacked updates into one value: plain float32, or MPC.

The loop knows only the interface ``aggregator(updates, round, **public) -> (value, report)``:
  updates: ``[n, d]`` (or a pytree with leaves ``[n, ...]``), the last thing that the peers know before they deal;
  round: the number of the round, from 0;
  public: what the rule takes besides, known to everybody (``center`` for centered clipping, ``reference`` for FLTrust);
  value: ``[d]`` (or the pytree without its leading axis);
  report: None from plain float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

import mpcjax
from mpcjax import errors
from mpcjax.train import plain_rules


class Aggregator(Protocol):
    def __call__(self, updates: Any, round: int, **public: Any) -> tuple[Any, Any]: ...


@dataclass(frozen=True)
class Attempts:
    """The report of a round under MPC, and what happened before it.

    Attributes:
      report: the report of the attempt that succeeded.
      aborts: one line for each attempt that was caught, in order.
    """

    report: Any
    aborts: tuple[str, ...] = ()


def plain(rule: str, **settings: float) -> Aggregator:
    """The rule in plain float32: no privacy, the baseline. Peers whose update is not finite are left out."""
    if rule not in plain_rules.PLAIN:
        raise ValueError(f"unknown rule {rule!r}; choose one of {sorted(plain_rules.PLAIN)}")
    function = plain_rules.PLAIN[rule]

    @jax.jit
    def run(updates, public):
        leaves, structure = jax.tree.flatten(updates)
        peers = leaves[0].shape[0]
        flat = jnp.concatenate([leaf.reshape(peers, -1) for leaf in leaves], axis=1) if len(leaves) > 1 else (
            leaves[0].reshape(peers, -1)
        )
        vectors = {name: _ravel(value) for name, value in public.items()}
        value = function(flat, **settings, **vectors)
        sizes = np.cumsum([leaf.size // peers for leaf in leaves])[:-1]
        pieces = jnp.split(value, sizes)
        return jax.tree.unflatten(
            structure, [piece.reshape(leaf.shape[1:]) for piece, leaf in zip(pieces, leaves, strict=True)]
        )

    def aggregator(updates: Any, round: int, **public: Any) -> tuple[Any, None]:
        return run(updates, public), None

    return aggregator


def secure(
    rule: Any,
    committee: Any | Callable[[int, int], Any],
    *,
    attempts: int = 8,
    options: Mapping[str, Any] | None = None,
) -> Aggregator:
    """The rule under MPC.

    Args:
      rule: a rule of ``mpcjax.rules``, or its name.
      committee: from ``mpcjax.simulate``; or a function of (round, attempt) that draws one, so that a round that ends in
        ``Abort`` is repeated with another committee.
      attempts: how many committees a round may use before its ``Abort`` is passed on; 1 if ``committee`` is a fixed one.
      options: more keyword arguments of ``mpcjax.aggregate``.
    """
    draws = callable(committee)

    def aggregator(updates: Any, round: int, **public: Any) -> tuple[Any, Attempts]:
        aborts: list[str] = []
        for attempt in range(attempts if draws else 1):
            members = committee(round, attempt) if draws else committee
            try:
                result = mpcjax.aggregate(updates, rule, committee=members, **public, **(options or {}))
            except errors.Abort as abort:
                aborts.append(str(abort))
                last = abort
                continue
            return result.value, Attempts(result.report, tuple(aborts))
        raise last

    return aggregator


def _ravel(tree: Any) -> jax.Array:
    return jnp.concatenate([jnp.ravel(leaf) for leaf in jax.tree.leaves(tree)])
