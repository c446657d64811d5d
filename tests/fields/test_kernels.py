"""The large contractions against object arrays of Python ints, in every shape that takes another path."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mpcjax.fields import EXPONENTS, F31, F61, Field, _sums, kernels

every_field = pytest.mark.parametrize("field", [Field(e) for e in EXPONENTS], ids=lambda f: f"e{f.exponent}")
LONG = _sums._SPLIT_FROM + 5  # cut into lanes, with a rest


def elements(field: Field, shape: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random elements, one in four the largest: as Python ints too."""
    generator = np.random.default_rng(seed)
    values = generator.integers(0, field.modulus, shape, dtype=np.uint64)
    values[generator.random(shape) < 0.25] = field.modulus - 1
    return values.astype(field.dtype), values.astype(object)


def same(field: Field, result: jax.Array, expected: np.ndarray) -> None:
    assert result.dtype == field.dtype and result.shape == expected.shape
    assert (np.asarray(result).astype(object) == expected % field.modulus).all()


def cross_reference(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    n = x.shape[-2]
    g = -(-n // 4)
    padded = np.concatenate([x, np.zeros((*x.shape[:-2], 4 * g - n, x.shape[-1]), object)], -2)
    b = [padded[..., c * g : (c + 1) * g, :] for c in range(4)]

    def form(i: int, j: int) -> np.ndarray:
        return (w * b[i] * b[j]).sum(-1)

    terms = [form(0, 1), form(0, 2), form(0, 3) + form(1, 2), form(1, 3), form(2, 3)]
    return np.stack([2 * term for term in terms], -1)


@every_field
@pytest.mark.parametrize("shape", [(2, 4, 9), (1, 5, 1), (3, 7, 40)])
def test_against_python_ints(field: Field, shape: tuple[int, int, int]) -> None:
    m, n, d = shape
    x, xo = elements(field, shape, 1)
    w, wo = elements(field, (d,), 2)
    public, publico = elements(field, (n,), 3)
    secret, secreto = elements(field, (m, n), 4)
    v, vo = elements(field, (), 5)
    same(field, kernels.inner(field, x, w), (xo * wo).sum(-1))
    same(field, kernels.weighted_squares(field, x, w), (xo * xo * wo).sum(-1))
    same(field, kernels.combine(field, public, x, 1), (xo * publico[:, None]).sum(1))
    same(field, kernels.combine(field, secret, x, 1), (xo * secreto[..., None]).sum(1))
    same(field, field.combine(elements(field, (m,), 6)[0], x), (xo * elements(field, (m,), 6)[1][:, None, None]).sum(0))
    same(field, kernels.cross_terms(field, x, w), cross_reference(xo, wo))
    g = -(-n // 4)
    padded = np.concatenate([xo, np.zeros((m, 4 * g - n, d), object)], 1).reshape(m, 4, g, d)
    same(field, kernels.fold_groups(field, x, v), sum(padded[:, c] * int(vo) ** c for c in range(4)))


@every_field
def test_the_cross_terms_complete_the_quadratic_form_of_the_fold(field: Field) -> None:
    """Q(x0 + v x1 + v^2 x2 + v^3 x3) = sum_c z_c v^(2c) + sum_i term_i v^(i+1): what a verifier relies on."""
    p = field.modulus
    x, _ = elements(field, (2, 8, 50), 1)
    w, _ = elements(field, (50,), 2)
    z = np.asarray(kernels.weighted_squares(field, x, w)).astype(object).reshape(2, 4, 2)
    terms = np.asarray(kernels.cross_terms(field, x, w)).astype(object)
    for v in (0, 1, 2, p - 1, p // 3):
        folded = kernels.fold_groups(field, x, field.from_int(v))
        expected = sum(z[:, c] * v ** (2 * c) for c in range(4)) + sum(terms[..., i] * v ** (i + 1) for i in range(5))
        same(field, kernels.weighted_squares(field, folded, w), expected)


@pytest.mark.parametrize("field", [Field(7), F31, F61], ids=lambda f: f"e{f.exponent}")
@pytest.mark.parametrize("rows", [1, 4, 20])
def test_long_rows_are_cut_into_lanes(field: Field, rows: int) -> None:
    x, xo = elements(field, (1, rows, LONG), 1)
    w, wo = elements(field, (LONG,), 2)
    same(field, kernels.inner(field, x, w), (xo * wo).sum(-1))
    assert int(field.dot(x[0, 0], w)) == (xo[0, 0] * wo).sum() % field.modulus
    same(field, kernels.weighted_squares(field, x, w), (xo * xo * wo).sum(-1))
    same(field, kernels.cross_terms(field, x, w), cross_reference(xo, wo))


@pytest.mark.parametrize("field", [Field(13), F31, F61], ids=lambda f: f"e{f.exponent}")
@pytest.mark.parametrize("n", [_sums.UNROLL, _sums.UNROLL + 1, 300])
@pytest.mark.parametrize("few", [0, _sums._FEW])
def test_many_rows(field: Field, n: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sums, "_FEW", few)
    x, xo = elements(field, (2, n, _sums._SHORT + (few == 0)), 1)  # another shape: the other's program is kept
    weights, weightso = elements(field, (n,), 2)
    same(field, kernels.combine(field, weights, x, 1), (xo * weightso[:, None]).sum(1))
    same(field, field.sum(x, 1), xo.sum(1))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_squared_norms_are_exact_or_say_that_they_are_too_large(dtype: type) -> None:
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    rows = [[0, 0, 0], [3, -4, 0], [(1 << 31) - 1, 0, 0], [1 << 30, -(1 << 30), 1], [(1 << 31) - 1, 65535, 362]]
    rows += [[least, 0, 0], [most, most, 0], [most, least, 1]]
    x = np.array(rows, object)
    expected = [min(int(v), 1 << 62) for v in (x * x).sum(1)]
    result = kernels.squared_norms(jax.numpy.asarray(x.astype(dtype)))
    assert np.asarray(result).tolist() == expected and result.dtype == np.uint64


@every_field
def test_powers(field: Field) -> None:
    v, vo = elements(field, (3,), 1)
    for count in (1, 2, 31):
        same(field, kernels.powers(field, v, count), vo[:, None] ** np.arange(count).astype(object))


@every_field
def test_under_vmap_jit_and_scan(field: Field) -> None:
    x, xo = elements(field, (3, 2, 8, 10), 1)
    w, wo = elements(field, (10,), 2)
    v, _ = elements(field, (), 3)

    def everything(y: jax.Array) -> tuple[jax.Array, ...]:
        folded = kernels.fold_groups(field, y, v)
        return kernels.inner(field, y, w), kernels.weighted_squares(field, folded, w), kernels.cross_terms(field, y, w)

    eager = [everything(y) for y in x]
    mapped = jax.jit(jax.vmap(everything))(x)
    _, scanned = jax.lax.scan(lambda c, y: (c, everything(y)), 0, x)
    for k in range(3):
        expected = np.stack([np.asarray(result[k]) for result in eager])
        assert (np.asarray(mapped[k]) == expected).all()
        assert (np.asarray(scanned[k]) == expected).all()
    same(field, mapped[0], (xo * wo).sum(-1))


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match="width is 0: legal is 1 or more"):
        kernels.fold_groups(F61, F61.ones((4, 2)), F61.ones(()), 0)
