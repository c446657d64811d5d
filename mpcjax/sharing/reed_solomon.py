"""Decoding one Reed-Solomon word inside a traced program (static shapes, no branches on values).

Berlekamp-Massey (Massey 1969) on the syndromes finds the error locator; its roots among the points are the bad shares.
A word has as many symbols as the committee has parties, so everything here is tiny.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import Field


def error_positions(field: Field, points: np.ndarray, word: Any, degree: int) -> tuple[Any, Any]:
    """Bad positions of `word [m]` against polynomials of `degree`: `(bad [m] bool, ok)`; ok: at most (m-degree-1)//2."""
    m = len(points)
    checks = m - degree - 1
    capacity = checks // 2
    syndromes = _syndromes(field, points, word, checks)
    locator, length = _berlekamp_massey(field, syndromes, capacity)
    # The locator is prod (1 - x_j z) over bad points x_j: evaluate at the inverses of the points.
    bad = _evaluate(field, locator, _inverses(field, points)) == 0
    clean = jnp.all(syndromes == 0)
    bad = bad & ~clean
    explained = _explains(field, points, word, bad, degree)
    ok = (length <= capacity) & (jnp.sum(bad) == length) & explained
    return bad, clean | ok


def first_good(bad: Any, count: int) -> Any:
    """Indices of the first `count` positions that are not `bad [m]`."""
    return jnp.argsort(bad, stable=True)[:count]


def weights_at_zero(field: Field, points: Any) -> Any:
    """Lagrange weights at 0 for distinct non-zero traced `points [k]`."""
    k = points.shape[0]
    own = np.eye(k, dtype=bool)
    one = field.ones(())
    gaps = field.sub(points[None, :], points[:, None])  # [i, j] = x_j - x_i
    top = _product(field, jnp.where(own, one, jnp.broadcast_to(points[None, :], (k, k))))
    bottom = _product(field, jnp.where(own, one, gaps))
    return field.mul(top, field.inv(bottom))


def _syndromes(field: Field, points: np.ndarray, word: Any, checks: int) -> Any:
    # Dual code: sum_j u_j x_j^i w_j = 0 for i < m - degree - 1, with u_j = 1 / prod_{k != j} (x_j - x_k).
    p = field.modulus
    xs = [int(x) for x in points]
    duals = []
    for j, x in enumerate(xs):
        scale = 1
        for k, other in enumerate(xs):
            scale = scale * (x - other) % p if k != j else scale
        duals.append(pow(scale, -1, p))
    matrix = field.from_int([[u * pow(x, i, p) % p for u, x in zip(duals, xs, strict=True)] for i in range(checks)])
    return field.dot(field.asarray(matrix), word[None, :], axis=-1)


def _berlekamp_massey(field: Field, syndromes: Any, capacity: int) -> tuple[Any, Any]:
    """Locator `[capacity + 1]`, up to a non-zero factor (the update is cross-multiplied, no inverse is taken)."""
    width = capacity + 1
    index = jnp.arange(width)
    start = field.zeros((width,)).at[0].set(1)

    def step(n: Any, carry: tuple[Any, ...]) -> tuple[Any, ...]:
        current, previous, last_gap, length, shift = carry
        window = jnp.where(index <= jnp.minimum(length, n), syndromes[jnp.clip(n - index, 0)], field.zeros(()))
        gap = field.dot(current, window, axis=-1)
        moved = jnp.where(index >= shift, jnp.roll(previous, shift), field.zeros(()))
        updated = field.sub(field.mul(last_gap, current), field.mul(gap, moved))
        grow = (gap != 0) & (2 * length <= n)
        return (
            jnp.where(gap != 0, updated, current),
            jnp.where(grow, current, previous),
            jnp.where(grow, gap, last_gap),
            jnp.where(grow, n + 1 - length, length).astype(jnp.int32),
            jnp.where(grow, 1, shift + 1).astype(jnp.int32),
        )

    carry = (start, start, field.ones(()), jnp.int32(0), jnp.int32(1))
    current, _, _, length, _ = jax.lax.fori_loop(np.int32(0), np.int32(syndromes.shape[0]), step, carry)
    return current, length


def _inverses(field: Field, points: np.ndarray) -> Any:
    return field.asarray(field.from_int([pow(int(x), -1, field.modulus) for x in points]))


def _evaluate(field: Field, coefficients: Any, at: Any) -> Any:
    value = field.zeros(at.shape)
    for k in reversed(range(coefficients.shape[0])):
        value = field.add(field.mul(value, at), jnp.broadcast_to(coefficients[k], at.shape))
    return value


def _explains(field: Field, points: np.ndarray, word: Any, bad: Any, degree: int) -> Any:
    """Whether the good symbols lie on one polynomial of `degree`: interpolate through degree + 1 of them, compare."""
    chosen = first_good(bad, degree + 1)
    xs = field.asarray(field.from_int([int(x) for x in points]))
    base, values = xs[chosen], word[chosen]
    k = degree + 1
    own = np.eye(k, dtype=bool)
    one = field.ones(())
    bottom = _product(field, jnp.where(own, one, field.sub(base[:, None], base[None, :])))
    scaled = field.mul(values, field.inv(bottom))
    gaps = field.sub(xs[:, None, None], base[None, None, :])
    gaps = jnp.where(own[None], one, jnp.broadcast_to(gaps, (len(points), k, k)))
    fitted = field.dot(_product(field, gaps), scaled[None, :], axis=-1)
    return jnp.all(bad | (fitted == word))


def _product(field: Field, x: Any) -> Any:
    """Product over the last (short, static) axis."""
    value = x[..., 0]
    for k in range(1, x.shape[-1]):
        value = field.mul(value, x[..., k])
    return value
