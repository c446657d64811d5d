"""Plain vector helpers that several rules share."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp


def norm(x: Any) -> Any:
    """Euclidean norm of `x [d]` in float32, summed in two stages and scaled, so that d = 10^6 loses no accuracy."""
    scaled, largest = _scaled(x)
    return largest * _length(scaled)


def clipped(x: Any, limit: float) -> Any:
    """x min(1, limit / |x|)."""
    length = norm(x)
    return x * jnp.where(length > limit, limit / jnp.where(length > 0, length, 1), 1)


def unit(x: Any) -> Any:
    """x / |x|, and zero for zero. Not x times 1 / |x|, which may be less than the least float32."""
    scaled, _ = _scaled(x)
    length = _length(scaled)
    return scaled / jnp.where(length > 0, length, 1)


def _scaled(x: Any) -> tuple[Any, Any]:
    """x by its largest magnitude, and that; by 1 if it is zero."""
    largest = jnp.max(jnp.abs(x))
    safe = jnp.where(largest > 0, largest, 1)
    return x / safe, safe


def _length(scaled: Any) -> Any:
    size = max(1, int(scaled.shape[0] ** 0.5))
    padded = jnp.pad(scaled, (0, -scaled.shape[0] % size))
    return jnp.sqrt(jnp.sum(jnp.sum(jnp.square(padded.reshape(-1, size)), axis=1)))
