"""Public tables of secret numbers from a small range, as polynomials: no masks, no random bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.protocols import dot, multiply
from mpcjax.runtime import Runtime


def lookup(rt: Runtime, x: Any, table: Sequence[int], first: int = 0) -> Any:
    """table[x - first] for `x [rows, ...]` promised to be in [first, first + len(table)); any N <= p entries mod p.

    The polynomial through the table, with its coefficients in rows of B: sum_g (x^B)^g P_g(x) is one inner product, so
    that B = sqrt N powers of x and N / B of x^B are all it takes (Paterson, Stockmeyer 1973).

    Cost for N entries: about 2 sqrt N - 2 openings and 3 + log2 N levels; N = 33: 10, N = 201: 27. Of the order of a tenth
    of `less_than`, where the range is that small. Revealed: nothing. Guarantee: exact; outside the range it is nothing
    in particular.
    """
    field, size = rt.field, len(table)
    if not 1 <= size <= field.modulus:
        raise ValueError(f"a table of {size} entries: legal are 1 to {field.modulus}, the elements of the field")
    coefficients = _interpolated(list(table), first, field.modulus)
    step = math.isqrt(size - 1) + 1
    rows = -(-size // step)
    grid = field.asarray(
        np.array(coefficients + [0] * (rows * step - size), object).reshape(rows, step).astype(np.uint64)
    )
    low = _powers(rt, x, step if rows > 1 else step - 1)
    values = field.add(field.dot(low[..., None, : step - 1], grid[:, 1:]), grid[:, 0]) if step > 1 else grid[:, 0]
    values = jnp.broadcast_to(values, (*x.shape, rows))
    if rows == 1:
        return values[..., 0]
    high = _powers(rt, low[..., step - 1], rows - 1)
    return field.add(values[..., 0], dot(rt, values[..., 1:], high))


def _powers(rt: Runtime, x: Any, most: int) -> Any:
    """x, x^2, ... x^most along a new last axis."""
    found = x[..., None]
    while found.shape[-1] < most:
        have = found.shape[-1]
        more = multiply(rt, found[..., : most - have], found[..., -1:])
        found = jnp.concatenate([found, more], axis=-1)
    return found[..., :most]


def _interpolated(table: list[int], first: int, p: int) -> list[int]:
    """Coefficients mod p, lowest first, of the polynomial with f(first + k) = table[k] (Newton's form, multiplied out)."""
    size = len(table)
    divided = [value % p for value in table]
    for order in range(1, size):
        inverse = pow(order, -1, p) if order % p else 0
        divided[order:] = [(divided[k] - divided[k - 1]) * inverse % p for k in range(order, size)]
    result = [0] * size
    for k in reversed(range(size)):  # result = result * (x - first - k) + divided[k]
        root = (first + k) % p
        result = [((result[j - 1] if j else 0) - root * result[j]) % p for j in range(size)]
        result[0] = (result[0] + divided[k]) % p
    return result
