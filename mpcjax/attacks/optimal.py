"""The factor of an attack chosen against the rule at hand: optimal ALIE, optimal IPM."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mpcjax.attacks._attack import Attack, Known, honest_mean, honest_moments
from mpcjax.rules import Public, Rule, resolve

# (updates [n, d], honest mask [n]) -> (base [d], direction [d]) of the rows base + factor * direction
Line = Callable[[jax.Array, Any], tuple[jax.Array, jax.Array]]

_GAIN = 1e-4  # a larger factor must harm more by this share: where a rule saturates, rounding does not choose


def opt_alie(rule: Any = "centered_clipping", **search: Any) -> Attack:
    """``mu - z sigma`` with the z that moves the result of ``rule`` farthest from mu; arguments as in ``optimal``."""

    def line(updates, honest):
        mu, sigma = honest_moments(updates, honest)
        return mu, -sigma

    return optimal(line, rule, name="opt_alie", **search)


def opt_ipm(rule: Any = "centered_clipping", **search: Any) -> Attack:
    """``-factor mu`` with the factor that moves the result of ``rule`` farthest from mu; arguments as in ``optimal``.

    The factor is 0 or more; optimal FOE searches the same line, from mu on.
    """

    def line(updates, honest):
        mu = honest_mean(updates, honest)
        return jnp.zeros_like(mu), -mu

    return optimal(line, rule, name="opt_ipm", **search)


def optimal(
    line: Line,
    rule: Any,
    *,
    name: str = "optimal",
    evaluations: int = 20,
    start: float = 0.0,
    step: float = 10.0,
    ratio: float = 0.8,
) -> Attack:
    """``base + factor direction`` from every malicious peer, factor maximising ``|rule(attacked updates) - mu|``.

    The search: from ``start`` go on by ``step``, which doubles, while the distance grows; then steps of ``ratio`` times
    the last one, back from where it is, or on if it stands below the best. A step that would pass zero goes half the
    way there. The best factor met is taken; a gain below one part in 10,000 counts as none.

    Args:
      line: ``(updates [n, d], honest [n]) -> (base [d], direction [d])``.
      rule: an ``mpcjax.Rule`` or its name, of which the plain form runs with the ``center`` and ``reference`` given to
        the attack's call; or any function ``[n, d] -> [d]``. It must run in float32 under jit, vmap and scan.
      evaluations: how often the rule runs; 20, like the other defaults, as in ByzFL.
      start, step, ratio: of the search.

    ByzFL 0.0.11 goes only upward after the doubling, and misses a maximum that lies before the first step; here, as in
    its earlier ``LineMaximize``, the search goes both ways. For a rule whose result is no estimate of mu, such as RSA,
    the distance is what it says and no more.

    Reference: Shejwalkar, Houmansadr 2021, "Manipulating the Byzantine" (attacks that know the rule: the objective);
    Allouah et al. 2023, "Fixing by mixing" (optimal ALIE and FOE); the search is ByzFL's.
    """
    _check(evaluations, start, step, ratio)
    aggregate = rule if _is_function(rule) else resolve(rule)

    def craft(updates, honest, known):
        base, direction = line(updates, honest)
        mu = honest_mean(updates, honest)

        def distance(factor):
            attacked = jnp.where(honest[:, None], updates, base + factor * direction)
            return jnp.linalg.norm(_run(aggregate, attacked, known) - mu)

        return base + _maximise(distance, evaluations, start, step, ratio) * direction

    return Attack(name, craft=craft)


def _is_function(rule: Any) -> bool:
    return callable(rule) and not isinstance(rule, Rule | type)


def _run(aggregate: Any, updates: jax.Array, known: Known) -> jax.Array:
    if not isinstance(aggregate, Rule):
        return aggregate(updates)
    for need in aggregate.needs:
        if getattr(known, need, None) is None:
            raise ValueError(f"rule {aggregate.name!r} needs {need}: give it to the attack's call, {need}=...")
    peers, length = updates.shape
    return aggregate.plain(updates, Public.of(peers, length, None, known.center, known.reference))


class _Search(NamedTuple):
    best: jax.Array
    value: jax.Array
    last: jax.Array
    step: jax.Array
    doubling: jax.Array


def _maximise(
    value: Callable[[jax.Array], jax.Array], evaluations: int, start: float, step: float, ratio: float
) -> jax.Array:
    def body(_, state: _Search) -> _Search:
        back = jnp.where(state.last < state.step, state.last / 2, state.last - state.step)
        near = jnp.where(state.last < state.best, state.last + state.step, back)
        tried = jnp.where(state.doubling, state.best + state.step, near)
        found = value(tried)
        better = found > state.value * (1 + _GAIN)
        doubling = state.doubling & better
        return _Search(
            jnp.where(better, tried, state.best),
            jnp.where(better, found, state.value),
            tried,
            state.step * jnp.where(doubling, jnp.float32(2), jnp.float32(ratio)),
            doubling,
        )

    first = jnp.float32(start)
    begin = _Search(first, value(first), first, jnp.float32(step), jnp.bool_(True))
    return jax.lax.fori_loop(0, evaluations - 1, body, begin).best


def _check(evaluations: int, start: float, step: float, ratio: float) -> None:
    if not isinstance(evaluations, int) or evaluations < 2:
        raise ValueError(f"evaluations={evaluations!r}: legal are whole numbers from 2")
    if not (start >= 0 and math.isfinite(start)):
        raise ValueError(f"start={start}: legal are numbers from 0, the first factor tried")
    if not (step > 0 and math.isfinite(step)):
        raise ValueError(f"step={step}: legal are positive numbers, the first step of the factor")
    if not 0.5 < ratio < 1:
        raise ValueError(f"ratio={ratio}: legal are numbers between 0.5 and 1, by which steps shrink")
