"""Matrices over the field: interpolation reproduces polynomials, hyper-invertible means every square submatrix."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from mpcjax.fields import EXPONENTS, F61, Field, linalg

every_field = pytest.mark.parametrize("field", [Field(e) for e in EXPONENTS], ids=lambda f: f"e{f.exponent}")


def evaluate(coefficients: list[int], x: int, p: int) -> int:
    return sum(c * pow(x, j, p) for j, c in enumerate(coefficients)) % p


@every_field
def test_vandermonde_and_lagrange_agree_with_polynomials(field: Field) -> None:
    p = field.modulus
    generator = random.Random(7)
    for size in (1, 2, 3, min(6, p - 1)):
        points = generator.sample(range(min(p, 1000)), size)
        at = [0, 1, p - 1, *(generator.randrange(p) for _ in range(4))]
        coefficients = [generator.randrange(p) for _ in range(size)]
        values = np.array([evaluate(coefficients, x, p) for x in points], object)
        wanted = [evaluate(coefficients, x, p) for x in at]
        matrix = linalg.lagrange(field, points, at)
        assert matrix.dtype == field.dtype and matrix.shape == (len(at), size)
        assert ((matrix.astype(object) @ values) % p).tolist() == wanted
        assert np.asarray(linalg.apply_static(field, matrix, field.from_int(values))).tolist() == wanted
        powers = linalg.vandermonde(field, at, size)
        assert ((powers.astype(object) @ np.array(coefficients, object)) % p).tolist() == wanted


@every_field
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (3, 3), (2, 5), (5, 2), (4, 4), (5, 5), (3, 4)])
def test_hyper_invertible_every_square_submatrix(field: Field, shape: tuple[int, int]) -> None:
    rows, cols = shape
    if rows + cols > field.modulus:
        with pytest.raises(ValueError, match=r"together at most 7"):
            linalg.hyper_invertible(field, rows, cols)
        return
    matrix = linalg.hyper_invertible(field, rows, cols)
    assert matrix.shape == shape and matrix.dtype == field.dtype
    for k in range(1, min(shape) + 1):
        for i in itertools.combinations(range(rows), k):
            for j in itertools.combinations(range(cols), k):
                assert linalg.rank(field, matrix[np.ix_(i, j)]) == k


def test_hyper_invertible_entries_are_small_integers() -> None:
    assert abs(np.asarray(F61.lift(linalg.hyper_invertible(F61, 5, 5)))).max() < 200


@pytest.mark.parametrize("exponent", [3, 5, 61])
def test_parity_check_accepts_exactly_low_degree(exponent: int) -> None:
    field = Field(exponent)
    p = field.modulus
    for m, degree in ((2, 0), (3, 1), (5, 2), (5, 3), (6, 2)):
        points = list(range(1, m + 1))
        matrix = linalg.parity_check(field, points, degree)
        assert matrix.shape == (m - degree - 1, m)
        assert linalg.rank(field, matrix) == m - degree - 1
        code = linalg.vandermonde(field, points, degree + 1).astype(object)
        assert not (matrix.astype(object) @ code % p).any()
    with pytest.raises(ValueError, match="degree is 2: with 3 points legal is 0 to 1"):
        linalg.parity_check(field, [1, 2, 3], 2)


def test_parity_check_of_consecutive_points_is_binomial() -> None:
    matrix = np.asarray(F61.lift(linalg.parity_check(F61, range(1, 6), 2)))
    assert matrix.tolist() == [[-1, 3, -3, 1, 0], [0, -1, 3, -3, 1]]


@every_field
def test_solve_inverse_and_rank(field: Field) -> None:
    p = field.modulus
    generator = random.Random(3)
    for size in (1, 2, 4):
        matrix = linalg.vandermonde(field, generator.sample(range(min(p, 100)), size), size)
        right = field.from_int([[generator.randrange(p) for _ in range(3)] for _ in range(size)])
        solution = linalg.solve(field, matrix, right)
        assert (matrix.astype(object) @ solution.astype(object) % p == right).all()
        inverse = linalg.inverse(field, matrix)
        assert (matrix.astype(object) @ inverse.astype(object) % p == np.eye(size, dtype=int)).all()
    singular = field.from_int([[1, 2], [2, 4]])
    assert linalg.rank(field, singular) == 1
    with pytest.raises(ValueError, match="singular"):
        linalg.inverse(field, singular)


@every_field
@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize(
    "form", [{}, {"SMALL": 0}, {"SMALL": 0, "TERMS": 0, "LONG": 1}], ids=["product", "unrolled", "loop"]
)
@pytest.mark.parametrize("most", [(1 << 30) // 4, (1 << 59) + 7])  # the first: as large as plain products can be
def test_apply_static(
    field: Field, axis: int, form: dict[str, int], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in form.items():
        monkeypatch.setattr(linalg, name, value)
    p = field.modulus
    generator = np.random.default_rng(1)
    x = generator.integers(0, p, (4, 4, 4), dtype=np.uint64).astype(field.dtype)
    x.reshape(-1)[::3] = p - 1
    matrix = np.array([[1, -1, 0, 2], [0, 0, 0, 0], [3, -20, p - 4, most], [-most, most, 1 - most, -most]], object)
    expected = np.moveaxis(np.tensordot(matrix, x.astype(object), (1, axis)), 0, axis) % p
    result = linalg.apply_static(field, matrix, x, axis)
    assert result.dtype == field.dtype
    assert (np.asarray(result) == expected).all()


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match=r"points are \[1, 8\]: legal are one or more points distinct mod 7"):
        linalg.lagrange(Field(3), [1, 8], [0])
    with pytest.raises(ValueError, match="width is 0"):
        linalg.vandermonde(F61, [1], 0)
    with pytest.raises(ValueError, match=r"apply_static of a matrix \(2, 3\) along axis 0 of \(4,\)"):
        linalg.apply_static(F61, np.ones((2, 3), int), F61.ones(4))
    with pytest.raises(ValueError, match="legal is square"):
        linalg.solve(F61, np.ones((2, 3), int), np.ones(2, int))
