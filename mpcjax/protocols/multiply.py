"""Products of secrets.

Shamir, t < m/2: the local product has degree 2t; a double sharing masks it, kings open it, and the mask of degree t is
taken off again (Damgard-Nielsen 2007, section 4). Sums of products of any length cost one opening. A cheating party can
only add an error known to it; every product is therefore *claimed*, and `verify` settles the claims before anything
declared opens (Genkin et al. 2014; Boneh et al. 2019).

Robust mode, t < m/3: Beaver multiplication (Beaver 1991) with verified triples; every opening has degree t, so wrong
shares are corrected and nothing needs to be claimed.

All take and return shares `[rows, ...]` of degree t. Revealed: nothing (openings are uniform).
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.fields import kernels
from mpcjax.fields.gram import gram as inner_products
from mpcjax.protocols.opening import king_open, open_many
from mpcjax.runtime import Combination, Dots, Gram, RowsTimes, Runtime, Scaled, Squares


def multiply(rt: Runtime, x: Any, y: Any) -> Any:
    """Elementwise product of `x`, `y` `[rows, ...]` (broadcast). 3 rounds; online 2, robust 2 (m - 1) elements each.

    Where one of them has a last axis of 1 and the other a longer one, verification has a single term for all of the latter.
    """
    if rt.scheme.robust:
        return beaver(rt, *jnp.broadcast_arrays(x, y))
    for one, other in ((x, y), (y, x)):
        if one.ndim == other.ndim > 1 and one.shape[-1] == 1 != other.shape[-1]:  # the axis of rows is none of these
            return _scaled(rt, one[..., 0], other)
    return damgard_nielsen(rt, *jnp.broadcast_arrays(x, y))


def _scaled(rt: Runtime, s: Any, x: Any) -> Any:
    """s[...] x[..., l] for `s [rows, ...]`, `x [rows, ..., L]` (broadcast). One opening each."""
    shape = jnp.broadcast_shapes(s.shape, x.shape[:-1])
    s, x = jnp.broadcast_to(s, shape), jnp.broadcast_to(x, (*shape, x.shape[-1]))
    z = reduce_degree(rt, rt.field.mul(s[..., None], x), "multiply")
    rows, length = shape[0], x.shape[-1]
    rt.claim(Scaled(s.reshape(rows, -1), x.reshape(rows, -1, length), z.reshape(rows, -1, length)))
    return z


def damgard_nielsen(rt: Runtime, x: Any, y: Any) -> Any:
    """Elementwise product of `x`, `y` `[rows, ...]` by one opening of degree 2t each, claimed."""
    z = reduce_degree(rt, rt.field.mul(x, y), "multiply")
    rows = x.shape[0]
    rt.claim(Dots(x.reshape(rows, -1, 1), y.reshape(rows, -1, 1), z.reshape(rows, -1)))
    return z


def opened_product(rt: Runtime, x: Any, y: Any, label: str) -> Any:
    """Elementwise product of `x`, `y` `[rows, N]` that may be public at once: `[N]`, by one opening of degree 2t each, claimed.

    What the kings see is masked by a sharing of zero. 3 rounds, about 2 elements each. Revealed: the products; a party that
    cheats only adds an error known to it.
    """
    local = rt.field.add(rt.field.mul(x, y), rt.take("zero", x.shape[1:]))
    z = king_open(rt, local, 2 * rt.scheme.threshold, label)
    rt.claim(Dots(x[..., None], y[..., None], jnp.broadcast_to(z, x.shape)))
    return z


def dot(rt: Runtime, x: Any, y: Any) -> Any:
    """Inner products over the last axis of `x`, `y` `[rows, ..., L]` (broadcast): `[rows, ...]`. One opening each."""
    x, y = jnp.broadcast_arrays(x, y)
    if rt.scheme.robust:
        return rt.field.sum(beaver(rt, x, y), axis=-1)
    z = reduce_degree(rt, rt.field.dot(x, y, axis=-1), "dot")
    rows, length = x.shape[0], x.shape[-1]
    rt.claim(Dots(x.reshape(rows, -1, length), y.reshape(rows, -1, length), z.reshape(rows, -1)))
    return z


def weighted_squares(rt: Runtime, x: Any, weights: Any) -> Any:
    """sum_l weights[l] x[j, l]**2 for `x [rows, J, L]`, public `weights [L]`: `[rows, J]`. One opening each."""
    if rt.scheme.robust:
        return rt.field.dot(beaver(rt, x, x), weights, axis=-1)
    z = reduce_degree(rt, kernels.weighted_squares(rt.field, x, weights), "squares")
    rt.claim(Squares(x, weights, z))
    return z


def combination(rt: Runtime, w: Any, x: Any) -> Any:
    """sum_j w[j] x[j, l] for secret `w [rows, J]`, `x [rows, J, L]`: `[rows, L]`. One opening per l."""
    if rt.scheme.robust:
        return rt.field.sum(beaver(rt, jnp.broadcast_to(w[:, :, None], x.shape), x), axis=1)
    local = kernels.materialized(lambda w, x: kernels.combine(rt.field, w, x, axis=1), w, x)
    z = reduce_degree(rt, local, "combination")
    rt.claim(Combination(w, x, z))
    return z


def matrix_vector(rt: Runtime, x: Any, y: Any) -> Any:
    """sum_l x[j, l] y[l] for secret `x [rows, J, L]`, `y [rows, L]`: `[rows, J]`. One opening per j.

    All claims become one inner product of length L in `verify`, where those of `dot` would have a length of J L.
    """
    if rt.scheme.robust:
        return rt.field.sum(beaver(rt, *jnp.broadcast_arrays(x, y[:, None])), axis=2)
    local = kernels.materialized(lambda y, x: rt.field.dot(x, y[:, None], axis=-1), y, x)
    z = reduce_degree(rt, local, "matrix and vector")
    rt.claim(RowsTimes(x, y, z))
    return z


def matrix_product(rt: Runtime, w: Any, x: Any) -> Any:
    """sum_j w[i, j] x[j, l] for secret `w [rows, I, J]`, `x [rows, J, L]`: `[rows, I, L]`. One opening per i, l.

    Opened at once, and claimed as one `Combination` for each i.
    """
    if rt.scheme.robust:
        return rt.field.sum(beaver(rt, *jnp.broadcast_arrays(w[..., None], x[:, None])), axis=2)
    local = kernels.materialized(rt.field.matmul, w, x)
    z = reduce_degree(rt, local, "matrix product")
    for i in range(w.shape[1]):
        rt.claim(Combination(w[:, i], x, z[:, i]))
    return z


def gram(rt: Runtime, x: Any) -> Any:
    """Inner products of all pairs of rows of `x [rows, n, L]`: `[rows, n, n]`, symmetric. n (n + 1) / 2 openings.

    One claim for all of them: `verify` draws two public vectors and makes one inner product of length L of it.
    Robust mode spends L triples a pair, n (n + 1) L / 2 in all: for short rows only.
    """
    n = x.shape[1]
    left, right = upper_triangle(n)
    if rt.scheme.robust:
        return symmetric(dot(rt, x[:, left], x[:, right]), n)
    z = symmetric(reduce_degree(rt, inner_products(rt.field, x)[:, left, right], "gram"), n)
    rt.claim(Gram(x, z))
    return z


def upper_triangle(n: int, k: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`np.triu_indices` of 32 bits: as constants of 64 they would be cut to 32 inside a jit of the user's (jax 0.7)."""
    left, right = np.triu_indices(n, k)
    return left.astype(np.int32), right.astype(np.int32)


