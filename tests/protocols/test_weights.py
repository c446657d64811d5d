"""Public weights: which are independent, that products of two miss no more than is stated, and where `verify` takes which."""

from __future__ import annotations

import itertools
import sys
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import protocols
from mpcjax.fabric import Simulated
from mpcjax.fields import EXPONENTS, F31, F61, Field
from mpcjax.prg import Stream
from mpcjax.protocols import verify
from mpcjax.runtime import Dots, Projected, Runtime
from mpcjax.sharing import Shamir
from tests.protocols._play import compiled, values

WEIGHTS, VERIFY = (sys.modules[f"mpcjax.protocols.{name}"] for name in ("weights", "verify"))
F7 = Field(3)
KEY = np.array([1, 2], np.uint32)


@pytest.fixture
def tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of two from two weights on, in every field."""
    monkeypatch.setattr(WEIGHTS, "FEW", 1)
    monkeypatch.setattr(WEIGHTS, "challenges", lambda field: 2)


class Drawn:
    """A stream that gives what it is told to."""

    def __init__(self, numbers: Any):
        self.numbers = np.asarray(numbers)

    def uniform(self, label: str, field: Field, shape: tuple[int, int]) -> Any:
        assert self.numbers.shape == shape
        return jnp.asarray(self.numbers[None], field.dtype)


def root() -> Stream:
    return Stream.from_seed(bytes(32))


@pytest.mark.parametrize("field", [F31, F61], ids=str)
def test_a_few_are_as_they_are_drawn(field: Field) -> None:
    found = WEIGHTS.weights_of(root(), "a", field, 2, WEIGHTS.FEW, 3)
    assert np.array_equal(found, root().uniform("a", field, (2, 3 + WEIGHTS.FEW))[0])


def test_in_small_fields_many_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WEIGHTS, "FEW", 1)
    for field in map(Field, EXPONENTS):
        found = WEIGHTS.weights_of(root(), "a", field, 2, 50)
        assert np.array_equal(found, root().uniform("a", field, (2, 50))[0]) == (field.exponent < 31)


@pytest.mark.parametrize("count", [*range(2, 20), 1000])
def test_many_are_products(count: int, tensors: None) -> None:
    columns = next(c for c in (1, 2, 4, 8, 16, 32, 64) if c * c >= count)
    rows = -(-count // columns)
    first, a, b = values(F31, (3, 2), (3, rows), (3, columns))
    drawn: Any = Drawn(np.concatenate([first, a, b], axis=1))
    found = np.asarray(WEIGHTS.weights_of(drawn, "a", F31, 3, count, 2)).astype(object)
    products = (a.astype(object)[:, :, None] * b.astype(object)[:, None, :]) % F31.modulus
    assert np.array_equal(found, np.concatenate([first, products.reshape(3, -1)[:, :count]], axis=1))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_combination_of_every_error_over_the_field_of_seven(count: int, tensors: None) -> None:
    """Whatever the errors, and whatever others add: missed as often as stated at most, and by the worst of them so often."""
    size = -(-count // 2) + 2
    every: Any = Drawn(list(itertools.product(range(7), repeat=size)))
    weights = np.asarray(WEIGHTS.weights_of(every, "a", F7, 7**size, count)).astype(np.int64)
    errors = np.array(list(itertools.product(range(7), repeat=count)))[1:]
    combined = weights @ errors.T % 7
    worst = max(int(np.count_nonzero(combined == r, axis=0).max()) for r in range(7))
    assert worst == round(WEIGHTS.missed(F7) * len(weights))


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_what_is_missed_takes_no_more_tries_for_two(exponent: int) -> None:
    rt = Runtime(Shamir(Field(exponent), 3, 1), Simulated(3), None, None)  # type: ignore[arg-type]
    p = rt.field.modulus
    missed = WEIGHTS.missed(rt.field)
    exact = 1 - (1 - Fraction(1, p)) ** (1 if exponent < 31 else 2)
    assert missed == pytest.approx(float(exact), rel=1e-9)
    assert rt.repetitions(missed) == rt.repetitions(1 / p)


def no_gram(rt: Runtime, x: Any) -> None:
    protocols.multiply(rt, x, x)
    verify(rt)


def with_gram(rt: Runtime, x: Any) -> None:
    protocols.multiply(rt, x[:, 0], x[:, 1])
    protocols.gram(rt, x)
    protocols.dot(rt, x, x)
    verify(rt)


def test_a_gram_matrix_takes_independent_ones(tensors: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For entries of one tensor u_i w_j may be u_k w_l, and errors cancel whatever is drawn."""
    drawn, taken = [], []
    weights_of, projected = WEIGHTS.weights_of, VERIFY._projected
    monkeypatch.setattr(
        VERIFY, "weights_of", lambda *given: drawn.append((given[-1], weights_of(*given))) or drawn[-1][1]
    )
    monkeypatch.setattr(VERIFY, "_projected", lambda rt, c, u, w: taken.append((u, w)) or projected(rt, c, u, w))
    scheme, found = Shamir(F31, 3, 1), []

    def program(rt: Runtime, x: Any) -> Any:
        with_gram(rt, x)
        found.extend([jnp.concatenate(taken[-1], axis=1), drawn[-1][1]])
        return found[-2:]

    (gram, every), ok = compiled(scheme, program, [(3, 4)])(KEY, np.zeros(9, np.uint32), *values(F31, (3, 4)))
    assert ok and drawn[-1][0] == 6 and np.array_equal(gram, every[:, :6])
    others = np.asarray(every[:, 6:]).astype(object)
    assert np.all((others[:, 0] * others[:, 5] - others[:, 1] * others[:, 4]) % F31.modulus == 0), "columns are four"
    u, w = np.split(np.asarray(gram).astype(object), 2, axis=1)
    assert np.all((u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) % F31.modulus)


