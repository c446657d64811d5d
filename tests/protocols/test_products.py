"""Every kind of product is right, its claims are verified, and a claim that is wrong is caught."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest

from mpcjax import protocols
from mpcjax.fields import F31, F61, Field
from mpcjax.protocols import verify
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.protocols._play import compiled, reveal, values

SHAPES = [(3, 5), (3, 5), (3,)]
KINDS = ["multiply", "scaled", "dot", "weighted squares", "combination", "gram", "matrix and vector", "matrix product"]
CHECKED = [Shamir(F61, 3, 1), Shamir(F31, 5, 2), Shamir(Field(5), 3, 1)]
ROBUST = pytest.param(Shamir(F31, 4, 1), marks=pytest.mark.long)
KEY = np.array([1, 2], np.uint32)


@pytest.fixture(autouse=True)
def both_ways_of_cutting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the length from which `verify` cuts vectors into fewer pieces."""
    monkeypatch.setattr(sys.modules["mpcjax.protocols.folding"], "MANY", 8)


def name(scheme: Shamir) -> str:
    return f"e{scheme.field.exponent}-m{scheme.parties}" + ("-robust" if scheme.robust else "")


def every_product(rt: Runtime, x: Any, y: Any, w: Any) -> dict[str, Any]:
    weights = rt.field.asarray(list(range(5)))
    found = {
        "multiply": protocols.multiply(rt, x, y),
        "scaled": protocols.multiply(rt, w[:, :, None], x),
        "dot": protocols.dot(rt, x, y),
        "weighted squares": protocols.weighted_squares(rt, x, weights),
        "combination": protocols.combination(rt, w, x),
        "gram": protocols.gram(rt, x),
        "matrix and vector": protocols.matrix_vector(rt, x, y[:, 0]),
        "matrix product": protocols.matrix_product(rt, y[:, :2, :3], x),
    }
    assert len(rt.products) == (0 if rt.scheme.robust else len(KINDS) + 1)  # one for each row of the last
    verify(rt)
    rt.require_settled("output")
    return found


@cache
def program(scheme: Shamir) -> Callable[..., Any]:
    return compiled(scheme, every_product, SHAPES)


def no_errors(scheme: Shamir) -> np.ndarray:
    return np.zeros(len(KINDS) + 1, scheme.field.dtype)


@pytest.mark.parametrize("scheme", [*CHECKED, ROBUST], ids=name)
def test_products_are_right(scheme: Shamir) -> None:
    inputs = values(scheme.field, *SHAPES)
    found, verified = program(scheme)(jax.random.wrap_key_data(KEY), no_errors(scheme), *inputs)
    assert bool(verified)
    x, y, w = (value.astype(object) for value in inputs)
    expected = {
        "multiply": x * y,
        "scaled": w[:, None] * x,
        "dot": np.sum(x * y, axis=1),
        "weighted squares": np.sum(x * x * np.arange(5), axis=1),
        "combination": np.sum(w[:, None] * x, axis=0),
        "gram": x @ x.T,
        "matrix and vector": x @ y[0],
        "matrix product": y[:2, :3] @ x,
    }
    for kind, value in expected.items():
        assert np.array_equal(reveal(scheme, found[kind]), value % scheme.field.modulus), kind


@pytest.mark.parametrize("kind", range(len(KINDS) + 1), ids=[*KINDS, "second row"])
@pytest.mark.parametrize("scheme", CHECKED, ids=name)
def test_a_wrong_claim_of_any_kind_is_caught(scheme: Shamir, kind: int) -> None:
    for seed, error in enumerate((1, scheme.field.modulus - 1)):
        errors = no_errors(scheme)
        errors[kind] = error
        inputs = values(scheme.field, *SHAPES, seed=seed)
        _, verified = program(scheme)(jax.random.key(seed), errors, *inputs)
        assert not bool(verified)


def test_products_broadcast() -> None:
    scheme, shapes = Shamir(Field(5), 3, 1), [(3,), (3,)]

    def both(rt: Runtime, x: Any, y: Any) -> Any:
        return protocols.multiply(rt, x[:, :, None], y[:, None]), protocols.dot(rt, x[:, None], y[:, None])

    inputs = values(scheme.field, *shapes)
    (table, total), _ = compiled(scheme, both, shapes)(jax.random.key(0), np.zeros(2, np.uint32), *inputs)
    x, y = (value.astype(object) for value in inputs)
    assert np.array_equal(reveal(scheme, table), np.outer(x, y) % 31)
    assert np.array_equal(reveal(scheme, total), [np.sum(x * y) % 31])


def test_beaver_in_robust_mode_claims_nothing() -> None:
    scheme, shapes = Shamir(F31, 4, 1), [(3,), (3,)]

    def product(rt: Runtime, x: Any, y: Any) -> Any:
        found = protocols.multiply(rt, x, y)
        rt.require_settled("output")
        return found, rt.accused

    inputs = values(F31, *shapes)
    (found, accused), verified = compiled(scheme, product, shapes)(jax.random.key(0), None, *inputs)
    x, y = (value.astype(object) for value in inputs)
    assert bool(verified) and not np.any(accused)
    assert np.array_equal(reveal(scheme, found), x * y % F31.modulus)
