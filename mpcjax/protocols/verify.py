"""Settling the claims of a phase: all products and all bulk openings, in one batch.

Every claimed inner product is multiplied by a public random coefficient (`weights`) and the sum is folded: with X and Y cut
into c pieces, X(v) = sum X_k v^k and Y(v) = sum Y_k v^(c-1-k), the coefficient of v^(c-1) in X(v).Y(v) is the claimed
X.Y; the other 2c - 2 are computed and shared, a public v is drawn, and X(v), Y(v) of 1/c the length go on. The last
product is masked by random sharings and opened. A Gram matrix Z = X X^T joins the batch as one inner product: for public
random u, w it is (u X).(w X) = u Z w; the products z of the rows of X with one y join as (u X).y = u.z, and those of one
s with many x as s (w.x) = w.z. (Boneh, Boyle, Corrigan-Gibbs, Gilboa, Ishai 2019; Goyal, Song 2020, "Malicious security
comes free in honest-majority MPC"; the folding in the form of Bootle et al. 2016.)

Guarantee (t < m/2 active): if one claim is wrong, `verify` passes with probability at most 2**-SECURITY_BITS; the error
of one try is at most 1 - prod (1 - d_i / p) over its challenges of degree d_i, and tries are repeated in small fields.
Revealed: nothing (the opened product is masked). Cost: O(log N) rounds and elements, two or three passes over the data.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.errors import OrderError
from mpcjax.fields import kernels
from mpcjax.protocols.coin import challenge, coin
from mpcjax.protocols.folding import by_power, in_pieces, pieces, product_table
from mpcjax.protocols.multiply import reduce_degree
from mpcjax.protocols.opening import open_now
from mpcjax.protocols.weights import challenges, missed, weights_of
from mpcjax.runtime import MERGED, Claim, Combination, Dots, Gram, Projected, RowsTimes, Runtime, Scaled


def verify(rt: Runtime) -> None:
    """Check all pending claims of `rt`; afterwards none is pending. A wrong claim ends in a failed check."""
    rt.verifications += 1
    if rt.products:
        products, rt.products = rt.products, []
        _verify_products(rt, products)
    if rt.zeros:
        _verify_zeros(rt)


def _verify_zeros(rt: Runtime) -> None:
    """The sharings claimed to hide zero do, and have degree t: open random combinations of them."""
    zeros = jnp.concatenate(rt.zeros, axis=1)
    rt.zeros = []
    weights = weights_of(coin(rt), "zeros", rt.field, rt.repetitions(missed(rt.field)), zeros.shape[1])
    combined = kernels.inner(rt.field, zeros[:, None], weights[None])
    rt.check("king", open_now(rt, combined, "zeros") == 0)


def _verify_products(rt: Runtime, products: list[Any]) -> None:
    claims = _merged(products)
    repeats = tries(rt, claims)
    x, y, z = _batched(rt, claims, repeats)
    while x.shape[-1] > 1:
        x, y, z = _fold(rt, x, y, z)
    _open_last(rt, x[..., 0], y[..., 0], z)


def tries(rt: Runtime, claims: list[Any]) -> int:
    """How many tries `verify` makes of these claims together. Of a `Projected` only `w` is read."""
    projected = any(isinstance(claim, Projected) for claim in claims)
    return rt.repetitions(_error(rt, sum(_length(claim) for claim in claims), projected))


def _merged(claims: list[Any]) -> list[Any]:
    """Inner products, or multiples, of the same length as one claim: a circuit makes dozens of them, a few sizes in all."""
    alike: dict[Any, list[Any]] = {}
    for claim in claims:
        if isinstance(claim, MERGED):
            alike.setdefault((type(claim), claim.x.shape[-1]), []).append(claim)
    merged = [jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *same) for same in alike.values()]
    return merged + [claim for claim in claims if not isinstance(claim, MERGED)]


def _error(rt: Runtime, length: int, projected: bool = False) -> float:
    """Soundness error of one try: 2 challenges of degree 1 (batching), one of degree 2c - 2 a level, 3 / p for the mask.

    The coefficient of a claim is one challenge of degree 1 or the product of two (`weights`), the vectors u and w of a
    Gram matrix are two others: a matrix E of errors that is not zero leaves u E = 0 with probability at most 1 / p, and
    then u E w = r for any r, such as what the errors of other claims add, with probability 1 / p. So of the coefficients
    and of several Gram matrices the two of one that is wrong count, whatever else is. (Entries of one tensor commute, and
    u E w could be zero for an E that is not: u and w are independent of all others.) The direction of a `Projected`, drawn
    before its coefficient, is one or two more.
    A quadratic that is not zero at 0 has at most two other roots, and the mask's challenge is 1 with probability 2 / p.
    """
    p = rt.field.modulus
    batching = 2 * challenges(rt.field) if projected else 2
    log_pass = batching * math.log1p(-1 / p) + math.log1p(-3 / p)
    while length > 1:
        count = pieces(rt.field, length)
        length, log_pass = -(-length // count), log_pass + math.log1p(-(2 * count - 2) / p)
    return -math.expm1(log_pass)


def _length(claim: Claim) -> int:
    if isinstance(claim, (Gram, RowsTimes)):
        return claim.x.shape[2]
    if isinstance(claim, Scaled):
        return claim.s.shape[1]
    if isinstance(claim, (Combination, Projected)):
        return claim.w.shape[1]
    return claim.x.shape[1] * claim.x.shape[2]


def _batched(rt: Runtime, claims: list[Any], repeats: int) -> tuple[Any, Any, Any]:
    """All claims as one inner product per repetition: `[rows, R, N]`, `[rows, R, N]`, `[rows, R]`.

    The public coefficients are drawn when all z are fixed: one for every z, but n for u and n for w of a Gram matrix.
    """
    claims = sorted(claims, key=lambda claim: not isinstance(claim, Gram))  # what takes independent ones first
    counts = [_coefficients(claim) for claim in claims]
    apart = sum(count for claim, count in zip(claims, counts, strict=True) if isinstance(claim, Gram))
    weights = weights_of(coin(rt), "claims", rt.field, repeats, sum(counts) - apart, apart)
    ends = itertools.accumulate(counts)
    parts = [_weighted(rt, c, weights[:, end - n : end]) for c, n, end in zip(claims, counts, ends, strict=True)]
    x = jnp.concatenate([part[0] for part in parts], axis=-1)
    y = jnp.concatenate([part[1] for part in parts], axis=-1)
    z = rt.field.sum(jnp.stack([part[2] for part in parts]), axis=0)
    return x, y, z


def _coefficients(claim: Claim) -> int:
    if isinstance(claim, Projected):
        return 1  # a try has one z of it
    if isinstance(claim, Scaled):
        return claim.z.shape[1] * claim.z.shape[2]
    return claim.z.shape[1] * (2 if isinstance(claim, Gram) else 1)


def _weighted(rt: Runtime, claim: Any, weights: Any) -> tuple[Any, Any, Any]:
    """One claim with the public coefficients `weights [R, J]` of its J parts."""
    field, rows, repeats = rt.field, claim.z.shape[0], weights.shape[0]
    if isinstance(claim, Gram):
        return _projected(rt, claim, *jnp.split(weights, 2, axis=1))
    if isinstance(claim, Combination):
        x = kernels.inner(field, claim.x[:, None], weights[None, :, None])
        y = jnp.broadcast_to(claim.w[:, None], x.shape)
        return x, y, kernels.inner(field, claim.z[:, None], weights[None])
    if isinstance(claim, Scaled):
        each = weights.reshape(1, repeats, *claim.x.shape[1:])
        x = kernels.materialized(lambda x, w: field.dot(w, x[:, None], axis=-1), claim.x, each)
        z = field.dot(weights[None], claim.z.reshape(rows, 1, -1), axis=-1)
        return jnp.broadcast_to(claim.s[:, None], x.shape), x, z
    if isinstance(claim, RowsTimes):
        x = kernels.materialized(lambda x, u: kernels.combine(field, u[None], x[:, None], axis=2), claim.x, weights)
        return x, jnp.broadcast_to(claim.y[:, None], x.shape), kernels.inner(field, claim.z[:, None], weights[None])
    if isinstance(claim, Projected):
        if claim.y.shape[1] != repeats:
            raise OrderError(f"{claim.y.shape[1]} directions were drawn for {repeats} tries: claims were added since")
        return field.mul(claim.w[:, None], weights[None]), claim.y, field.mul(claim.z, weights[None, :, 0])
    left = claim.x if isinstance(claim, Dots) else field.mul(claim.x, claim.weights)
    right = claim.y if isinstance(claim, Dots) else claim.x
    x = kernels.product_once(field, weights[None, :, :, None], left[:, None])
    y = jnp.broadcast_to(right[:, None], x.shape)
    z = field.dot(weights[None], claim.z[:, None], axis=-1)
    return x.reshape(rows, repeats, -1), y.reshape(rows, repeats, -1), z


def _projected(rt: Runtime, claim: Gram, u: Any, w: Any) -> tuple[Any, Any, Any]:
    """Z = X X^T, for public `u`, `w` `[R, n]`, as u X, w X and u Z w: `[rows, R, L]` twice and `[rows, R]`."""
    field = rt.field

    def both(x: Any, u: Any, w: Any) -> Any:
        return jnp.stack([kernels.combine(field, c[None], x[:, None], axis=2) for c in (u, w)])

    sides = kernels.materialized(both, claim.x, u, w)
    rows_of_z = kernels.combine(field, u[None], claim.z[:, None], axis=2)
    return sides[0], sides[1], field.dot(rows_of_z, w[None], axis=-1)


def _fold(rt: Runtime, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
    """One level: length N to ceil(N / pieces). Cost: 5 rounds, 2 pieces - 2 products and one challenge."""
    field, count = rt.field, pieces(rt.field, x.shape[-1])
    xs, ys = in_pieces(x, count), in_pieces(y, count)
    products = by_power(field, product_table(field, xs, ys)[..., ::-1])
    others = jnp.concatenate([products[..., : count - 1], products[..., count:]], axis=-1)
    terms = reduce_degree(rt, others, "fold")
    powers = kernels.powers(rt.field, challenge(rt, x.shape[1]), 2 * count - 1)
    coefficients = jnp.concatenate([terms[..., : count - 1], z[..., None], terms[..., count - 1 :]], axis=-1)
    x = kernels.combined_once(field, powers[:, :count], xs, axis=2)
    y = kernels.combined_once(field, powers[:, :count][:, ::-1], ys, axis=2)
    return x, y, field.dot(coefficients, powers, axis=-1)


def _open_last(rt: Runtime, x: Any, y: Any, z: Any) -> None:
    """The claim z = x y for `[rows, R]`: open x + v a, y + v b, z + v (x b + a y) + v^2 a b with random a, b and v != 0."""
    field, count = rt.field, x.shape[1]
    a, b = rt.take("random", (count,)), rt.take("random", (count,))
    cross = field.add(field.mul(x, b), field.mul(a, y))
    terms = reduce_degree(rt, jnp.stack([cross, field.mul(a, b)], axis=1), "last product")
    v = challenge(rt, count)
    v = jnp.where(v == 0, field.ones(v.shape), v)  # at 0 nothing would be masked
    opened = open_now(
        rt,
        jnp.stack(
            [
                field.add(x, field.mul(v, a)),
                field.add(y, field.mul(v, b)),
                field.dot(jnp.stack([z, terms[:, 0], terms[:, 1]], axis=-1), kernels.powers(rt.field, v, 3), axis=-1),
            ],
            axis=1,
        ),
        "last product",
    )
    rt.check("product", field.mul(opened[0], opened[1]) == opened[2])
