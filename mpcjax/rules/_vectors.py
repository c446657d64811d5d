"""Plain vector helpers that several rules share."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp


def norm(x: Any) -> Any:
    """Euclidean norm of `x [d]` in float32, summed in two stages and scaled, so that d = 10^6 loses no accuracy."""
    size = max(1, int(x.shape[0] ** 0.5))
    largest = jnp.max(jnp.abs(x))
    safe = jnp.where(largest > 0, largest, 1)
    padded = jnp.pad(x / safe, (0, -x.shape[0] % size))
    return safe * jnp.sqrt(jnp.sum(jnp.sum(jnp.square(padded.reshape(-1, size)), axis=1)))


def clipped(x: Any, limit: float) -> Any:
    """x min(1, limit / |x|)."""
    length = norm(x)
    return x * jnp.where(length > limit, limit / jnp.where(length > 0, length, 1), 1)


def unit(x: Any) -> Any:
    """x / |x|, and zero for zero."""
    length = norm(x)
    return x / jnp.where(length > 0, length, 1)