@pytest.mark.parametrize("lie", [{0: 1}, {0: 1, 1: -1}, {0: 1, 4: -1}, {11: 5}], ids=str)
def test_a_wrong_product_among_many_is_caught(lie: dict[int, int], tensors: None) -> None:
    """Alone, and two that cancel where the weights of a row, or of a column, are alike."""
    scheme = Shamir(F31, 3, 1)

    def program(rt: Runtime, x: Any, errors: Any) -> None:
        claim = rt.claim
        rt.claim = lambda made: claim(wrong(rt, made, errors))  # type: ignore[method-assign]
        protocols.multiply(rt, x[:, :4].reshape(len(x), 12), x[:, 4:].reshape(len(x), 12))
        verify(rt)

    def wrong(rt: Runtime, made: Any, errors: Any) -> Any:
        return type(made)(made.x, made.y, rt.field.add(made.z, errors.reshape(made.z.shape)))

    run, (x,) = compiled(scheme, program, [(8, 3), (12,)]), values(F31, (8, 3))
    errors = np.zeros(12, np.uint32)
    assert run(KEY, None, x, errors)[1]
    errors[list(lie)] = [value % F31.modulus for value in lie.values()]
    assert not run(KEY, None, x, errors)[1]


@pytest.mark.parametrize("lie", [{0: 1}, {0: 1, 1: -1}, {0: 1, 4: -1}, {11: 5}], ids=str)
def test_what_is_not_zero_among_many_is_caught(lie: dict[int, int], tensors: None) -> None:
    def program(rt: Runtime, x: Any) -> None:
        rt.claim_zero(x)
        verify(rt)

    run, errors = compiled(Shamir(F31, 3, 1), program, [(12,)]), np.zeros(12, np.uint32)
    assert run(KEY, None, errors)[1]
    errors[list(lie)] = [value % F31.modulus for value in lie.values()]
    assert not run(KEY, None, errors)[1]


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_directions_that_are_products_count_twice(exponent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Direction and coefficient of a `Projected`; the mask and the levels of a vector of one are the rest of an error."""
    rt = Runtime(Shamir(Field(exponent), 3, 1), Simulated(3), None, None)  # type: ignore[arg-type]
    p, asked = Fraction(rt.field.modulus), list[Any]()
    batching = 2 if exponent < 31 else 4
    exact = 1 - (1 - 1 / p) ** batching * (1 - 3 / p)
    assert VERIFY._error(rt, 1, True) == pytest.approx(float(exact), rel=1e-9)
    monkeypatch.setattr(VERIFY, "_error", lambda rt, length, projected: asked.append(projected) or 0.5)
    w = np.zeros((3, 4))
    VERIFY.tries(rt, [Projected(w, None, None), Dots(w[:, None], w[:, None], w)])
    VERIFY.tries(rt, [Dots(w[:, None], w[:, None], w)])
    assert asked == [True, False]
