"""The peers' batches: a pure function of (seed, round), so that a resumed run sees the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.train.data import Dataset


class Batches(NamedTuple):
    """The training set on the device, and who holds what. A pytree: an argument of jitted functions, not a constant.

    Attributes:
      images: uint8 ``[N, height, width, channels]``.
      labels: int32 ``[N]``.
      parts: int32 ``[n, longest]``, the samples of each peer; only the first ``sizes[i]`` of row i count.
      sizes: int32 ``[n]``.
      moments: float32 ``[2]``, mean and standard deviation of the pixels.
      key: the ``jax.random`` key data of the run.
    """

    images: jax.Array
    labels: jax.Array
    parts: jax.Array
    sizes: jax.Array
    moments: jax.Array
    key: jax.Array


def make_batches(data: Dataset, parts: Sequence[np.ndarray], *, seed: int = 0) -> Batches:
    """Puts the data on the device. ``parts``: index arrays, one a peer, none empty."""
    sizes = np.asarray([len(part) for part in parts], np.int32)
    if sizes.min() == 0:
        raise ValueError(f"peer {int(sizes.argmin())} has no samples")
    table = np.zeros((len(parts), sizes.max()), np.int32)
    for row, part in zip(table, parts, strict=True):
        row[: len(part)] = part
    return Batches(
        jnp.asarray(data.train_images),
        jnp.asarray(data.train_labels, jnp.int32),
        jnp.asarray(table),
        jnp.asarray(sizes),
        moments(data),
        jax.random.key_data(jax.random.key(seed)),
    )


def draw(batches: Batches, round: Any, size: int) -> tuple[jax.Array, jax.Array]:
    """One batch per peer, drawn with replacement from its own samples.

    Returns ``(images float32 [n, size, height, width, channels] standardised, labels int32 [n, size])``.
    """
    images, labels = pick(batches, round, size)
    return standardise(images, batches.moments), labels


def pick(batches: Batches, round: Any, size: int) -> tuple[jax.Array, jax.Array]:
    """The batches of ``draw`` with the images as they are stored, uint8: what an attack in the data poisons."""
    key = jax.random.fold_in(jax.random.wrap_key_data(batches.key), round)
    peers = batches.sizes.shape[0]
    place = jax.random.randint(key, (peers, size), 0, batches.sizes[:, None], jnp.int32)
    chosen = jnp.take_along_axis(batches.parts, place, axis=1)
    return batches.images[chosen], batches.labels[chosen]


def moments(data: Dataset) -> jax.Array:
    """float32 ``[2]``: what ``standardise`` takes."""
    return jnp.asarray([data.mean, data.std], jnp.float32)


def standardise(images: jax.Array, moments: jax.Array) -> jax.Array:
    """uint8 pixels as float32 of mean 0 and standard deviation 1.

    It matters for robustness, not only for speed: the smaller the peers' noise beside their mean gradient, the less a
    clipped attacker can bias the aggregate.
    """
    return (images.astype(jnp.float32) - moments[0]) / moments[1]


def root_batch(data: Dataset, size: int = 100, *, seed: int = 0) -> tuple[jax.Array, jax.Array]:
    """The small public batch of FLTrust, drawn without replacement from the training set: every peer holds it."""
    if not 1 <= size <= len(data.train_labels):
        raise ValueError(f"size={size}: must be in 1..{len(data.train_labels)}")
    key = jax.random.fold_in(jax.random.key(seed), 0x726F6F74)
    chosen = np.asarray(jax.random.permutation(key, len(data.train_labels)))[:size]
    images, labels = jnp.asarray(data.train_images[chosen]), jnp.asarray(data.train_labels[chosen], jnp.int32)
    return standardise(images, moments(data)), labels
