"""All inner products of the rows of a matrix, by products of matrices of narrow limbs.

An element of 61 bits, read as a centred integer, is cut into three signed limbs of 21 bits. Products of limbs add up
exactly in float64 for 8192 terms, so six matrix products of floats (every unordered pair of limbs; the transposes are
the other three) take the place of the products mod p, of some twenty instructions each. On two cores of Zen 3 this is
1.3 times as fast as the best loop over those that was tried. A TPU multiplies bytes: eight limbs, sums in 32 bits.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import numpy as np

from mpcjax.fields.mersenne import Array, Field

BLOCK = 1 << 11  # coordinates multiplied at a time: at most 2^13 in float64, 2^17 in int32


def gram(field: Field, x: Array) -> jax.Array:
    """x [..., n, d] -> [..., n, n]: sum_k x_i,k x_j,k, exact. Memory beyond x and the result: a block of one matrix."""
    return _gram(field, field.asarray(x))


@functools.partial(jax.jit, static_argnums=0)
def _gram(field: Field, x: jax.Array) -> jax.Array:
    flat = x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:])

    def all_by(kind: Any, sums: Any, width: int) -> Any:
        return lambda x: jax.lax.map(functools.partial(_one, field, kind, sums, width), x)

    found = jax.lax.platform_dependent(
        flat, tpu=all_by(np.int8, np.int32, 8), default=all_by(np.float64, np.float64, 21)
    )
    return found.reshape(*x.shape[:-1], x.shape[-2])


def _one(field: Field, kind: Any, sums: Any, width: int, x: jax.Array) -> jax.Array:
    """x [n, d] -> [n, n], block by block."""
    steps, rest = divmod(x.shape[1], BLOCK)

    def block(k: Any, total: Any) -> Any:
        part = jax.lax.dynamic_slice_in_dim(x, k * np.int32(BLOCK), BLOCK, axis=1)
        return field.add(total, _block(field, kind, sums, width, part))

    total = field.zeros((x.shape[0], x.shape[0]))
    if steps:
        total = jax.lax.fori_loop(np.int32(0), np.int32(steps), block, total)
    if rest:
        total = field.add(total, _block(field, kind, sums, width, x[:, steps * BLOCK :]))
    return total


def _block(field: Field, kind: Any, sums: Any, width: int, x: jax.Array) -> jax.Array:
    limbs, total = _limbs(field, width, x), field.zeros((x.shape[0], x.shape[0]))
    limbs = [limb.astype(kind) for limb in limbs]
    for i, left in enumerate(limbs):
        for j, right in enumerate(limbs[i:], i):
            product = jax.lax.dot_general(left, right, (((1,), (1,)), ((), ())), preferred_element_type=sums)
            product = field.from_signed(product.astype(np.int64))
            both = product if i == j else field.add(product, product.T)
            total = field.add(total, field.scale_small(both, 1 << (width * (i + j) % field.exponent)))
    return total


def _limbs(field: Field, width: int, x: jax.Array) -> list[jax.Array]:
    """Signed integers l_k in [-2^(width-1), 2^(width-1)] with x = sum_k 2^(width k) l_k, as int64 or int32."""
    rest, limbs = field.lift(x), []
    t = rest.dtype.type
    for _ in range(-(-field.exponent // width) - 1):
        half, low = t(1 << (width - 1)), t((1 << width) - 1)
        limb = ((rest + half) & low) - half
        limbs.append(limb)
        rest = (rest - limb) >> t(width)
    return [*limbs, rest]
