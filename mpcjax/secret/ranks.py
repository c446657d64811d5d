"""Order statistics per coordinate, of numbers that their owners dealt bit by bit."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax import circuits
from mpcjax.secret.array import Secret


def lowest(bits: Any, width: int, counts: Any, kept: Any) -> tuple[Any, Any]:
    """Of every coordinate: the sum of the counts[r] lowest of the kept peers' numbers, and the next one after these.

    bits: `[n, width * d]`, 0 or 1: first the lowest bits of all d coordinates, then the next ones (`mpcjax.rules` that use
    this have the certificate `Bits`). counts: `[R]` public, at most as many as are kept. kept: `[n]`, public booleans or
    secret bits. Returns sums and values, both `[R, d]`; where nothing is next, 2^width - 1. Cost: `circuits.lowest`.
    """
    n = bits.shape[0]
    planes = jnp.moveaxis(bits.shares, 1, -1) if isinstance(bits, Secret) else jnp.moveaxis(bits, 0, -1)
    planes = planes.reshape(*planes.shape[:-2], width, -1, n)
    largest = (1 << width) - 1
    if isinstance(bits, Secret):
        chosen = kept.shares if isinstance(kept, Secret) else jnp.asarray(kept)
        sums, values = circuits.lowest(bits.rt, planes, counts, chosen)
        return bits._like(sums, 0, n * largest, "lowest"), bits._like(values, 0, largest, "lowest")
    ordered = jnp.sort(jnp.where(kept != 0, spelled(bits, width).T, jnp.inf), axis=-1)
    ordered = jnp.minimum(ordered, largest).T
    before = jnp.arange(n)[None] < counts[:, None]
    following = jnp.concatenate([ordered, jnp.full_like(ordered[:1], largest)])
    return before.astype(ordered.dtype) @ ordered, following[counts]


def spelled(bits: Any, width: int) -> Any:
    """The numbers `[n, d]` that `bits [n, width * d]` spell, as in `lowest`. Local."""
    weights = [1 << j for j in range(width)]
    if not isinstance(bits, Secret):
        planes = bits.reshape(bits.shape[0], width, -1)
        return jnp.einsum("k,nkd->nd", jnp.asarray(weights, planes.dtype), planes, precision="highest")
    field, planes = bits.rt.field, bits.shares.reshape(*bits.shares.shape[:2], width, -1)
    shares = field.dot(jnp.moveaxis(planes, 2, -1), field.from_int(weights))
    return bits._like(shares, 0, (1 << width) - 1, "spelled")
