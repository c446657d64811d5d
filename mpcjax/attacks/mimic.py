"""Mimic: the malicious peers repeat an honest one, so that it counts several times and the others too little."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.attacks._attack import Attack, honest_mean, malicious_mask
from mpcjax.attacks._vectors import dot, unit


def mimic(peer: int = 0, direction: Any = None) -> Attack:
    """``x_k`` from every malicious peer, for one honest peer k: nothing in it looks wrong, and it harms where data differ.

    Args:
      peer: k, counted among the honest peers only, from 0 (ByzFL's default).
      direction: ``[d]``, the columns in the order of the flattened updates; k is then the honest peer of the largest
        product ``x_k . direction``, and ``peer`` is not used. ``mimic_learn`` finds one in a warm-up, a few rounds long.

    Reference: Karimireddy et al. 2022, "Byzantine-robust learning on heterogeneous datasets via bucketing", the
    mimic attack and its choice of k. Their code keeps the k of the last warm-up round; here k follows the direction.
    """
    if not isinstance(peer, int | np.integer) or isinstance(peer, bool) or peer < 0:
        raise ValueError(f"peer={peer!r}: legal are whole numbers from 0, counted among the honest peers")

    def craft(updates, honest, known):
        return updates[_place(peer, honest) if direction is None else _farthest(updates, honest, direction)]

    return Attack("mimic", craft=craft)


class MimicState(NamedTuple):
    """What is learned about the honest peers: ``rounds`` seen, running ``mean [d]``, unit vector ``direction [d]``."""

    rounds: jax.Array
    mean: jax.Array
    direction: jax.Array


def mimic_start(length: int, key: Any) -> MimicState:
    """Before the first round, for updates of ``length`` numbers: a random direction from a ``jax.random`` key."""
    if length < 1:
        raise ValueError(f"length={length}: legal are whole numbers from 1, the scalars of one update")
    start = jax.random.normal(key, (length,), jnp.float32)
    return MimicState(jnp.zeros((), jnp.int32), jnp.zeros(length, jnp.float32), start)


def mimic_learn(state: MimicState, updates: jax.Array, malicious: Any) -> MimicState:
    """One round of the warm-up on ``updates [n, d]``; the honest ones alone count.

    With t rounds before this one, and i over the honest peers: ``mean <- (t mean + mu) / (t + 1)``,
    ``w = sum_i (x_i - mean) ((x_i - mean) . z)``, ``z <- (t z + w / |w|) / (t + 1)``, scaled to length 1: a power
    iteration, one step a round, towards the direction in which the honest peers differ most.
    """
    honest = ~malicious_mask(malicious, updates.shape[0])
    old = (state.rounds / (state.rounds + 1)).astype(jnp.float32)
    mean = old * state.mean + (1 - old) * honest_mean(updates, honest)
    rest = jnp.where(honest[:, None], updates - mean, 0)
    pull = dot(dot(rest, state.direction), rest)
    direction = unit(old * state.direction + (1 - old) * unit(pull))
    return MimicState(state.rounds + 1, mean, direction)


def _place(peer: int, honest: Any) -> Any:
    """The row of honest peer number ``peer``; the last honest one if there are fewer and nobody knows it yet."""
    if not isinstance(honest, np.ndarray):
        return jnp.argmax(jnp.cumsum(honest) >= jnp.minimum(peer + 1, honest.sum()))
    places = np.flatnonzero(honest)
    if peer >= len(places):
        raise ValueError(f"peer={peer}: legal are 0..{len(places) - 1}, one of the {len(places)} honest peers")
    return int(places[peer])


def _farthest(updates: jax.Array, honest: Any, direction: Any) -> Any:
    if jnp.shape(direction) != updates.shape[1:]:
        raise ValueError(
            f"direction has shape {list(jnp.shape(direction))}: it must be [{updates.shape[1]}], one number a column of "
            "the flattened updates"
        )
    products = dot(updates, direction)
    return jnp.argmax(jnp.where(honest & jnp.isfinite(products), products, -jnp.inf))
