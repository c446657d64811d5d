"""Field arithmetic against Python ints: every pair of elements for small exponents, edges and random ones for large."""

from __future__ import annotations

import random
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpcjax.fields import EXPONENTS, F31, F61, Field

SMALL = (3, 5, 7)
FIELDS = [Field(e) for e in EXPONENTS]
every_field = pytest.mark.parametrize(
    "field",
    [pytest.param(f, marks=pytest.mark.long if f.exponent == 7 else ()) for f in FIELDS],  # as 5, but for the numbers
    ids=lambda f: f"e{f.exponent}",
)


def samples(field: Field) -> list[int]:
    """All elements of a small field; edges and some random ones of a large field."""
    p = field.modulus
    if field.exponent in SMALL:
        return list(range(p))
    edges = [0, 1, 2, 3, p - 1, p - 2, p // 2, p // 2 + 1]
    edges += [(2**k + s) % p for k in (28, 29, 30, 31, 32, 33, 60) for s in (-1, 0, 1)]
    generator = random.Random(field.exponent)
    return edges + [generator.randrange(p) for _ in range(64)]


def equal(field: Field, result: Any, expected: Any) -> None:
    assert result.dtype == field.dtype
    expected = np.asarray(np.asarray(expected, object) % field.modulus, object)
    assert result.shape == expected.shape
    assert (np.asarray(result).astype(object) == expected).all()


def random_elements(field: Field, shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Field elements and the same numbers as Python ints; one entry in eight is p - 1, the largest."""
    generator = np.random.default_rng(seed)
    values = generator.integers(0, field.modulus, shape, dtype=np.uint64)
    values[generator.random(shape) < 0.125] = field.modulus - 1
    return values.astype(field.dtype), values.astype(object)


@every_field
def test_elementwise_operations_equal_python_ints(field: Field) -> None:
    o = np.array(samples(field), object)
    a = field.from_int(o)
    rows, columns = a[:, None], a[None, :]
    equal(field, field.add(rows, columns), o[:, None] + o)
    equal(field, field.sub(rows, columns), o[:, None] - o)
    equal(field, field.mul(rows, columns), o[:, None] * o)
    equal(field, field.neg(a), -o)
    equal(field, field.square(a), o * o)
    equal(field, field.double(a), 2 * o)


def test_every_pair_of_the_13_bit_field() -> None:
    field = Field(13)
    p = field.modulus
    a = np.arange(p, dtype=np.uint32)
    for low in range(0, p, 1024):
        b = a[low : low + 1024, None].astype(np.int64)
        block = b.astype(np.uint32)
        assert (np.asarray(field.mul(a, block)) == a * b % p).all()
        assert (np.asarray(field.add(a, block)) == (a + b) % p).all()
        assert (np.asarray(field.sub(a, block)) == (a - b) % p).all()


@pytest.mark.parametrize("exponent", SMALL)
def test_laws_for_every_triple(exponent: int) -> None:
    field = Field(exponent)
    a = jnp.arange(field.modulus, dtype=field.dtype)
    if exponent == 7:
        x, y, z = a[:, None, None], a[None, :, None], a[None, None, ::9]
    else:
        x, y, z = a[:, None, None], a[None, :, None], a[None, None, :]
    add, mul = field.add, field.mul
    for left, right in (
        (add(add(x, y), z), add(x, add(y, z))),
        (mul(mul(x, y), z), mul(x, mul(y, z))),
        (mul(x, add(y, z)), add(mul(x, y), mul(x, z))),
        (add(x, y), add(y, x)),
        (mul(x, y), mul(y, x)),
        (field.sub(add(x, y), y), jnp.broadcast_to(x, (len(a), len(a), 1))),
    ):
        assert (left == right).all()
    assert (add(a, field.neg(a)) == 0).all()
    assert (mul(a, field.inv(a))[1:] == 1).all()
    assert field.inv(a)[0] == 0


@every_field
def test_powers_inverses_and_roots(field: Field) -> None:
    p = field.modulus
    values = samples(field)
    a = field.from_int(values)
    equal(field, field.inv(a), [pow(v, p - 2, p) for v in values])
    for k in (0, 1, 2, 13, 2**19 - 1, (p - 3) // 4, p - 1, -3):
        base = [pow(v, p - 2, p) for v in values] if k < 0 else values
        equal(field, field.pow(a, k), [pow(v, abs(k), p) for v in base])
    squares = field.square(a)
    roots = field.sqrt(squares)
    equal(field, roots, [pow(v * v % p, 2 ** (field.exponent - 2), p) for v in values])
    assert (field.square(roots) == squares).all()
    assert field.is_square(roots).all(), "the canonical root is itself a square"
    euler = [v == 0 or pow(v, (p - 1) // 2, p) == 1 for v in values]
    assert np.asarray(field.is_square(a)).tolist() == euler


@every_field
def test_scale_small(field: Field) -> None:
    p = field.modulus
    values = samples(field)
    a = field.from_int(values)
    ks = [0, 1, -1, 2, 3, 7, 8, -20, 2**28 + 3, 2**31 + 5, 2**32 - 1, 2**32 + 3, 2**40, -(2**33) - 1]
    for k in [*ks, p // 2, p // 2 + 1, p - 1, p, p + 2]:
        equal(field, field.scale_small(a, k), [v * k for v in values])


@every_field
def test_reduce_takes_every_word(field: Field) -> None:
    top = int(np.iinfo(field.dtype).max)
    p = field.modulus
    words = [0, 1, p - 1, p, p + 1, 2 * p - 1, 2 * p, 2 * p + 1, top // 2, top - p, top - 1, top]
    words += [random.Random(1).randrange(top) for _ in range(50)]
    equal(field, field.reduce(np.array(words, field.dtype)), words)


@every_field
def test_signed_and_host_conversions(field: Field) -> None:
    p = field.modulus
    values = samples(field)
    lifted = np.asarray(field.lift(field.from_int(values))).astype(object)
    assert (abs(lifted) <= p // 2).all()
    assert (lifted % p == np.array(values, object)).all()
    for dtype in (np.int8, np.int16, np.int32, np.int64):
        info = np.iinfo(dtype)
        signed = np.array([info.min, info.min + 1, -1, 0, 1, info.max], dtype)
        equal(field, field.from_signed(signed), signed.astype(object))
        equal(field, field.from_int(signed), signed.astype(object))
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
        equal(field, field.from_int(np.array([0, 1, np.iinfo(dtype).max], dtype)), [0, 1, int(np.iinfo(dtype).max)])
    huge = [[-(10**40), 2**63], [-1, 10**40]]
    equal(field, field.from_int(huge), huge)
    equal(field, field.asarray(huge), huge)
    equal(field, field.from_int(-1), p - 1)
    equal(field, field.zeros((2, 3)), [[0] * 3] * 2)
    equal(field, field.ones(4), [1] * 4)
    assert field.from_int([]).shape == (0,)


@pytest.mark.parametrize("field", [F31, F61], ids=["e31", "e61"])
@settings(max_examples=200)
@given(data=st.data())
def test_random_operands(field: Field, data: st.DataObject) -> None:
    p = field.modulus
    near = st.sampled_from([2**k for k in range(field.exponent)]).flatmap(lambda c: st.integers(c - 2, c + 2))
    elements = st.one_of(st.integers(0, p - 1), near.map(lambda v: v % p), st.integers(p - 5, p - 1))
    values = data.draw(st.lists(elements, min_size=8, max_size=8))
    o = np.array(values, object)
    a, b = field.from_int(o[:4]), field.from_int(o[4:])
    equal(field, field.add(a, b), o[:4] + o[4:])
    equal(field, field.sub(a, b), o[:4] - o[4:])
    equal(field, field.mul(a, b), o[:4] * o[4:])
    equal(field, field.dot(a, b), (o[:4] * o[4:]).sum())
    equal(field, field.sum(a), o[:4].sum())


@every_field
@pytest.mark.parametrize("axis", [0, 1, 2, -1, (0, 2), (0, 1, 2)])
def test_sum_over_axes(field: Field, axis: int | tuple[int, ...]) -> None:
    a, o = random_elements(field, (7, 12, 33))
    equal(field, field.sum(a, axis), o.sum(axis=axis))


@every_field
def test_dot_broadcasts_and_takes_any_axis(field: Field) -> None:
    a, ao = random_elements(field, (7, 12, 33), 1)
    b, bo = random_elements(field, (12, 1), 2)
    w, wo = random_elements(field, (33,), 3)
    one, oneo = random_elements(field, (1,), 4)
    for axis in (0, 1, 2):
        equal(field, field.dot(a, b, axis), (ao * bo).sum(axis=axis))
        equal(field, field.dot(w, a, axis), (ao * wo).sum(axis=axis))
        equal(field, field.dot(a, one, axis), (ao * oneo).sum(axis=axis))


def test_worst_case_sums() -> None:
    """As many largest elements as could overflow an accumulator that is folded too rarely."""
    for field in (Field(13), F31, F61):
        p = field.modulus
        for shape, axis in (((300,), 0), ((128, 256), 0), ((8, 3), 0), ((129, 3), 0), ((1 << 17,), 0)):
            a = np.full(shape, p - 1, field.dtype)
            n = shape[axis]
            equal(field, field.sum(a, axis), np.full(np.delete(shape, axis), -n, object))
            equal(field, field.dot(a, a, axis), np.full(np.delete(shape, axis), n, object))


@every_field
def test_matmul(field: Field) -> None:
    a, ao = random_elements(field, (2, 5, 9), 1)
    b, bo = random_elements(field, (9, 4), 2)
    equal(field, field.matmul(a, b), ao @ bo)
    wide, wideo = random_elements(field, (40, 200), 3)
    equal(field, field.matmul(wide, wide.T), wideo @ wideo.T)


def test_wrong_use_names_value_and_range() -> None:
    for exponent in (0, 1, 2, 4, 11, 17, 19, 60, 89, True, 61.5, "61"):
        with pytest.raises(ValueError, match=r"exponent is .*legal exponents are \(3, 5, 7, 13, 31, 61\)"):
            Field(exponent)  # type: ignore[arg-type]
    good = F61.ones(3)
    for bad in (np.ones(3), np.ones(3, np.int64), np.ones(3, np.uint32), jnp.ones(3, bool), [1, 2], 1.5, True):
        for operation in (F61.add, F61.mul, F61.dot):
            with pytest.raises(ValueError, match=r"dtype.*uint64"):
                operation(good, bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"axis is 1.*legal is -1 to 0"):
        F61.sum(good, 1)
    with pytest.raises(ValueError, match=r"axis is -2.*legal is -1 to 0"):
        F61.combine(good, good, -2)
    with pytest.raises(ValueError, match="weights has 2 axes: legal are up to 1"):
        F61.combine(F61.ones((3, 3)), F61.ones((3, 3, 3)))
    with pytest.raises(ValueError, match="matmul of shapes"):
        F61.matmul(F61.ones((2, 3)), F61.ones((2, 3)))
    with pytest.raises(ValueError, match=r"from_int got entries of type float"):
        F61.from_int([1, 2.0])
    with pytest.raises(ValueError, match=r"from_signed got dtype uint64: legal dtypes are int8"):
        F61.from_signed(good)
    for operation in (F61.pow, F61.scale_small):
        with pytest.raises(ValueError, match=r"k is 1\.5"):
            operation(good, 1.5)  # type: ignore[arg-type]


def test_python_ints_are_operands() -> None:
    equal(F61, F61.add(F61.from_int([1, 5]), -2), [-1, 3])
    equal(F31, F31.mul(F31.from_int([1, 5]), 2**40), [2**40, 5 * 2**40])


def test_fields_are_static_arguments() -> None:
    assert Field(61) == F61 and hash(Field(61)) == hash(F61) and F31 != F61
    square = jax.jit(lambda field, a: field.square(a), static_argnums=0)
    equal(F31, square(F31, F31.from_int([3])), [9])
    equal(F61, square(F61, F61.from_int([3])), [9])


@every_field
def test_vmap_and_scan(field: Field) -> None:
    a, ao = random_elements(field, (6, 5), 1)
    b, bo = random_elements(field, (6, 5), 2)
    equal(field, jax.vmap(field.dot)(a, b), (ao * bo).sum(axis=1))
    equal(field, jax.vmap(field.sum, in_axes=1)(a), ao.sum(axis=0))
    equal(field, jax.vmap(field.inv)(field.from_int([[1, 2]])), [[1, pow(2, -1, field.modulus)]])
    total, _ = jax.lax.scan(lambda c, xy: (field.add(c, field.mul(*xy)), None), field.zeros(5), (a, b))
    equal(field, total, (ao * bo).sum(axis=0))
