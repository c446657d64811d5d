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
    if isinstance(bits, Secret):
        sums, values = circuits.lowest(bits.rt, _planes(bits, width), counts, _chosen(kept))
        return bits._like(sums, 0, bits.shape[0] * _largest(width), "lowest"), _values(bits, values, width)
    ordered = _ordered(bits, width, kept)
    before = jnp.arange(bits.shape[0]) < counts[:, None]
    return jnp.matmul(before.astype(ordered.dtype), ordered[:-1], precision="highest"), ordered[counts]


def of_rank(bits: Any, width: int, ranks: Any, kept: Any) -> Any:
    """The values of `lowest` alone, `[R, d]`: those of these public ranks, 0 for the lowest. Cost: `circuits.of_rank`."""
    if isinstance(bits, Secret):
        return _values(bits, circuits.of_rank(bits.rt, _planes(bits, width), ranks, _chosen(kept)), width)
    return _ordered(bits, width, kept)[ranks]


def _planes(bits: Secret, width: int) -> Any:
    """`[rows, width, d, n]`."""
    rows, n = bits.shares.shape[:2]
    return jnp.moveaxis(bits.shares, 1, -1).reshape(rows, width, -1, n)


def _chosen(kept: Any) -> Any:
    return kept.shares if isinstance(kept, Secret) else jnp.asarray(kept)


def _values(bits: Secret, shares: Any, width: int) -> Secret:
    return bits._like(shares, 0, _largest(width), "value of a rank")


def _largest(width: int) -> int:
    return (1 << width) - 1


def _ordered(bits: Any, width: int, kept: Any) -> Any:
    """Plain numbers in ascending order `[n + 1, d]`, with the largest there is after the last of those kept."""
    numbers = jnp.where(jnp.asarray(kept)[:, None] != 0, spelled(bits, width), _largest(width))
    return jnp.concatenate([jnp.sort(numbers, axis=0), jnp.full_like(numbers[:1], _largest(width))])


def spelled(bits: Any, width: int) -> Any:
    """The numbers `[n, d]` that `bits [n, width * d]` spell, as in `lowest`. Local."""
    weights = [1 << j for j in range(width)]
    if not isinstance(bits, Secret):
        planes = bits.reshape(bits.shape[0], width, -1)
        return jnp.einsum("k,nkd->nd", jnp.asarray(weights, planes.dtype), planes, precision="highest")
    field, planes = bits.rt.field, bits.shares.reshape(*bits.shares.shape[:2], width, -1)
    shares = field.dot(jnp.moveaxis(planes, 2, -1), field.from_int(weights))
    return bits._like(shares, 0, _largest(width), "spelled")
