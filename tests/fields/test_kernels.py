"""The large contractions against object arrays of Python ints, in every shape that takes another path."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mpcjax.fields import EXPONENTS, F31, F61, Field, _sums, kernels

every_field = pytest.mark.parametrize(
    "field",
    [pytest.param(Field(e), marks=pytest.mark.long if e == 7 else ()) for e in EXPONENTS],  # as 5, but for the numbers
    ids=lambda f: f"e{f.exponent}",
)
# Where another field differs from one of these in nothing but the numbers: the least one, and the two that rounds use.
some_fields = pytest.mark.parametrize(
    "field",
    [pytest.param(Field(e), marks=() if e in (3, 31, 61) else pytest.mark.long) for e in EXPONENTS],
    ids=lambda f: f"e{f.exponent}",
)
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


def in_pieces(x: np.ndarray, count: int) -> list[np.ndarray]:
    size = -(-x.shape[-1] // count)
    padded = np.concatenate([x, np.zeros((*x.shape[:-1], count * size - x.shape[-1]), object)], -1)
    return [padded[..., c * size : (c + 1) * size] for c in range(count)]


def square_terms(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    b = in_pieces(x, 4)

    def form(i: int, j: int) -> np.ndarray:
        return (w * b[i] * b[j]).sum(-1)

    squares = [form(i, i) for i in range(4)]
    others = [form(0, 1), form(0, 2), form(0, 3) + form(1, 2), form(1, 3), form(2, 3)]
    return np.stack(squares + [2 * term for term in others], -1)


@every_field
def test_against_python_ints(field: Field) -> None:
    against_python_ints(field, (3, 7, 40))


@some_fields
@pytest.mark.parametrize("shape", [(2, 4, 9), (1, 5, 1)])
def test_short_ones_against_python_ints(field: Field, shape: tuple[int, int, int]) -> None:
    """Pieces that are filled up, and pieces that are empty."""
    against_python_ints(field, shape)


def against_python_ints(field: Field, shape: tuple[int, int, int]) -> None:
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
    size = -(-d // 4)
    same(field, kernels.square_terms(field, x, w[:size]), square_terms(xo, wo[:size]))
    same(field, kernels.square_terms(field, x), square_terms(xo, np.ones(size, object)))
    for count in (1, 4, 7):
        expected = sum(piece * int(vo) ** c for c, piece in enumerate(in_pieces(xo, count)))
        same(field, kernels.fold_pieces(field, x, v, count), expected)
        same(field, kernels.folded(field, x, v, count), expected)


@pytest.mark.parametrize("field", [Field(7), F31, F61], ids=lambda f: f"e{f.exponent}")
@pytest.mark.parametrize("rows", [1, 4, pytest.param(20, marks=pytest.mark.long)])
def test_long_rows_are_cut_into_lanes(field: Field, rows: int) -> None:
    x, xo = elements(field, (1, rows, LONG), 1)
    w, wo = elements(field, (LONG,), 2)
    same(field, kernels.inner(field, x, w), (xo * wo).sum(-1))
    assert int(field.dot(x[0, 0], w)) == (xo[0, 0] * wo).sum() % field.modulus
    same(field, kernels.weighted_squares(field, x, w), (xo * xo * wo).sum(-1))
    size = -(-LONG // 4)
    same(field, kernels.square_terms(field, x, w[:size]), square_terms(xo, wo[:size]))
    y, yo = elements(field, (1, rows, 4 * LONG - 2), 1)
    same(field, kernels.square_terms(field, y), square_terms(yo, np.ones(LONG, object)))


@pytest.mark.parametrize("field", [Field(13), F31, F61], ids=lambda f: f"e{f.exponent}")
@pytest.mark.parametrize("n", [_sums.UNROLL, _sums.UNROLL + 1, 300])
@pytest.mark.parametrize("few", [0, _sums._FEW])
def test_many_rows(field: Field, n: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sums, "_FEW", few)
    x, xo = elements(field, (2, n, _sums._SHORT + (few == 0)), 1)  # another shape: the other's program is kept
    weights, weightso = elements(field, (n,), 2)
    same(field, kernels.combine(field, weights, x, 1), (xo * weightso[:, None]).sum(1))
    same(field, field.sum(x, 1), xo.sum(1))


@pytest.mark.parametrize("field", [F31, F61], ids=lambda f: f"e{f.exponent}")
@pytest.mark.parametrize("d", [1, 2, 9, 40, LONG])
@pytest.mark.parametrize("signed", [False, True])
def test_squares_of_what_is_shifted(field: Field, d: int, signed: bool) -> None:
    """Every piece gets its own part of the shift, and what the last ones are filled up with gets none."""
    x, xo = elements(field, (3, d), 1)
    if signed:
        x = np.random.default_rng(1).integers(-(1 << 31), 1 << 31, (3, d)).astype(np.int32)
        xo = x.astype(object)
    shift, shifto = elements(field, (d,), 2)
    size = -(-d // 4)
    w, wo = elements(field, (size,), 3)
    x = jax.numpy.asarray(x)
    same(field, kernels.square_terms(field, x, w, shift), square_terms(xo + shifto, wo))
    same(field, kernels.square_terms(field, x, shift=shift), square_terms(xo + shifto, np.ones(size, object)))
    same(field, kernels.square_terms(field, x, w), square_terms(xo, wo))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_squared_norms_are_exact_or_say_that_they_are_too_large(dtype: type) -> None:
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    rows = [[0, 0, 0], [3, -4, 0], [(1 << 31) - 1, 0, 0], [1 << 30, -(1 << 30), 1], [(1 << 31) - 1, 65535, 362]]
    rows += [[least, 0, 0], [most, most, 0], [most, least, 1]]
    x = np.array(rows, object)
    expected = [min(int(v), 1 << 62) for v in (x * x).sum(1)]
    result = kernels.squared_norms(jax.numpy.asarray(x.astype(dtype)))
    assert np.asarray(result).tolist() == expected and result.dtype == np.uint64


@pytest.mark.parametrize("length", [1, 2, 5, 8])
def test_largest_magnitudes_are_those_of_numpy(length: int) -> None:
    """By their bits: of zeros of either sign, of numbers too small for all of their bits, of none and of infinite ones."""
    numbers = [0.0, -0.0, 1e-45, -1.5, 3.4e38, -3.4e38, np.inf, -np.inf, np.nan, -np.nan, -1e-30]
    x = np.random.default_rng(0).choice(np.array(numbers, np.float32), (200, length))
    x[: len(numbers), -1] = numbers
    for given in (x, x.astype(np.float64)):
        found = np.asarray(kernels.largest_magnitudes(jax.numpy.asarray(given)))
        np.testing.assert_array_equal(found, np.abs(given).max(axis=-1))
        finite = np.asarray(kernels.all_finite(jax.numpy.asarray(given)))
        assert finite.tolist() == np.isfinite(given).all(axis=-1).tolist()


@every_field
def test_powers(field: Field) -> None:
    v, vo = elements(field, (3,), 1)
    for count in (1, 2, 31):
        same(field, kernels.powers(field, v, count), vo[:, None] ** np.arange(count).astype(object))


@some_fields
def test_under_vmap_jit_and_scan(field: Field) -> None:
    x, xo = elements(field, (3, 2, 8, 10), 1)
    w, wo = elements(field, (10,), 2)
    v, _ = elements(field, (), 3)

    def everything(y: jax.Array) -> tuple[jax.Array, ...]:
        folded = kernels.fold_pieces(field, y, v, 2)
        return (
            kernels.inner(field, y, w),
            kernels.weighted_squares(field, folded, w[:5]),
            kernels.square_terms(field, y),
        )

    eager = [everything(y) for y in x]
    mapped = jax.jit(jax.vmap(everything))(x)
    _, scanned = jax.lax.scan(lambda c, y: (c, everything(y)), 0, x)
    for k in range(3):
        expected = np.stack([np.asarray(result[k]) for result in eager])
        assert (np.asarray(mapped[k]) == expected).all()
        assert (np.asarray(scanned[k]) == expected).all()
    same(field, mapped[0], (xo * wo).sum(-1))


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match="count is 0: legal is 1 or more"):
        kernels.fold_pieces(F61, F61.ones((4, 2)), F61.ones(()), 0)


@pytest.mark.parametrize("field", [F31, F61], ids=str)
def test_what_is_computed_once_is_so_when_compiled(field: Field) -> None:
    """Behind a branch that the compiler keeps; what is short is worth none."""
    for size, branches in ((1 << 12, True), (1 << 10, False)):
        x = field.asarray(np.arange(size, dtype=field.dtype))
        program = jax.jit(lambda x: field.mul(kernels.once(field.mul(x, x)), x)).lower(x).compile()
        assert ("conditional" in program.as_text()) == branches
        assert np.array_equal(program(x), field.mul(field.mul(x, x), x))


@pytest.mark.parametrize("length", [1, 2, 7, 64])
def test_all_true_finds_the_one_that_is_not(length: int) -> None:
    given = np.concatenate([~np.eye(length, dtype=bool), np.ones((1, length), bool), np.zeros((1, length), bool)])
    assert np.asarray(kernels.all_true(given)).tolist() == given.all(axis=-1).tolist()
