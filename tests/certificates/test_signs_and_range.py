"""Signs, bits and ranges: exactly the legal messages pass, also when a peer deals other bits than it should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mpcjax.certificates import Bits, Certificate, Range, Signs
from mpcjax.certificates.bits import powers, split
from mpcjax.fields import F31, F61, Field
from tests.certificates._judge import Judge


def joined(bits: np.ndarray, width: int) -> Any:
    """The numbers that bits of so many each spell."""
    return F31.dot(bits.reshape(len(bits), -1, width), powers(F31, width))


@pytest.mark.parametrize("field", [F31, Field(5)], ids=str)
def test_signs(field: Field) -> None:
    """Every one wrong coordinate is seen, whatever its value: all of the field of 31, some of a large one."""
    p = field.modulus
    others = range(2, p - 1) if p < 100 else [2, 3, p // 2, p // 3, p - 2, 1 << 16]
    legal = [[1, -1, 1, 1], [-1, -1, -1, -1], [1, 1, 1, p - 1]]
    wrong = [[1, -1, x, 1] for x in [0, *others]] + [[0, 0, 0, 0]]
    judge = Judge(Signs(), field, 4, 0)
    empty = np.zeros((len(legal + wrong), 0), field.dtype)
    assert judge.accepts(legal + wrong, empty, empty) == [True] * len(legal) + [False] * len(wrong)


@pytest.mark.parametrize("field", [F31, Field(5)], ids=str)
def test_bits(field: Field) -> None:
    p = field.modulus
    others = range(2, p) if p < 100 else [2, 3, p // 2, p // 2 + 1, p - 1, p - 2, 1 << 16]
    legal = [[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]]
    wrong = [[1, 0, x, 1] for x in others] + [[2, 0, 0, 0], [p - 1, 2, 1, 0]]
    judge = Judge(Bits(), field, 4, 0)
    empty = np.zeros((len(legal + wrong), 0), field.dtype)
    assert judge.accepts(legal + wrong, empty, empty) == [True] * len(legal) + [False] * len(wrong)


@pytest.mark.parametrize("certificate", [Signs(), Bits()], ids=lambda c: c.name)
def test_signs_and_bits_need_no_fractional_bits(certificate: Certificate) -> None:
    assert certificate.fraction_bits(F31, 10, 5) == 0
    assert certificate.bound(0, 10) == 1
    message = np.array([[1, 1], [1, 0], [1, -1], [1, 2]])
    held = {"signs": [True, False, True, False], "bits": [True, True, False, False]}
    assert np.asarray(certificate.holds(F31, message, 0)).tolist() == held[certificate.name]


def test_a_range_is_half_open_and_exact() -> None:
    """width 6: all integers from -32 to 31 pass, those next to them do not."""
    judge = Judge(Range(limit=2.0, width=6), F31, 2, 4)
    inside, outside = list(range(-32, 32)), [32, 33, -33, -64, 1000, -(2**30)]
    message = [[x, 0] for x in inside] + [[0, x] for x in outside]
    assert judge.accepts(message) == [True] * len(inside) + [False] * len(outside)


def test_bits_that_are_none_do_not_help() -> None:
    """Bits of another value, and "bits" that spell the right value: the first fail the sum, the others are no bits."""
    certificate, message = Range(limit=1.0, width=4), [[8, 0], [3, 0], [3, 0], [3, 0]]
    judge = Judge(certificate, F31, 2, 3)
    helpers, none = judge.answers(message)
    assert F31.lift(joined(helpers, 4)).tolist()[1:] == [[11, 8]] * 3
    helpers[0, :4] = [16, 0, 0, 0]  # 8 + 8 = 16 as one "bit"
    helpers[2, 0] = (helpers[2, 0] + 1) % F31.modulus  # spells 12
    helpers[3, :2] = [3, 0]  # 3 + 8 = 3 + 0 * 2 + 8
    assert judge.accepts(message, helpers, none) == [False, True, False, False]


@pytest.mark.parametrize(
    ("limit", "width", "bits"), [(1.0, 20, 19), (2.0, 8, 6), (3.0, 8, 5), (0.75, 8, 7), (0.5, 8, 8), (2**-20, 8, 27)]
)
def test_range_covers_its_limit(limit: float, width: int, bits: int) -> None:
    """As many bits as leave room for [-limit, limit): one bit more would not."""
    certificate = Range(limit, width)
    assert certificate.fraction_bits(F61, 10, 5) == bits
    assert limit * 2**bits <= certificate.bound(bits, 10) == 2 ** (width - 1) < limit * 2 ** (bits + 1)


@pytest.mark.parametrize(("limit", "width"), [(0.0, 8), (-1.0, 8), (float("nan"), 8), (1.0, 1), (1.0, 32)])
def test_ranges_that_make_no_sense(limit: float, width: int) -> None:
    with pytest.raises(ValueError, match=r"limit=|width="):
        Range(limit, width)


def test_ranges_wider_than_the_field() -> None:
    with pytest.raises(ValueError, match="width=12 bits do not fit the field of 13 bits; use at most 11"):
        Range(1.0, 12).fraction_bits(Field(13), 10, 5)
    assert Range(1.0, 11).fraction_bits(Field(13), 10, 5) == 10


def test_bits_spell_the_number() -> None:
    numbers = np.arange(64).reshape(4, 16)
    bits = split(F31, numbers, 6)
    assert set(np.unique(bits)) == {0, 1}
    assert np.array_equal(joined(np.asarray(bits).reshape(4, -1), 6), numbers)
