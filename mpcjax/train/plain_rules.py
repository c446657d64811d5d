"""The rules in plain float32 on ``[n, d]``, as baselines of a training run.

Each leaves out the peers whose update is not finite, as the rule under MPC does. Sums over peers are products with a
vector of weights: XLA on CPU reduces many times more slowly over a leading axis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp


def mean(updates: jax.Array) -> jax.Array:
    """``sum_i x_i / n``."""
    rows, accepted = _finite(updates)
    return _combine(accepted, rows) / jnp.maximum(jnp.sum(accepted), 1)


def centered_clipping(updates: jax.Array, *, clip: float, center: jax.Array | None = None) -> jax.Array:
    """``v + (1/n) sum_i (x_i - v) min(1, clip / |x_i - v|)``; v is ``center``, the previous aggregate (Karimireddy 2021)."""
    rows, accepted = _finite(updates)
    center = jnp.zeros(rows.shape[1], rows.dtype) if center is None else center
    offsets = rows - center
    norms = _norms(offsets)
    factors = accepted * jnp.minimum(1, jnp.float32(clip) / jnp.maximum(norms, jnp.float32(1e-30)))
    return center + _combine(factors, offsets) / jnp.maximum(jnp.sum(accepted), 1)


def rsa(updates: jax.Array) -> jax.Array:
    """``sum_i sign(x_i)``, where a zero of peer i counts +1 for even i and -1 for odd i (Li et al. 2019)."""
    rows, accepted = _finite(updates)
    tie = jnp.where(jnp.arange(rows.shape[0]) % 2 == 0, 1, -1).astype(rows.dtype)[:, None]
    return _combine(accepted, jnp.where(rows == 0, tie, jnp.sign(rows)))


def fltrust(updates: jax.Array, *, reference: jax.Array) -> jax.Array:
    """``sum_i TS_i (|g_0| / |x_i|) x_i / sum_i TS_i`` with ``TS_i = relu(cos(x_i, g_0))`` (Cao et al. 2021).

    Zero if nobody is trusted.
    """
    rows, accepted = _finite(updates)
    norms = jnp.maximum(_norms(rows), jnp.float32(1e-30))
    target = jnp.sqrt(jnp.sum(reference * reference))
    dots = jnp.dot(rows, reference, precision=jax.lax.Precision.HIGHEST)
    trust = accepted * jnp.maximum(dots / (norms * jnp.maximum(target, jnp.float32(1e-30))), 0)
    total = jnp.sum(trust)
    value = _combine(trust / norms, rows) * (target / jnp.maximum(total, jnp.float32(1e-30)))
    return jnp.where(total > 0, value, jnp.float32(0))


PLAIN: Mapping[str, Callable[..., jax.Array]] = {
    "mean": mean,
    "centered_clipping": centered_clipping,
    "rsa": rsa,
    "fltrust": fltrust,
}


def _finite(updates: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows = updates.astype(jnp.float32)
    accepted = jnp.all(jnp.isfinite(rows), axis=1)
    return jnp.where(accepted[:, None], rows, jnp.float32(0)), accepted.astype(jnp.float32)


def _norms(rows: jax.Array) -> jax.Array:
    # Scaled by the largest entry: an attacker's 1e30 must not overflow into an infinite norm.
    largest = jnp.maximum(jnp.max(jnp.abs(rows), axis=1), jnp.float32(1e-30))
    scaled = rows / largest[:, None]
    return largest * jnp.sqrt(jnp.sum(scaled * scaled, axis=1))


def _combine(weights: jax.Array, rows: jax.Array) -> jax.Array:
    return jnp.dot(weights.astype(jnp.float32), rows, precision=jax.lax.Precision.HIGHEST)
