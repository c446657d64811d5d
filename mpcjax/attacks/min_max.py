"""Min-max: as far from the honest mean as two honest updates are from each other; and the search min-sum shares."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from mpcjax.attacks._attack import Attack, honest_moments
from mpcjax.attacks._vectors import dot, unit

DEVIATIONS = ("unit", "sign", "std")
_FIRST = 10.0  # gamma starts here, and is below twice as much
_HALVINGS = 20  # 10 / 2^20 is the first step below 1e-5

# (squared distances among the honest, squared distances to the malicious row, honest mask) -> whether it may be sent
Legal = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


def min_max(deviation: str = "unit") -> Attack:
    """``mu - gamma dev``, no farther from any honest update than two honest updates are from each other.

    gamma is the largest found with ``max_i |m - x_i| <= max_ij |x_i - x_j|``, i and j over the honest: from 10 up or
    down by 5, 2.5, ... to a step below 1e-5, so below 20.

    Args:
      deviation: ``"unit"``, mu / |mu|; ``"sign"``, sign(mu); ``"std"``, sigma per coordinate. The default is that of
        the authors' code.

    Reference: Shejwalkar, Houmansadr 2021, "Manipulating the Byzantine", the attacks that know no rule, and algorithm 1.
    """

    def legal(between, distances, honest):
        return jnp.max(jnp.where(honest, distances, -jnp.inf)) <= jnp.max(between)

    return largest("min_max", deviation, legal)


def largest(name: str, deviation: str, legal: Legal) -> Attack:
    """``mu - gamma dev`` with the largest legal gamma: ``min_max`` and ``min_sum`` differ in what is legal."""
    if deviation not in DEVIATIONS:
        raise ValueError(f"deviation={deviation!r}: legal are {', '.join(map(repr, DEVIATIONS))}")

    def craft(updates, honest, known):
        mu, sigma = honest_moments(updates, honest)
        dev = _deviation(deviation, mu, sigma)
        rest = jnp.where(honest[:, None], updates - mu, 0)
        # |x_i - mu + gamma dev|^2 is a parabola in gamma: everything after this works on numbers per peer
        gram, along, length = dot(rest, rest.T), dot(rest, dev), dot(dev, dev)
        squares = jnp.diagonal(gram)
        between = jnp.where(honest[:, None] & honest, squares[:, None] + squares - 2 * gram, 0)
        gamma = _halve(lambda g: legal(between, squares + 2 * g * along + g * g * length, honest))
        return mu - gamma * dev

    return Attack(name, craft=craft)


def _halve(legal: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """The largest legal gamma that was met; 0 if none was."""

    def step(k, state):
        best, gamma = state
        fits = legal(gamma)
        half = jnp.float32(_FIRST) * jnp.exp2(-(k + 1).astype(jnp.float32))
        return jnp.where(fits, gamma, best), gamma + jnp.where(fits, half, -half)

    best, _ = jax.lax.fori_loop(0, _HALVINGS + 1, step, (jnp.float32(0), jnp.float32(_FIRST)))
    return best


def _deviation(name: str, mu: jax.Array, sigma: jax.Array) -> jax.Array:
    if name == "std":
        return sigma
    return jnp.sign(mu) if name == "sign" else unit(mu)
