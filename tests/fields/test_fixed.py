"""The fixed-point codec against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcjax.fields import F31, F61, Field, fixed

BITS = st.sampled_from([0, 1, 16, 23, 40])  # few numbers and one length: each is compiled


def signed(field: Field, a: object) -> list[int]:
    return [int(v) for v in np.asarray(field.lift(a))]  # type: ignore[arg-type]


@given(
    st.lists(st.floats(-(2.0**17), 2.0**17, width=32, allow_subnormal=False), min_size=8, max_size=8),
    BITS,
)
def test_rounds_to_nearest_ties_to_even(values: list[float], bits: int) -> None:
    x = np.array(values, np.float32)
    encoded = fixed.encode(F61, x, bits)
    assert encoded.dtype == F61.dtype
    # round() of a Fraction is exact, half to even
    assert signed(F61, encoded) == [round(Fraction(float(v)) * 2**bits) for v in x]
    error = [abs(Fraction(s, 2**bits) - Fraction(float(v))) for s, v in zip(signed(F61, encoded), x, strict=True)]
    assert max(error) <= Fraction(1, 2 ** (bits + 1))


@given(st.lists(st.integers(-(2**24), 2**24), min_size=8, max_size=8), BITS)
def test_representable_numbers_are_exact(numerators: list[int], bits: int) -> None:
    x = (np.array(numerators, np.float64) / 2.0**bits).astype(np.float32)
    encoded = fixed.encode(F61, x, bits)
    assert signed(F61, encoded) == numerators
    decoded = fixed.decode(F61, encoded, bits)
    assert decoded.dtype == jnp.float32
    assert (np.asarray(decoded) == x).all()


def test_ties_and_signs() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.0, -0.0], np.float32)
    for field in (F31, F61, Field(5)):
        encoded = fixed.encode(field, x, 0)
        assert np.asarray(encoded).tolist() == [0, 2, 2, 0, field.modulus - 2, field.modulus - 2, 0, 0]


@given(st.integers(-(2**60) + 1, 2**60 - 1), st.sampled_from([0, 24, 126]))
def test_decode_rounds_once(value: int, bits: int) -> None:
    decoded = np.asarray(fixed.decode(F61, F61.from_int([value]), bits))
    # the centred integer to the nearest float32, then an exact division
    expected = nearest_float32(value) * Fraction(1, 2**bits)
    assert Fraction(float(decoded[0])) == expected


def nearest_float32(value: int) -> Fraction:
    excess = max(0, abs(value).bit_length() - 24)
    return Fraction(round(Fraction(value, 2**excess)) * 2**excess)


def test_not_a_number_encodes_to_some_element() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 3.4e38, -3.4e38], np.float32)
    for field in (F31, F61):
        assert (np.asarray(fixed.encode(field, x, 20)) < field.modulus).all()


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match="encode got dtype float64: legal is float32"):
        fixed.encode(F61, np.ones(2), 3)
    with pytest.raises(ValueError, match="encode got dtype float: legal is float32"):
        fixed.encode(F61, 1.0, 3)  # type: ignore[arg-type]
    for bits in (-1, 127, 2.0, True):
        with pytest.raises(ValueError, match=r"bits is .* from 0 to 126"):
            fixed.encode(F61, np.ones(2, np.float32), bits)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"bits is .* from 0 to 126"):
            fixed.decode(F61, F61.ones(2), bits)  # type: ignore[arg-type]
