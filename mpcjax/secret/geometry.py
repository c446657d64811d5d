"""Distances between rows."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.protocols import gram
from mpcjax.secret.array import Secret


def squared_distances(x: Any, *, norm: float) -> Any:
    """|x_i - x_j|^2 for all pairs of rows of `x [n, d]`, of Euclidean norm at most `norm`: `[n, n]`.

    n (n + 1) / 2 openings, for the Gram matrix; exact. On plain arrays from the differences, where nothing cancels.
    """
    if not isinstance(x, Secret):
        return jax.lax.map(lambda row: jnp.sum(jnp.square(x - row), axis=1), x)
    limit, scale = math.ceil(norm * 2.0**x.scale) ** 2, 2 * x.scale
    refused_early = Secret(x.rt, x.shares, scale, 4 * limit, "squared distances")
    products, field = gram(x.rt, refused_early.shares), x.rt.field
    squares = jnp.diagonal(products, axis1=1, axis2=2)
    both = field.add(squares[:, :, None], squares[:, None])
    return Secret(x.rt, field.sub(both, field.double(products)), scale, 4 * limit, "squared distances")
