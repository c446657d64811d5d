"""All inner products of rows, against Python integers."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcjax.fields import Field
from mpcjax.fields import gram as module
from mpcjax.fields.gram import gram
from mpcjax.fields.mersenne import EXPONENTS

BLOCK = 8
KINDS = {"floats": (np.float64, np.float64, 21), "bytes": (np.int8, np.int32, 8)}  # what CPUs, GPUs and TPUs do


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", BLOCK)


def expected(field: Field, x: np.ndarray) -> np.ndarray:
    x = x.astype(object)
    return x @ np.swapaxes(x, -1, -2) % field.modulus


def by(kind: str, field: Field, x: np.ndarray) -> np.ndarray:
    found = jax.lax.map(functools.partial(module._one, field, *KINDS[kind]), jnp.asarray(x))
    return np.asarray(found).astype(object)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("exponent", EXPONENTS)
def test_exact_in_every_field(exponent: int, kind: str) -> None:
    """Whole blocks and a rest; zeros, the largest, those next to the middle, and random elements."""
    field, p = Field(exponent), (1 << exponent) - 1
    rows = np.random.default_rng(0).integers(0, p, (2, 5, 2 * BLOCK + 3), field.dtype)
    rows[1] = np.array([0, p - 1, p // 2, p // 2 + 1, 1], field.dtype)[:, None]
    assert np.array_equal(by(kind, field, rows), expected(field, rows))


@pytest.mark.parametrize("kind", KINDS)
def test_the_longest_block_of_the_largest_limbs_is_exact(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lowest limbs of -2^20 and of -2^7: the sums of a real block are as large as they get."""
    monkeypatch.undo()
    for value in (1 << 20, 1 << 7, int("1" + "0" * 20 + "1" + "0" * 20, 2)):
        x = np.full((1, 2, module.BLOCK + 1), value, np.uint64)
        assert np.array_equal(by(kind, Field(61), x), expected(Field(61), x))


@settings(max_examples=20)
@given(shape=st.sampled_from([(1, 1), (3, 0), (2, 1, 7), (2, 2, 3, 9)]), seed=st.integers(0, 2**32 - 1))
def test_any_shape(shape: tuple[int, ...], seed: int) -> None:
    field = Field(61)
    x = np.random.default_rng(seed).integers(0, field.modulus, shape, field.dtype)
    assert np.array_equal(np.asarray(gram(field, x)).astype(object), expected(field, x))
