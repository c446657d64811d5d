"""What turns the peers' stacked updates into one value: plain float32, or MPC.

The loop knows only the interface ``aggregator(updates, round, **public) -> (value, report)``:
  updates: ``[n, d]`` (or a pytree with leaves ``[n, ...]``), what the peers are about to deal;
  round: the number of the round, from 0;
  public: what the rule takes besides, known to everybody: ``center``, ``reference``;
  value: ``[d]`` (or the pytree without its leading axis);
  report: a ``mpcjax.Report``, or None from plain float32.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import jax
import jax.numpy as jnp

import mpcjax
from mpcjax._trees import stack_rows, vector_like
from mpcjax.rules import Public, resolve

LOG = logging.getLogger("mpcjax.peers")


class Aggregator(Protocol):
    def __call__(self, updates: Any, round: int, **public: Any) -> tuple[Any, Any]: ...


def plain(rule: mpcjax.Rule | str, *, seed: int = 0) -> Aggregator:
    """The rule's own plain form in float32: no privacy, nothing verified; the baseline of the same rule under MPC.

    Peers whose update is not finite are left out. Certificates do not run: ``local`` makes every message a legal one.
    A rule that shuffles the peers gets another order in every round, as under MPC; ``seed`` decides which.
    """
    run = _plain_program(resolve(rule), seed)

    def aggregator(updates: Any, round: int, **public: Any) -> tuple[Any, None]:
        return run(updates, jnp.asarray(round, jnp.int32), public), None

    return aggregator


@lru_cache(maxsize=64)  # the same rule again, as under another attack, does not compile again
def _plain_program(rule: mpcjax.Rule, seed: int) -> Callable[..., Any]:
    @jax.jit
    def run(updates: Any, round: Any, public: dict[str, Any]) -> Any:
        matrix, unravel = stack_rows(updates)
        accepted = jnp.all(jnp.isfinite(matrix), axis=1)
        center, reference = (
            vector_like(public[name], updates, name) if name in public else None for name in ("center", "reference")
        )
        known = Public.of(matrix.shape[0], matrix.shape[1], accepted.astype(jnp.float32), center, reference)
        order = None
        if rule.shuffles:
            lot = jax.random.fold_in(jax.random.key(seed), round)
            order = jax.random.permutation(lot, jnp.arange(matrix.shape[0], dtype=jnp.int32))
        known = dataclasses.replace(known, accepted=accepted, order=order)
        value = rule.plain(jnp.where(accepted[:, None], matrix, jnp.float32(0)), known)
        return unravel(value.astype(jnp.float32))

    return run


def secure(rule: mpcjax.Rule | str, committee: Any, *, key: Any = None, **options: Any) -> Aggregator:
    """The rule under MPC: ``mpcjax.aggregate`` round by round.

    Args:
      rule: a rule of ``mpcjax.rules``, or its name.
      committee: from ``mpcjax.simulate``.
      key: 256 bits for all rounds; None takes fresh ones from the operating system in every round, and then a run
        cannot be repeated share by share (its values can: they do not depend on the key, but for excluded peers).
      options: more keyword arguments of ``mpcjax.aggregate``.
    """
    resolved = resolve(rule)

    def aggregator(updates: Any, round: int, **public: Any) -> tuple[Any, mpcjax.Report]:
        result = mpcjax.aggregate(updates, resolved, committee=committee, key=key, round=round, **public, **options)
        return result.value, result.report

    return aggregator


def networked(peer: Any, rule: mpcjax.Rule | str, **options: Any) -> Aggregator:
    """The rule under MPC with peers in other processes: ``updates`` are this peer's own, ``[1, d]``.

    A round without an outcome gives NaN, which ``train`` does not apply.

    Args:
      peer: from ``mpcjax.connect``.
      rule, options: as for ``secure``; the same for all peers.
    """
    resolved = resolve(rule)

    def aggregator(updates: Any, round: int, **public: Any) -> tuple[Any, mpcjax.Report | None]:
        own = jax.tree.map(lambda leaf: leaf[0], updates)
        try:
            result = peer.aggregate(own, resolved, round=round, **public, **options)
        except mpcjax.Abort as abort:  # of all honest peers together
            LOG.warning("round=%d has no outcome: %s", round, abort)
            return jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), own), None
        return result.value, result.report

    return aggregator