def symmetric(pairs: Any, n: int) -> Any:
    """`[rows, n (n + 1) / 2]`, row by row of the upper triangle, to `[rows, n, n]`."""
    place = np.zeros((n, n), np.int32)
    place[upper_triangle(n)] = np.arange(n * (n + 1) // 2)
    return pairs[:, np.maximum(place, place.T)]


def reduce_degree(rt: Runtime, local: Any, label: str) -> Any:
    """Shares `local [rows, ...]` of degree 2t to degree t, by one double sharing per element; the result is unverified."""
    low, high = rt.take("double", local.shape[1:])
    opened = king_open(rt, rt.field.sub(local, high), 2 * rt.scheme.threshold, label)
    return rt.field.add(opened, low)


def beaver(rt: Runtime, x: Any, y: Any) -> Any:
    """Elementwise product from verified triples: open x - a and y - b, then c + (x-a) b + (y-b) a + (x-a)(y-b)."""
    field = rt.field
    a, b, c = rt.take("triple", x.shape[1:])
    masked = jnp.stack([field.sub(x, a), field.sub(y, b)], axis=1)
    opened = open_many(rt, masked, "beaver")
    left, right = opened[0], opened[1]
    linear = field.add(field.mul(left, b), field.mul(right, a))
    return field.add(field.add(c, linear), field.mul(left, right))
