"""Inner products and products of matrices, of secrets with one another and with public arrays."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.fields import kernels
from mpcjax.protocols import combination, matrix_product, matrix_vector
from mpcjax.protocols import dot as inner_product
from mpcjax.secret.array import Secret, facing, require_numbers
from mpcjax.secret.public import Known, known, plain

LEGAL = "[n] @ [n], [n] @ [n, d], [k, n] @ [n], [k, n] @ [n, d]"


def dot(x: Any, y: Any) -> Any:
    """`x @ y` for [n] @ [n], [n] @ [n, d], [k, n] @ [n] and [k, n] @ [n, d]: exact, the scales add up.

    Two secrets: one opening per element of the result. A public side: local; its numbers are rounded as factors are
    (see `Secret`).
    """
    if not (isinstance(x, Secret) or isinstance(y, Secret)):
        return jnp.matmul(plain(x), plain(y))
    x = x if isinstance(x, Secret) else known(x, "matrix product")
    y = y if isinstance(y, Secret) else known(y, "matrix product")
    if not (1 <= x.ndim <= 2 and 1 <= y.ndim <= 2 and x.shape[-1] == y.shape[0]):
        raise ValueError(f"matrix product of shapes {x.shape} and {y.shape}: legal are {LEGAL}, one n for both")
    require_numbers("a matrix product", "`x @ (1.0 * y) > 0`", x, y)
    if isinstance(x, Secret):
        return _of_secrets(x, y) if isinstance(y, Secret) else _weighed(x, y)
    return _weighted(x, y)


def inner(x: Any, y: Any) -> Any:
    """sum_l x[..., l] y[..., l] of two secrets (broadcast): exact, the scales add up. One opening per element of the result."""
    if not (isinstance(x, Secret) and isinstance(y, Secret)):
        return jnp.sum(plain(x) * plain(y), axis=-1)
    x.rt.spread.refuse("an inner product of messages in combine")
    length = max(x.shape[-1], y.shape[-1], 1)
    found = x._like(x.shares, x.scale + y.scale, x.bound * y.bound * length, "inner product")
    found.shares = inner_product(x.rt, *facing("inner product", x, y))
    return found


def _of_secrets(x: Secret, y: Secret) -> Secret:
    bound, scale = x.bound * y.bound * max(x.shape[-1], 1), x.scale + y.scale
    found = x._like(x.shares, scale, bound, "matrix product")
    if y.ndim == 1:
        y.rt.spread.refuse("an inner product of messages in combine")
        product = inner_product if x.ndim == 1 else matrix_vector
    else:
        product = combination if x.ndim == 1 else matrix_product
    found.shares = product(x.rt, x.shares, y.shares)
    return found


def _weighted(x: Any, y: Any) -> Secret:
    """By public weights on the left."""
    if y.ndim == 1:
        y.rt.spread.refuse("an inner product of messages in combine")
    field, weights = y.rt.field, x.elements(y.rt.field)
    found = y._like(y.shares, y.scale + x.bits, y.bound * max(x.weight(-1), 1), "matrix product")
    if y.ndim == 1:
        found.shares = kernels.inner(field, y.shares if x.ndim == 1 else y.shares[:, None], weights)
    elif x.ndim == 1:
        found.shares = kernels.combine(field, weights, y.shares, axis=1)
    else:
        found.shares = field.matmul(weights, y.shares)
    return found


def _weighed(x: Secret, y: Known) -> Secret:
    """By public weights on the right."""
    x.rt.spread.refuse("a product with a public vector in combine")
    field, weights = x.rt.field, y.elements(x.rt.field)
    found = x._like(x.shares, x.scale + y.bits, x.bound * max(y.weight(0), 1), "matrix product")
    if y.ndim == 1:
        found.shares = kernels.inner(field, x.shares, weights)
    elif x.ndim == 1:
        found.shares = kernels.combine(field, x.shares, weights[None], axis=1)
    else:
        found.shares = field.matmul(x.shares, weights)
    return found
