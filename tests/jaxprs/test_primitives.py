"""Every primitive of the closed list against JAX itself, on random and edge values, with secret and public operands."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import _compat
from mpcjax.jaxprs import PRIMITIVES
from tests.jaxprs._run import names_of, on_secrets, traced

lax = jax.lax
RNG = np.random.default_rng(0)
X = (np.round(RNG.uniform(-4, 4, (5, 4)) * 2**10) / 2**10).astype(np.float32)
Y = (np.round(RNG.uniform(-4, 4, (5, 4)) * 2**6) / 2**6).astype(np.float32)
X[0] = Y[0] = [0, 1, -1, 4]  # ties, zero, the bound
X[1], Y[1] = [2**-10, -(2**-10), -4, 2.5], [0, 0, -4, 2.5]
X[2, 3] = X[3, 3] = 1.5
A = np.array([True, False, True, True, False])
ODD = np.array([0.1, -0.7, 1 / 3, 2.0], np.float32)
ROWS = np.arange(15.0, dtype=np.float32).reshape(3, 5) / 4
PLACES = np.array([4, 0, 0, 2], np.int32)
ROUNDED = 2.0**-14  # a few roundings at 16 fractional bits, of numbers up to 4


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    f: Callable[[Any, Any, Any], Any]
    error: float = 0.0


def case(*exact: Callable[[Any, Any, Any], Any], rounded: Any = (), error: float = ROUNDED) -> list[Case]:
    return [*map(Case, exact), *(Case(f, error) for f in rounded)]


def count(a: Any) -> Any:
    return jnp.maximum(a.sum(), 1)


CASES = {
    "add": case(
        lambda x, y, a: x + y,
        lambda x, y, a: 0.25 + x,
        lambda x, y, a: x + a[:, None],
        lambda x, y, a: x + y[:1] + y[:, :1],
        rounded=[lambda x, y, a: x + ODD, lambda x, y, a: x + 1 / count(a)],
    ),
    "add_any": case(lambda x, y, a: jax.grad(lambda u: (u * u).sum())(x), lambda x, y, a: jax.grad(lambda u: u @ u)(x[0])),
    "sub": case(lambda x, y, a: x - y, lambda x, y, a: 3 - x, lambda x, y, a: x - a.sum(), lambda x, y, a: 1 - (x > y)),
    "neg": case(lambda x, y, a: -x),
    "mul": case(
        lambda x, y, a: x * y,
        lambda x, y, a: x * 0.375,
        lambda x, y, a: x * a[:, None],
        lambda x, y, a: x * x[0],
        lambda x, y, a: (x > y) * x,
        rounded=[lambda x, y, a: ODD * x, lambda x, y, a: x * (a / count(a))[:, None], lambda x, y, a: (x * y) * (x * x[0])],
        error=2.0**-8,
    ),
    "square": case(lambda x, y, a: jnp.square(x), lambda x, y, a: jnp.square(x).sum(0)),
    "div": case(
        lambda x, y, a: x / 8,
        rounded=[
            lambda x, y, a: x / ODD,
            lambda x, y, a: x / count(a),
            lambda x, y, a: x / jnp.maximum(y, 0.5),
            lambda x, y, a: x * y / (1 + jnp.abs(y)),
            lambda x, y, a: 1 / jnp.maximum(x, 1),
            lambda x, y, a: x / jnp.maximum(y[:, 0], 1)[:, None],
            lambda x, y, a: jnp.clip(x, 1, 2) / jnp.clip(y.sum(), 1, 2),
            lambda x, y, a: ODD / jnp.clip(y, 0.25, 1),
        ],
        error=2.0**-11,
    ),
    "integer_pow": case(lambda x, y, a: x**2, lambda x, y, a: y**3, rounded=[lambda x, y, a: x**5], error=2.0**-5),
    "pow": case(lambda x, y, a: y**2.0),
    "sqrt": case(
        rounded=[lambda x, y, a: jnp.sqrt(jnp.abs(x)), lambda x, y, a: jnp.linalg.norm(x, axis=1)], error=2.0**-15
    ),
    "floor": case(
        lambda x, y, a: jnp.floor(x), lambda x, y, a: jnp.floor(x * 4 + 0.5) / 4, lambda x, y, a: jnp.floor(1.0 * (x > y))
    ),
    "abs": case(lambda x, y, a: jnp.abs(x)),
    "sign": case(lambda x, y, a: jnp.sign(x), lambda x, y, a: jnp.sign(x - y)),
    "max": case(lambda x, y, a: jnp.maximum(x, y), lambda x, y, a: jax.nn.relu(x), lambda x, y, a: jnp.maximum(a[:, None], x),
                lambda x, y, a: jnp.maximum(-jnp.inf, x)),
    "min": case(lambda x, y, a: jnp.minimum(x, y), lambda x, y, a: jnp.minimum(x, 0.25),
                lambda x, y, a: jnp.minimum(x[0, 0], np.inf) * x),
    "clamp": case(lambda x, y, a: lax.clamp(-1.0, x, 1.5), lambda x, y, a: lax.clamp(y.min(), x, y.max())),
    "lt": case(lambda x, y, a: x < y, lambda x, y, a: x < 0, lambda x, y, a: a.sum() < x),
    "le": case(lambda x, y, a: x <= y, lambda x, y, a: jnp.less_equal(2.5, x)),
    "gt": case(lambda x, y, a: x > y, lambda x, y, a: x > x.mean()),
    "ge": case(lambda x, y, a: x >= y, lambda x, y, a: x >= 1.5),
    "eq": case(lambda x, y, a: x == y, lambda x, y, a: x == 1.5, lambda x, y, a: x == x, lambda x, y, a: x == np.inf),
    "ne": case(lambda x, y, a: x != y, lambda x, y, a: x != 0, lambda x, y, a: x != x),
    "not": case(
        lambda x, y, a: ~(x > y),
        lambda x, y, a: ~(x > y).astype(np.int32),
        lambda x, y, a: ~(x > y).sum(axis=0),
    ),
    "and": case(lambda x, y, a: (x > 0) & (y > 0), lambda x, y, a: (x > 0) & a[:, None], lambda x, y, a: (ODD > 0) & (x > 0)),
    "or": case(lambda x, y, a: (x > 0) | (y > 0), lambda x, y, a: a[:, None] | (x > 0)),
    "is_finite": case(lambda x, y, a: jnp.where(jnp.isfinite(x), x, 0)),
    "select_n": case(
        lambda x, y, a: jnp.where(x > y, x, y),
        lambda x, y, a: jnp.where(a[:, None], x, 7.5),
        lambda x, y, a: jnp.where(x > y, 0.5, a.sum()),
        lambda x, y, a: jnp.where(PLACES > 1, x, y),
        lambda x, y, a: jnp.where(x.sum() > 0, x, -x),
        lambda x, y, a: jnp.where(x.sum() > 0, 0.5, 2.0),
        lambda x, y, a: jnp.where(x != x, jnp.nan, x),
        lambda x, y, a: jnp.trace(x[:4]),
    ),
    "convert_element_type": case(lambda x, y, a: (x > y).sum(axis=0), lambda x, y, a: (x > y).astype(np.float32)),
    "copy": case(lambda x, y, a: jnp.copy(x)),
    "stop_gradient": case(lambda x, y, a: lax.stop_gradient(x)),
    "reduce_sum": case(
        lambda x, y, a: x.sum(),
        lambda x, y, a: x.mean(axis=1),
        lambda x, y, a: (x * y).sum(axis=0),
        lambda x, y, a: (x * x[0]).sum(),
        lambda x, y, a: (x * y[:, :1]).sum(axis=(0, 1)),
        lambda x, y, a: jnp.broadcast_to(x[:, :1], (5, 3)).sum(axis=1),
        lambda x, y, a: (x * 2).sum(axis=1),
    ),
    "reduce_max": case(lambda x, y, a: x.max(), lambda x, y, a: x.max(axis=0), lambda x, y, a: x.max(axis=(0, 1))),
    "reduce_min": case(lambda x, y, a: x.min(axis=1, keepdims=True)),
    "reduce_and": case(lambda x, y, a: (x > -3.5).all(axis=0), lambda x, y, a: jnp.all(x >= -4)),
    "reduce_or": case(lambda x, y, a: (x > 3.5).any(axis=0), lambda x, y, a: jnp.any(x > 4)),
    "dot_general": case(
        lambda x, y, a: x @ y[0],
        lambda x, y, a: x[:, 0] @ y,
        lambda x, y, a: x[0] @ y[0],
        lambda x, y, a: x @ y.T,
        lambda x, y, a: ROWS @ x,
        lambda x, y, a: x.T @ ROWS.T,
        lambda x, y, a: a.astype(np.float32) @ x,
        lambda x, y, a: jnp.einsum("ij,kj->ik", x, x),
        lambda x, y, a: jnp.einsum("ki,kj->kij", x, y),
        lambda x, y, a: jnp.einsum("ki,kj->ij", x, y),
        lambda x, y, a: jnp.vdot(x, y),
        lambda x, y, a: jax.vmap(jnp.vdot)(x, y),
        lambda x, y, a: jnp.einsum("kij,kj->ik", jnp.stack([x, y]), jnp.stack([x[0], y[0]])),
        lambda x, y, a: jnp.einsum("ij,ij->i", x, ROWS.T[:, :1] * np.ones(4, np.float32)),
        rounded=[lambda x, y, a: ((x @ y[0]) * (x @ y[1])) @ x, lambda x, y, a: (a / count(a)) @ x],
        error=2.0**-6,
    ),
    "sort": case(lambda x, y, a: jnp.sort(x, axis=0), lambda x, y, a: jnp.sort(x), lambda x, y, a: jnp.sort(x > y)),
    "concatenate": case(lambda x, y, a: jnp.concatenate([x, y]), lambda x, y, a: jnp.concatenate([x, ROWS[:, :4]])),
    "stack": case(lambda x, y, a: jnp.stack([x, y], axis=1), lambda x, y, a: jnp.stack([x > 0, y > 0])),
    "broadcast_in_dim": case(
        lambda x, y, a: jnp.broadcast_to(x[0], (3, 4)), lambda x, y, a: x[:, :, None]
    ),
    "tile": case(lambda x, y, a: jnp.tile(x[0], (2, 3))),
    "reshape": case(lambda x, y, a: x.reshape(2, 10), lambda x, y, a: x.ravel()),
    "squeeze": case(lambda x, y, a: x[3]),
    "transpose": case(lambda x, y, a: x.T),
    "rev": case(lambda x, y, a: x[::-1]),
    "slice": case(lambda x, y, a: lax.slice(x, (1, 1), (5, 4), (2, 1))),
    "split": case(lambda x, y, a: jnp.split(x, [1, 3])[1]),
    "dynamic_slice": case(
        lambda x, y, a: lax.dynamic_slice(x, (1, 0), (2, 4)),
        lambda x, y, a: lax.dynamic_slice(x, (a.sum(dtype=np.int32), np.int32(0)), (1, 4)),
    ),
    "gather": case(
        lambda x, y, a: x[PLACES],
        lambda x, y, a: jnp.take(x, PLACES, axis=0),
        lambda x, y, a: jnp.median(x, axis=0),
        lambda x, y, a: jnp.median(x[:4], axis=0),
        lambda x, y, a: jnp.take(jnp.sort(x, axis=0), a.sum() // 2, axis=0, mode="clip"),
    ),
}  # fmt: skip
ALL = [pytest.param(c, id=f"{name} {k}") for name, cases in CASES.items() for k, c in enumerate(cases)]


def test_every_primitive_has_cases() -> None:
    assert set(CASES) == set(PRIMITIVES)


@pytest.mark.parametrize("name", CASES)
def test_cases_are_about_their_primitive(name: str) -> None:
    found = {n for c in CASES[name] for n in names_of(traced(c.f, X, Y, A).jaxpr)}
    assert name in found or name in {"stack", "tile"}, (
        f"{name}: {found}"
    )  # these came with jax 0.10, or a little before


@pytest.mark.parametrize("case", ALL)
def test_on_secrets_is_plain(case: Case, ideal: None) -> None:
    expected = np.asarray(case.f(jnp.asarray(X, np.float64), jnp.asarray(Y, np.float64), jnp.asarray(A)), np.float64)
    found = on_secrets(case.f, X, Y, A)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=case.error)
    assert np.all(np.isfinite(expected))


@jax.custom_vjp
def own(x: Any) -> Any:
    return x * 2


own.defvjp(lambda x: (own(x), x), lambda x, g: (g,))
AROUND = {
    "jit": lambda x, y, a: jax.jit(lambda u: u * 2 + y)(x),
    "vmap": lambda x, y, a: jax.vmap(lambda u, v: u @ v + u.max())(x, y),
    "grad": lambda x, y, a: jax.grad(lambda u: (u**2 * y).sum())(x),
    "checkpoint": lambda x, y, a: jax.checkpoint(lambda u: u * u)(x),
    "custom_vjp": lambda x, y, a: own(x),
    "fori_loop": lambda x, y, a: lax.fori_loop(0, 3, lambda i, total: total + i * x[i], y[0]),
    "scan": lambda x, y, a: lax.scan(lambda c, row: (c + row, c * 2), x[0], x)[1],
    "scan in reverse": lambda x, y, a: lax.scan(lambda c, row: (c + row, c), x[0], x, reverse=True)[1],
    "map": lambda x, y, a: lax.map(lambda row: row.max(), x),
    "a known branch": lambda x, y, a: lax.cond(PLACES[0] > 1, lambda: x, lambda: -x),
    "value and gradient": lambda x, y, a: jax.value_and_grad(lambda u: (u**2).sum())(x)[1],
    "no NaN": lambda x, y, a: jnp.nan_to_num(x),
    "scan of no steps": lambda x, y, a: lax.scan(lambda c, row: (c + row, c), x[0], x[:0])[0],
    "what a scan of no steps stacks": lambda x, y, a: (
        x[0] + lax.scan(lambda c, row: (c + row, c), x[0], x[:0])[1].sum(0)
    ),
    "any of nothing": lambda x, y, a: x * jnp.any(x[:0] > 0, axis=0),
    "all of nothing": lambda x, y, a: x * jnp.all(x[:0] > 0, axis=0),
    "sums of no products": lambda x, y, a: x[:4] + x.T[:, :0] @ x[:0],
    "public anything": lambda x, y, a: x * jnp.floor(jnp.exp(jax.random.uniform(jax.random.key(0), (4,)))),
    "public scan": lambda x, y, a: x * lax.fori_loop(0, 3, lambda i, t: t * 2, 1.0),
    "unused": lambda x, y, a: (jnp.exp(x), x)[1],
    "constant": lambda x, y, a: jnp.arange(4.0),
}


@pytest.mark.parametrize("name", AROUND)
def test_what_stands_around_primitives(name: str, ideal: None) -> None:
    with _compat.x32():
        expected = np.asarray(AROUND[name](*map(jnp.asarray, (X, Y, A))))
    np.testing.assert_array_equal(on_secrets(AROUND[name], X, Y, A), expected)


def huber(u: Any) -> Any:
    return jnp.where(jnp.abs(u) < 1, u * u / 2, jnp.abs(u) - 0.5).sum()


GRADIENTS: dict[str, tuple[Callable[[Any], Any], float]] = {
    "square": (lambda u: u @ u, 0),
    "abs": (lambda u: jnp.abs(u).sum(), 0),
    "where": (lambda u: jnp.where(u > 0, u * u, 0).sum(), 0),
    "Huber": (huber, ROUNDED),
    "relu": (lambda u: jax.nn.relu(u).sum(), 0),
    "clip": (lambda u: jnp.clip(u, -1, 1).sum(), ROUNDED),
    "root": (lambda u: jnp.sqrt(1 + u * u).sum(), 2.0**-11),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name: str, ideal: None) -> None:
    f, error = GRADIENTS[name]

    def both(x: Any, y: Any, a: Any) -> Any:
        value, slope = jax.value_and_grad(f)(x[1])
        return jnp.concatenate([value[None], slope, jax.grad(f)(y[0])])

    with _compat.x32():
        expected = np.asarray(both(*map(jnp.asarray, (X, Y, A))))
    np.testing.assert_allclose(on_secrets(both, X, Y, A), expected, rtol=0, atol=4 * error)
