"""Matrices over the field, computed exactly on the host with Python ints, and their application to arrays."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import _sums, kernels
from mpcjax.fields.mersenne import Array, Field


def vandermonde(field: Field, points: Sequence[int], width: int) -> np.ndarray:
    """[len(points), width]: entry (i, j) is points[i]**j."""
    if width < 1:
        raise ValueError(f"width is {width}: legal is 1 or more")
    return field.from_int([[pow(int(x), j, field.modulus) for j in range(width)] for x in points])


def lagrange(field: Field, points: Sequence[int], at: Sequence[int]) -> np.ndarray:
    """[len(at), len(points)]: maps a polynomial's values at ``points`` to those at ``at``, degree < len(points)."""
    p, xs = field.modulus, _distinct(field, points)
    rows = []
    for z in (int(z) % p for z in at):
        row = []
        for j, x in enumerate(xs):
            others = xs[:j] + xs[j + 1 :]
            numerator = math.prod((z - y) % p for y in others) % p
            denominator = math.prod((x - y) % p for y in others) % p
            row.append(numerator * pow(denominator, -1, p) % p)
        rows.append(row)
    return field.from_int(rows).reshape(len(rows), len(xs))


def hyper_invertible(field: Field, rows: int, cols: int) -> np.ndarray:
    """[rows, cols] of which every square submatrix is invertible (Beerliova-Trubiniova, Hirt 2008).

    Maps values of a polynomial of degree < cols at 0..cols-1 to those at the nearest other integers, on both sides
    in turn. Consecutive points make the entries integers, and near ones make them small, so applying it is cheap.
    """
    if rows < 1 or cols < 1 or rows + cols > field.modulus:
        raise ValueError(
            f"hyper_invertible of {rows} x {cols}: legal are 1 or more rows and columns, together at most "
            f"{field.modulus}, the number of points in the field with exponent {field.exponent}"
        )
    at = [cols + i // 2 if i % 2 == 0 else -1 - i // 2 for i in range(rows)]
    return lagrange(field, range(cols), at)


def parity_check(field: Field, points: Sequence[int], degree: int) -> np.ndarray:
    """[len(points) - degree - 1, len(points)]: H with H s = 0 iff s are values of a polynomial of that degree or less.

    Row i is the divided difference over points i..i+degree+1, scaled to coprime integers: for consecutive points,
    binomial coefficients with alternating signs. The rows are independent, and each reads degree + 2 shares.
    """
    xs = [int(x) for x in points]
    _distinct(field, xs)
    if not 0 <= degree < len(xs) - 1:
        raise ValueError(f"degree is {degree}: with {len(xs)} points legal is 0 to {len(xs) - 2}")
    rows = []
    for start in range(len(xs) - degree - 1):
        window = xs[start : start + degree + 2]
        weights = [Fraction(1, math.prod(x - y for y in window if y != x)) for x in window]
        scale = math.lcm(*(w.denominator for w in weights))
        entries = [int(w * scale) for w in weights]
        rows.append([0] * start + entries + [0] * (len(xs) - start - len(entries)))
    return field.from_int(rows)


def inverse(field: Field, matrix: np.ndarray) -> np.ndarray:
    """Inverse of a square matrix; ValueError if there is none."""
    size = len(matrix)
    return solve(field, matrix, np.eye(size, dtype=np.int64))


def solve(field: Field, matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """X with matrix @ X = right, for an invertible [k, k] matrix and right [k, j]; ValueError if it is singular."""
    matrix = np.asarray(matrix)
    size = len(matrix)
    if matrix.shape != (size, size):
        raise ValueError(f"solve got a matrix of shape {matrix.shape}: legal is square")
    work = np.concatenate([np.asarray(matrix, object), np.asarray(right, object).reshape(size, -1)], 1)
    reduced, pivots = echelon(field, work)
    if pivots[:size] != list(range(size)):
        raise ValueError(f"solve got a singular matrix of shape {matrix.shape}: legal is invertible mod p")
    return field.from_int(reduced[:, size:])


def rank(field: Field, matrix: np.ndarray) -> int:
    return len(echelon(field, matrix)[1])


def echelon(field: Field, matrix: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Reduced row echelon form (an object array of Python ints) and the columns of its pivots."""
    p = field.modulus
    work = np.asarray(matrix, object) % p
    pivots: list[int] = []
    for column in range(work.shape[1]):
        row = len(pivots)
        hit = next((i for i in range(row, len(work)) if work[i, column]), None)
        if hit is None:
            continue
        work[[row, hit]] = work[[hit, row]]
        work[row] = work[row] * pow(int(work[row, column]), -1, p) % p
        for i in range(len(work)):
            if i != row and work[i, column]:
                work[i] = (work[i] - work[i, column] * work[row]) % p
        pivots.append(column)
    return work, pivots


Entries = tuple[tuple[int, ...], ...]
SMALL = 1 << 14  # elements up to which code size matters more than speed
TERMS = 1 << 9  # large entries from which it does too: so many take five seconds to compile
LONG = 1 << 8  # elements behind the axis that are worth an operation of their own


def apply_static(field: Field, matrix: np.ndarray, x: Array, axis: int = 0) -> jax.Array:
    """matrix [r, c] (host array) times x along ``axis`` of length c, which becomes r.

    Large x: unrolled with the entries as constants; zeros cost nothing, small entries two plain multiplications, large
    ones six, with one reduction a row. Small x: a matrix product; very many large entries: a loop over the rows, half as
    fast. Both are a fraction of the code to compile.
    """
    matrix, x = np.asarray(matrix), field.asarray(x)
    if matrix.ndim != 2 or not -x.ndim <= axis < x.ndim or matrix.shape[1] != x.shape[axis]:
        raise ValueError(
            f"apply_static of a matrix {matrix.shape} along axis {axis} of {x.shape}: legal is [r, c] with c the "
            f"length of that axis"
        )
    axis, entries = axis % x.ndim, _centred(field, matrix)
    large = sum(sum(map(bool, row)) for row in entries if not _are_small(row))
    if x.size <= SMALL:
        return _product(field, entries, x, axis)
    if large <= TERMS:
        return _apply(field, entries, x, axis)
    return (_looped if math.prod(x.shape[axis + 1 :]) >= LONG else _product)(field, entries, x, axis)


def _centred(field: Field, matrix: np.ndarray) -> Entries:
    """Entries as Python ints in [-p / 2, p / 2]."""
    residues = matrix.astype(object) % field.modulus
    return tuple(map(tuple, np.where(residues > field.modulus // 2, residues - field.modulus, residues)))


def _are_small(rows: Any) -> bool:
    return bool(np.abs(np.atleast_2d(np.asarray(rows, object))).sum(-1).max() < _sums.SMALL)


@functools.partial(jax.jit, static_argnums=(0, 1, 3), inline=True)
def _product(field: Field, entries: Entries, x: jax.Array, axis: int) -> jax.Array:
    matrix, columns = np.asarray(entries, object), jnp.moveaxis(x, axis, -1)[..., None, :]
    if _are_small(matrix):
        product = _sums.small_weights(field.exponent, columns, matrix)
    else:
        product = field.dot(columns, field.from_int(matrix))
    return jnp.moveaxis(product, -1, axis)


@functools.partial(jax.jit, static_argnums=(0, 1, 3), inline=True)
def _apply(field: Field, entries: Entries, x: jax.Array, axis: int) -> jax.Array:
    columns = [jax.lax.index_in_dim(x, j, axis, keepdims=False) for j in range(x.shape[axis])]
    return jnp.stack([_row(field, row, columns) for row in entries], axis)


def _row(field: Field, row: tuple[int, ...], columns: list[jax.Array]) -> jax.Array:
    used = [(column, k) for column, k in zip(columns, row, strict=True) if k]
    if not used:
        return jnp.zeros_like(columns[0])
    if len(used) == 1:
        return field.scale_small(*used[0])
    if _are_small(row):
        return _sums.small_weights_unrolled(field.exponent, columns, row)
    where, weights = zip(*used, strict=True)
    return _by_digits(field, where, _digits(field, weights))


@functools.partial(jax.jit, static_argnums=(0, 1, 3), inline=True)
def _looped(field: Field, entries: Entries, x: jax.Array, axis: int) -> jax.Array:
    """Row by row of the matrix and of all axes before ``axis``, so that what is read again is in cache."""
    before, columns, rows = x.shape[:axis], x.shape[axis], len(entries)
    flat = x.reshape(math.prod(before), columns, -1)
    digits = jnp.asarray(np.stack([_digits(field, row) for row in entries]))

    def one_row(step: Any, out: jax.Array) -> jax.Array:
        i, row = (place.astype(np.int32) for place in jnp.divmod(kernels.unhoisted(step), rows))
        these = jax.lax.dynamic_index_in_dim(flat, i, keepdims=False)
        found = _by_digits(field, list(these), jax.lax.dynamic_index_in_dim(digits, row, keepdims=False))
        return jax.lax.dynamic_update_slice(out, found[None, None], (i, row, np.int32(0)))

    out = field.zeros((len(flat), rows, flat.shape[2]))
    found = jax.lax.fori_loop(np.int32(0), np.int32(len(flat) * rows), one_row, out)
    return found.reshape(*before, rows, *x.shape[axis + 1 :])


def _digits(field: Field, row: Sequence[int]) -> np.ndarray:
    """[places, len(row)] uint32: residues of integers in digits, from the lowest up, that add up to less than 2**32."""
    bits = _digit_bits(len(row))
    starts = range(0, field.exponent, bits)
    return np.array([[(k % field.modulus) >> start & (1 << bits) - 1 for k in row] for start in starts], np.uint32)


def _digit_bits(terms: int) -> int:
    return 32 - terms.bit_length()


def _by_digits(field: Field, columns: Sequence[jax.Array], digits: Any) -> jax.Array:
    """Each place of all weights is a sum of plain products, reduced once."""
    bits = _digit_bits(len(columns))
    sums = [_sums.digit_weights_unrolled(field.exponent, columns, place) for place in digits]
    return functools.reduce(field.add, [field.scale_small(each, 1 << bits * i) for i, each in enumerate(sums)])


def _distinct(field: Field, points: Sequence[int]) -> list[int]:
    xs = [int(x) % field.modulus for x in points]
    if not xs or len(set(xs)) != len(xs):
        raise ValueError(f"points are {list(points)}: legal are one or more points distinct mod {field.modulus}")
    return xs
