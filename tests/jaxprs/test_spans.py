"""What public numbers lie between, although they are not known while tracing: what is divided by them rests on it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import _compat
from mpcjax.jaxprs.interpret import Run, interpret
from mpcjax.jaxprs.values import Value
from tests.jaxprs._run import on_secrets, traced

lax = jax.lax
MASKS = [np.array(mask) for mask in itertools.product([False, True], repeat=4)]


def count(a: Any) -> Any:
    return jnp.maximum(a.sum(), 1)


LIMITED: dict[str, Callable[[Any], Any]] = {
    "division truncates": lambda a: lax.div(jnp.clip(a.sum(), 3, 3), 2),
    "of negative numbers too": lambda a: lax.div(-3 - a.sum(), 2),
    "by itself it is one": lambda a: lax.div(jnp.clip(a.sum(), 49, 49), 49),
    "conversion truncates": lambda a: (count(a) * 0.75).astype(np.int32),
    "of negative numbers it does too": lambda a: (count(a) * -0.75).astype(np.int32),
    "what rounding brought below a whole number": lambda a: (jnp.clip(a.sum(), 3, 3) * np.float32(1 / 3)).astype(
        np.int32
    ),
    "limits that cross": lambda a: lax.clamp(5.0, count(a) * 1.0, 2.0),
    "small types within their range": lambda a: a.astype(np.uint8) + np.uint8(2),
    "negation": lambda a: -count(a),
    "sorted by another": lambda a: lax.sort((a.astype(np.int32), jnp.arange(4) + 0 * a), num_keys=1)[1],
}
UNLIMITED: dict[str, Callable[[Any], Any]] = {
    "unsigned wraps": lambda a: a.sum(dtype=np.uint32) - np.uint32(3),
    "negation of unsigned": lambda a: -count(a).astype(np.uint8),
    "conversion wraps": lambda a: (count(a) - 3).astype(np.uint8),
    "product wraps": lambda a: count(a).astype(np.int8) * np.int8(100),
    "sum wraps": lambda a: jnp.where(a, np.uint8(200), np.uint8(100)).sum(dtype=np.uint8),
    "what may be too large for a type": lambda a: (count(a) * 1e9).astype(np.int32),
    "square of what has no limits": lambda a: jnp.square(jnp.exp2(a.sum() * 17.0).astype(np.int32) % 2**30),
    "out of range": lambda a: jnp.take(a.astype(np.int32), a.sum() + 9, mode="fill"),
    "least of nothing": lambda a: lax.reduce((a * 1.0)[:0], np.float32(np.inf), lax.min, (0,)),
    "coarse": lambda a: count(a).astype(np.float16) * np.float16(1e4),
}


def found(f: Callable[[Any], Any], mask: np.ndarray) -> Value:
    (value,) = interpret(Run(16, 16), *_compat.opened(traced(f, mask)), [Value(jnp.asarray(mask), mask.shape)])
    return value


@pytest.mark.parametrize("name", [*LIMITED, *UNLIMITED])
def test_numbers_lie_within_their_span(name: str) -> None:
    for mask in MASKS:
        value = found({**LIMITED, **UNLIMITED}[name], mask)
        numbers, (low, high) = np.asarray(value.full, np.float64), value.span
        assert np.all(low - 2.0**-20 <= numbers) and np.all(numbers <= high + 2.0**-20), (mask, numbers, value.span)


@pytest.mark.parametrize("name", LIMITED)
def test_a_span_is_said_where_there_is_one(name: str) -> None:
    assert all(map(math.isfinite, found(LIMITED[name], MASKS[0]).span))


X = np.arange(20, dtype=np.float32).reshape(5, 4) / 64
A = np.array([True, True, True, True, False])
DIVISORS: dict[str, Callable[[Any], Any]] = {
    "quotient": lambda a: lax.div(jnp.clip(a.sum(), 3, 3), 2),
    "converted": lambda a: jnp.clip(a.sum() * 0.5, 1.5, 1.5).astype(np.int32),
    "unsigned": lambda a: jnp.maximum(jnp.clip(a.sum(dtype=np.uint32), 3, 3) - np.uint32(2), np.uint32(1)),
    "crossed": lambda a: jnp.maximum(lax.clamp(5.0, a.sum() * 1.0, 2.0), 1),
}


@pytest.mark.parametrize("name", DIVISORS)
def test_quotients_by_public_numbers(name: str, ideal: None) -> None:
    def f(x: Any, y: Any, a: Any) -> Any:
        return x / DIVISORS[name](a)

    with _compat.x32():
        expected = np.asarray(f(*map(jnp.asarray, (X, X, A))))
    np.testing.assert_allclose(on_secrets(f, X, X, A), expected, rtol=0, atol=2.0**-14)
