"""Plans for 1/x and 1/sqrt(x): where the iteration starts, how many bits each value carries, which error remains.

Nothing here touches a secret. A plan depends only on the field and is made once. All values are fixed point in
(1/4, 2]; products of several of them must stay below p/2 = 2^(e-1) until they are rounded, and rounding (an exact
truncation) is what costs rounds; so few bits are carried at first, and twice as many by each step.

- start: y0 is piecewise linear in nu, on 8 intervals told apart by 3 selector bits; about 9 good bits.
- first step, without intermediate rounding, then rounded to `middle` bits: about 15 good bits.
- last step: about 28 good bits for e = 61.

Source of the scheme (normalise, linear start, iterate): Catrina, Saxena 2010; the bits here are counted so
that one rounding remains for 1/x and two for 1/sqrt(x).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math


@dataclasses.dataclass(frozen=True)
class Plan:
    """Fractional bits of each value, the start table, and the relative error of the last y.

    `table_a`, `table_b` are coefficients of the 8 products of selectors (selector k is in number i if i has bit k), so
    that y0 = A + B nu for nu cut to `argument` bits, y0 with `start` fractional bits. `coarse` and `fine` are the
    fractional bits of nu in the two steps, `middle` of y between them, `last` of the final y; `residue` bounds
    y |1 - nu y^2| before the last step of the root.
    """

    root: bool
    argument: int
    start: int
    coarse: int
    middle: int
    fine: int
    last: int
    residue: float
    table_a: tuple[int, ...]
    table_b: tuple[int, ...]
    error: float


@functools.cache
def plan(exponent: int, root: bool) -> Plan:
    """The plan for 1/sqrt(x) (`root`) or 1/x in the field of 2^exponent - 1."""
    if exponent < 31:
        raise ValueError(f"division in the field of {exponent} bits: it leaves no room for fixed point; use 31 or 61")
    room = exponent - 2  # products below 2 with so many fractional bits are below p/2
    middle = room // 4
    if root:  # coarse + 3 start + 1 fractional bits, and one left free for rounding
        start = (room - 2 - (middle + 1)) // 3
        coarse = room - 2 - 3 * start
    else:  # coarse + 2 start
        start = (room - 1 - (middle + 4)) // 2
        coarse = room - 1 - 2 * start
    argument = (7 * start + 5) // 10
    intercepts, slopes, first = _start(root, argument, start)
    error = _stepped(root, first, coarse) + 2.0 ** -(middle + 1)
    fine, residue = room - 2 * middle, 0.0
    if root:  # the correction y (1 - nu y^2), not y itself, must stay below p/2
        residue = 2 * (2 * error + error**2 + 4 * 2.0**-fine * (1 + error) ** 2)
        fine = math.floor(exponent - 1 - math.log2(residue)) - 3 * middle - 1
        residue = 2 * (2 * error + error**2 + 4 * 2.0**-fine * (1 + error) ** 2)
    last = 2 * middle + 4 if root else fine + 2 * middle
    final = _stepped(root, error, fine) + (2.0**-last if root else 0.0)
    tables = _multilinear(intercepts), _multilinear(slopes)
    return Plan(root, argument, start, coarse, middle, fine, last, residue, *tables, final * (1 + 2.0**-20))


def _stepped(root: bool, error: float, bits: int) -> float:
    """Relative error after a step from `error`, with nu known to 2^-bits."""
    if root:  # 1 + d -> (1 + d) (3 - (1 + d)^2) / 2 = 1 - 3/2 d^2 - d^3 / 2; nu >= 1/4, and y ~ nu^(-1/2)
        slack = 4 * 2.0**-bits * (1 + error) ** 3 / 2
        return 1.5 * error**2 + 0.5 * error**3 + slack
    return error**2 + 2 * 2.0**-bits * (1 + error) ** 2


def _start(root: bool, argument: int, start: int) -> tuple[list[int], list[int], float]:
    """Intercepts and slopes of y0 on the 8 intervals, and the largest relative error, over both ends of every cell."""
    intercepts, slopes, worst = [], [], 0.0
    for code in range(8):
        low, high = _interval(root, code)
        slope = round((_value(root, high) - _value(root, low)) / (high - low) * 2 ** (start - argument))
        cells = range(round(low * 2**argument), round(high * 2**argument))
        ends = [(cell, (cell + side) / 2**argument) for cell, side in itertools.product(cells, (0, 1))]
        gaps = [_value(root, nu) - slope * cell / 2**start for cell, nu in ends]
        intercept = round((max(gaps) + min(gaps)) / 2 * 2**start)
        errors = [abs((intercept + slope * cell) / 2**start / _value(root, nu) - 1) for cell, nu in ends]
        intercepts, slopes, worst = [*intercepts, intercept], [*slopes, slope], max(worst, *errors)
    return intercepts, slopes, worst


def _interval(root: bool, code: int) -> tuple[float, float]:
    """Where nu is for selector bits `code`. 1/x: the three bits after the leading one. 1/sqrt(x): whether nu is below
    1/2, and the two bits after the leading one."""
    first, second, third = code & 1, code >> 1 & 1, code >> 2 & 1
    if root:
        unit = 1 / 16 if first else 1 / 8
        low = (4 + 2 * second + third) * unit
    else:
        unit = 1 / 16
        low = 1 / 2 + (4 * first + 2 * second + third) * unit
    return low, low + unit


def _value(root: bool, nu: float) -> float:
    return nu**-0.5 if root else 1 / nu


def _multilinear(values: list[int]) -> tuple[int, ...]:
    """Coefficients of the multilinear polynomial in 3 bits that takes `values` (Moebius transform)."""
    coefficients = list(values)
    for bit in (1, 2, 4):
        for code in range(8):
            if code & bit:
                coefficients[code] -= coefficients[code ^ bit]
    return tuple(coefficients)
