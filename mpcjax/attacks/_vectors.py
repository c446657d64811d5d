"""Vector helpers that several attacks share."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def unit(x: jax.Array) -> jax.Array:
    """``x / |x|``, and zero for zero."""
    length = jnp.linalg.norm(x)
    return x / jnp.where(length > 0, length, 1)


def dot(left: jax.Array, right: jax.Array) -> jax.Array:
    """A product of vectors or matrices in full float32, on accelerators too."""
    return jnp.dot(left, right, precision=jax.lax.Precision.HIGHEST)
