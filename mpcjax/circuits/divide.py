"""1/x and 1/sqrt(x) of secret fixed-point scalars.

Conventions: the share is an integer X, 0 <= X <= `bound`, that stands for x = X / 2^`scale`; the result is an integer Y
that stands for Y / 2^`out_bits`. x = 0 gives 0. Both `bound` and the scales are static.

X is cut into bits. The leading one, found by a prefix product, is a one-hot vector h over positions j; everything that
depends on where it is is then one inner product with h, because a shift by a *known* j is linear in the bits: nu, which
is X shifted to [1/2, 1) and cut to any number of bits, the bits that select the interval of the start table, and in the
end the result, which is the bits of y = 1/nu shifted back. In between are the steps planned in `circuits.newton`.

Guarantee: |Y - Y*| <= relative_error * Y* + 1 for the exact Y*. Revealed: nothing; all openings are those of
`decompose`, `truncate` and `multiply`. Source: Catrina, Saxena 2010 (division: normalise, linear start, iterate), with
Newton's step for the root; inner products of bits replace the multiplication by a secret power of two and its
truncation.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.circuits.bits import prefix_products
from mpcjax.circuits.decompose import decompose
from mpcjax.circuits.newton import Plan, plan
from mpcjax.circuits.truncate import truncate, truncate_nearest
from mpcjax.errors import BoundError
from mpcjax.fields import Field
from mpcjax.protocols import dot, multiply
from mpcjax.runtime import Runtime


def relative_error(field: Field, *, root: bool) -> float:
    """Bound on the relative error before the last rounding: 2^-28 for 1/x, 2^-25 for 1/sqrt(x) for e = 61."""
    return plan(field.exponent, root).error


def reciprocal(rt: Runtime, x: Any, scale: int, bound: int, out_bits: int, *, least: int = 1) -> Any:
    """Y ~ 2^(scale + out_bits) / X for shares X `[rows, ...]`, and 0 for X = 0; X is 0 or at least `least`.

    Refused unless 2^(scale + out_bits) / least is below p/2. Guarantee: |Y - Y*| <= 2^-28 Y* + 1 (`relative_error`).
    Cost for e = 61 and a `bound` of 60 bits: 3 openings, 35 levels (111 rounds), 781 products, 183 bits.
    """
    how = plan(rt.field.exponent, False)
    _require(rt.field, "reciprocal", bound, least, 2 ** (scale + out_bits) // least + 1)
    bits, leading = _leading(rt, x, bound)
    lengths = [j + 1 for j in range(bound.bit_length())]
    nu, selectors = _normalised(rt, how, bits, leading, lengths)
    y, field = _first(rt, how, nu[0], selectors), rt.field
    coarse, fine = nu[1], nu[2]
    # y (2 - nu y), rounded to `middle` bits; the same once more, not rounded
    y = multiply(rt, y, field.sub(_power(field, how.coarse + how.start + 1), multiply(rt, coarse, y)))
    excess = how.coarse + 2 * how.start - how.middle
    y = truncate_nearest(rt, y, excess, field.modulus // 2 - (1 << excess >> 1))
    y = multiply(rt, y, field.sub(_power(field, how.fine + how.middle + 1), multiply(rt, fine, y)))
    return _shifted_back(rt, how, y, leading, [length - scale - out_bits for length in lengths])


def inverse_sqrt(rt: Runtime, x: Any, scale: int, bound: int, out_bits: int, *, least: int = 1) -> Any:
    """Y ~ 2^(out_bits + scale / 2) / sqrt(X) for shares X `[rows, ...]`, and 0 for X = 0; X is 0 or at least `least`.

    Refused unless the result for `least` is below p/2. Guarantee: |Y - Y*| <= 2^-25 Y* + 1 (`relative_error`).
    Cost for e = 61 and a `bound` of 60 bits: 4 openings, 42 levels (134 rounds), 845 products, 244 bits.
    """
    how = plan(rt.field.exponent, True)
    _require(rt.field, "inverse_sqrt", bound, least, int(2.0 ** (out_bits + scale / 2 + 1e-9) / least**0.5) + 1)
    bits, leading = _leading(rt, x, bound)
    lengths = [j + 1 + (j + 1 - scale) % 2 for j in range(bound.bit_length())]  # 2^-scale nu^-1 2^length is a square
    nu, selectors = _normalised(rt, how, bits, leading, lengths)
    y, field = _first(rt, how, nu[0], selectors), rt.field
    # y (3 - nu y^2) / 2, rounded to `middle` bits
    y = _corrected(rt, y, nu[1], how.start, how.coarse, 3)
    excess = how.coarse + 3 * how.start + 1 - how.middle
    y = truncate_nearest(rt, y, excess, field.modulus // 2 - (1 << excess >> 1))
    # y + y (1 - nu y^2) / 2, where only the small second term is rounded
    correction = _corrected(rt, y, nu[2], how.middle, how.fine, 1)
    scaled = how.fine + 3 * how.middle
    correction = truncate(rt, correction, scaled + 1 - how.last, int(how.residue * 2.0**scaled) + 1)
    y = field.add(field.scale_small(y, 1 << (how.last - how.middle)), correction)
    return _shifted_back(rt, how, y, leading, [(length - scale) // 2 - out_bits for length in lengths])


def _corrected(rt: Runtime, y: Any, nu: Any, y_bits: int, nu_bits: int, constant: int) -> Any:
    """y (constant - nu y^2), with nu_bits + 3 y_bits fractional bits. Cost: 2 levels, 3 products."""
    field = rt.field
    pair = multiply(rt, y[..., None], jnp.stack([y, nu], axis=-1))
    cubic = multiply(rt, pair[..., 0], pair[..., 1])
    return field.sub(field.mul(y, field.mul(field.asarray(constant), _power(field, nu_bits + 2 * y_bits))), cubic)


def _power(field: Field, exponent: int) -> Any:
    return field.asarray(pow(2, exponent, field.modulus))


def _leading(rt: Runtime, x: Any, bound: int) -> tuple[Any, Any]:
    """The bits of x <= `bound`, and the one-hot vector of its leading one (zero for x = 0): `[rows, ..., n]` each."""
    field = rt.field
    bits = decompose(rt, x, width=bound.bit_length())
    clear = prefix_products(rt, field.sub(1, bits[..., ::-1]))[..., ::-1]  # no one at position j or above
    above = jnp.concatenate([clear[..., 1:], field.ones((*clear.shape[:-1], 1))], axis=-1)
    return bits, field.sub(above, clear)


def _normalised(rt: Runtime, how: Plan, bits: Any, leading: Any, lengths: list[int]) -> tuple[list[Any], list[Any]]:
    """nu = X / 2^length for the length that belongs to the leading one, and the selector bits. One level, 5 products.

    nu is cut to `argument` bits for the start table; `coarse` and `fine` ones are cut one bit earlier and then taken at
    the middle of what was cut off, so that each is wrong by at most one unit in its last bit.
    """
    field, n = rt.field, bits.shape[-1]
    widths = [how.argument, how.coarse - 1, how.fine - 1]
    shifts = [[width - length for length in lengths] for width in widths]
    spelled = [_spelled(field, bits, shift) for shift in shifts]
    after = 2 if how.root else 3  # how many bits after the leading one select
    padded = jnp.concatenate([field.zeros((*bits.shape[:-1], after)), bits], axis=-1)
    spelled += [padded[..., after - k : after - k + n] for k in range(1, after + 1)]
    found = dot(rt, leading[..., None, :], jnp.stack(spelled, axis=-2))
    nu = [found[..., 0], *(field.add(field.double(found[..., k]), 1) for k in (1, 2))]
    selectors = [found[..., k] for k in range(3, 3 + after)]
    if how.root:
        below = np.array([length - 1 - j for j, length in enumerate(lengths)])
        selectors.insert(0, field.dot(leading, field.from_int(below), axis=-1))
    return nu, selectors


def _spelled(field: Field, bits: Any, shifts: list[int]) -> Any:
    """For every j the number that the bits up to j spell, times 2^shifts[j], rounded down: `[rows, ..., n]`, local."""
    n = bits.shape[-1]
    weights = [[2 ** (i + shift) if -shift <= i <= j else 0 for i in range(n)] for j, shift in enumerate(shifts)]
    return field.dot(bits[..., None, :], field.asarray(field.from_int(weights)), axis=-1)


def _first(rt: Runtime, how: Plan, nu: Any, selectors: list[Any]) -> Any:
    """y0 = A + B nu, A and B the entries of the start table that the selectors choose. 2 levels, 5 products."""
    field = rt.field
    one, two, three = selectors
    pairs = multiply(rt, jnp.stack([one, one, two, three], axis=-1), jnp.stack([two, three, three, nu], axis=-1))
    # in the order of the table: the product of the selectors whose bits its index has
    known = [field.ones(nu.shape), one, two, pairs[..., 0], three, pairs[..., 1], pairs[..., 2]]
    intercept, slope = (
        field.dot(jnp.stack(known, axis=-1), field.from_int(list(table[:7])), axis=-1)
        for table in (how.table_a, how.table_b)
    )
    last = field.add(
        field.mul(three, field.asarray(how.table_a[7])), field.mul(pairs[..., 3], field.asarray(how.table_b[7]))
    )
    rest = dot(rt, jnp.stack([nu, pairs[..., 0]], axis=-1), jnp.stack([slope, last], axis=-1))
    return field.add(intercept, rest)


def _shifted_back(rt: Runtime, how: Plan, y: Any, leading: Any, shifts: list[int]) -> Any:
    """floor(y / 2^(last + shifts[j])) for the position j of the leading one, 0 if there is none."""
    field = rt.field
    bits = decompose(rt, y, width=how.last + (2 if how.root else 1))
    weights = [
        [2 ** (i - how.last - shift) % field.modulus if i >= how.last + shift else 0 for i in range(bits.shape[-1])]
        for shift in shifts
    ]
    return dot(rt, leading, field.dot(bits[..., None, :], field.asarray(field.from_int(weights)), axis=-1))


def _require(field: Field, name: str, bound: int, least: int, largest: int) -> None:
    if not 1 <= least <= bound:
        raise ValueError(f"{name}: least={least}, bound={bound}: legal are 1 <= least <= bound")
    if bound >= 1 << (field.exponent - 1) or largest > field.modulus // 2:
        raise BoundError(
            f"{name} of numbers from {least} to {bound}: they and results up to {largest} must be below "
            f"{field.modulus // 2}; use fewer fractional bits, or a larger `least`"
        )
