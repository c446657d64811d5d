"""The smoothed Weiszfeld iteration for the geometric median, on the weights of the vectors alone."""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax import circuits
from mpcjax.errors import BoundError
from mpcjax.protocols import dot, repeat, symmetric
from mpcjax.runtime import Runtime
from mpcjax.secret.array import Secret
from mpcjax.secret.fractions import at_scale, proportions
from mpcjax.secret.rows import FACTOR_BITS, PRODUCT_BITS, Rows, SecretRows, pairs_of, public_number, short

LEAST_BITS = 18  # of 1 / distance for the longest distance there can be
ROOM = 57  # bits for 1 / distance times 1 / their sum
LEAST_WEIGHT_BITS = 10


def median_weights(rows: Rows, kept: Any, *, nu: float, steps: int) -> Any:
    """w `[n]` after `steps` steps w_i = beta_i / sum_j beta_j, beta_i = 1 / max(nu, |z - y_i|), z = sum_j w_j y_j.

    z is zero at first; who is not publicly `kept [n]` has no weight. |z - y_i|^2 = G_ii - 2 (G w)_i + w G w. Cost of a
    step: n + 1 inner products, 3 n + 1 truncations and comparisons, n inverse square roots, a reciprocal; the steps are
    one compiled program. Error of a step: squared distances to 2^-35 of the longest vector's square, weights to 2^-17 of
    themselves and 2^-20 (fewer where nu is tiny: what fits the field).
    """
    if isinstance(rows, SecretRows):
        return _secret(rows, kept, nu, steps)
    weights = jnp.zeros((len(rows),), rows.vectors.dtype)
    for _ in range(steps):
        center = weights @ rows.vectors
        distances = jnp.sqrt(jnp.sum(jnp.square(rows.vectors - center), axis=1))
        beta = jnp.where(kept, 1 / jnp.maximum(distances, nu * rows.unit), 0)
        weights = proportions(beta, FACTOR_BITS)
    return weights


def _secret(rows: SecretRows, kept: Any, nu: float, steps: int) -> Secret:
    products = rows.products
    rt, n = products.rt, len(rows)
    known = short(pairs_of(products), PRODUCT_BITS)
    floor = jnp.square(jnp.float32(nu) * rows.unit)
    beta_bits = LEAST_BITS + max(math.ceil(math.log2(2 * rows.norm)), 0)
    bits = min(FACTOR_BITS, ROOM - beta_bits - math.ceil(math.log2(max(n / nu, 1))))
    if bits < LEAST_WEIGHT_BITS:
        raise BoundError(
            f"geometric median with nu={nu:g} of vectors up to {rows.norm:g}: 1 / distance has too wide a range for the "
            f"field of {rt.field.exponent} bits; use a larger nu or a smaller limit"
        )

    def step(inner: Runtime, carry: Any, _: Any) -> Any:
        shares, weights = carry
        gram = Secret(inner, symmetric(shares, n), known.scale, known.bound)
        squares = _squared_distances(gram, Secret(inner, weights, bits, (1 << bits) + 1))
        beta = _inverse_distances(squares, floor, nu, beta_bits)
        beta = beta._like(jnp.where(kept, beta.shares, 0), beta.scale, beta.bound, "mask")
        return shares, proportions(beta, bits).shares

    start = (known.shares, jnp.zeros_like(rt.field.zeros((known.shares.shape[0], n))))
    _, weights = repeat(rt, step, start, np.arange(steps))
    return Secret(rt, weights, bits, (1 << bits) + 1, "weights")


def _squared_distances(gram: Secret, weights: Secret) -> Secret:
    """|sum_j w_j y_j - y_i|^2 for weights of sum 1 (or all zero), up to rounding, at the scale of the Gram matrix."""
    rt, field, n = gram.rt, gram.rt.field, weights.shape[0]
    whole = (1 << weights.scale) + n  # rounded weights may add up to a little more than 1
    across = Secret(rt, dot(rt, gram.shares, weights.shares[:, None]), gram.scale + weights.scale, gram.bound * whole)
    across = at_scale(across, gram.scale)
    length = Secret(
        rt, dot(rt, across.shares, weights.shares)[:, None], gram.scale + weights.scale, across.bound * whole
    )
    length = at_scale(length, gram.scale)
    diagonal = jnp.diagonal(gram.shares, axis1=1, axis2=2)
    shares = field.add(field.sub(diagonal, field.double(across.shares)), length.shares)
    return gram._like(shares, gram.scale, gram.bound + 2 * across.bound + length.bound, "squared distances")


def _inverse_distances(squares: Secret, floor: Any, nu: float, bits: int) -> Secret:
    """1 / sqrt(max(floor, squares)); the public `floor` is at least nu^2, and one beyond all squares is as good as the bound."""
    rt, most = squares.rt, math.floor(squares.bound * (1 - 2.0**-20))
    least = max(min(math.floor(nu**2 * 2.0**squares.scale * (1 - 2.0**-20)), most), 1)
    bound = math.ceil(2.0 ** (bits + squares.scale / 2) / math.sqrt(least) * (1 + 2.0**-20)) + 2
    encoded = public_number(rt.field, jnp.minimum(floor, np.float32(most / 2.0**squares.scale)), squares.scale)
    larger = circuits.maximum(rt, squares.shares, encoded)
    shares = circuits.inverse_sqrt(rt, larger, squares.scale, squares.bound, bits, least=least)
    return Secret(rt, shares, bits, bound, "inverse distances")
