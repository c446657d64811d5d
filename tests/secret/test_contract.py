"""Every operator and function of `mpcjax.secret`: on secrets what it is on plain arrays, up to the stated rounding.

Inputs reach their bounds, results stay in theirs, and a result that calls itself a bit is one.
"""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax.secret as ms
from mpcjax import circuits
from mpcjax.fields import F31
from mpcjax.sharing import Shamir
from tests.rules._ideal import IDEAL
from tests.secret._run import Case, Found, Of, on_secrets

TOP = 2.0**54  # at 4 fractional bits; differences of two reach p / 8
X = Of([-TOP, -3.0625, -0.0625, 0, 0.0625, 2.5, TOP])
Y = Of([-TOP, 3.0, -0.0625, 0.0625, 0, 2.5, -TOP])
FINE = Of(np.array([-1.0, -0.3125, 0, 0.125, 0.5, 1 - 2**-10, 1.0]), scale=12)
SMALL = Of([-9.0, -2.5, -0.0625, 0, 0.0625, 2.5, 9.0])
ROWS = Of(np.array([[3.5, -2, 0.25], [-9, 9, 0.25], [3.5, 0, -7], [1, 2, 3], [9, -9, 0]]))
SQUARE = Of(np.array([[1.5, -2, 4], [0, 9, -9], [-0.25, 7, 7]]))
WEIGHTS = np.array([0.5, -0.25, 1, 0, 0.125])


def jax_weights() -> jax.Array:
    with jax.ensure_compile_time_eval():
        return jnp.asarray(WEIGHTS)[:, None]


ODD = np.array([1e-3, -0.7, 0.3, 2 / 3, 1.0])
TWO = 2.0**-16  # the relative rounding of a public factor

COMPARISONS = {
    "<": Case(lambda x, y: x < y, (X, Y)),
    "<= of other scales": Case(lambda x, y: x <= y, (SMALL, FINE)),
    "> broadcast": Case(lambda x, y: x[:, None] > y, (SMALL, FINE)),
    ">=": Case(lambda x, y: x >= y, (X, Y)),
    "< number": Case(lambda x: x < 2.5, (SMALL,)),
    "number <": Case(lambda x: np.float32(-2.5) < x, (SMALL,)),
    ">= int": Case(lambda x: x >= 0, (X,)),
    "<= array": Case(lambda x: x <= np.arange(-3.0, 4.0), (SMALL,)),
    "array >": Case(lambda x: np.arange(-3, 4) > x, (SMALL,)),
    "< traced": Case(
        lambda x, t: x < ms.public(t, bits=4, bound=9.0), (SMALL, np.linspace(-3, 3, 7, dtype=np.float32))
    ),
    "traced <": Case(lambda x, t: ms.public(t, bits=4, bound=9.0) < x, (SMALL, np.full(7, 2.5, np.float32))),
    "equal": Case(lambda x, y: ms.equal(x, y), (X, Y)),
    "equal number": Case(lambda x: ms.equal(2.5, x), (SMALL,)),
    "and or not": Case(lambda x, y: ~((x < 0) & (y < 0)) | (x > y), (SMALL, FINE)),
    "public and or": Case(lambda x: ((x < 0) & (np.arange(7) > 1)) | (np.arange(7) > 5), (SMALL,)),
    "traced or": Case(lambda x, t: (x < 0) | (t > 0), (SMALL, np.arange(-3, 4))),
    "one less a bit": Case(lambda x: 1 - (x < 0), (SMALL,)),
    "counted": Case(lambda x: (x < 0).sum(), (SMALL,)),
}
ARITHMETIC = {
    "+": Case(lambda x, y: x + y, (X, Y)),
    "- of other scales": Case(lambda x, y: x - y, (SMALL, FINE)),
    "+ broadcast": Case(lambda x, y: x + y[0], (ROWS, ROWS)),
    "+ broadcast of fewer axes, as many as parties": Case(lambda x, y: x[:3] + y, (ROWS, SQUARE)),
    "number - and + int": Case(lambda x: 0.5 - x + 3, (X,)),
    "+ float": Case(lambda x: x + 0.1, (SMALL,), error=2.0**-17),
    "+ float at the scale of the secret": Case(lambda x: 0.1 + x, (Of([-1.0, 1.0], scale=24),), error=2.0**-25),
    "+ array": Case(lambda x: np.arange(5.0)[:, None] + x, (ROWS,)),
    "- booleans": Case(lambda x: x - (np.arange(7) > 2), (SMALL,)),
    "- traced": Case(
        lambda x, t: x - ms.public(t, bits=8, bound=2.0), (SMALL, np.linspace(-3, 3, 7, dtype=np.float32))
    ),
    "+ traced integers": Case(lambda x, t: x + ms.public(t, bound=3), (SMALL, np.arange(-3, 4))),
    "* secret": Case(lambda x, y: x * y, (SMALL, FINE)),
    "* broadcast": Case(lambda x, y: x * y[:, :1], (ROWS, ROWS)),
    "* dyadic": Case(lambda x: x * -0.375, (SMALL,)),
    "* tiny": Case(lambda x: 1e-4 * x, (SMALL,), relative=TWO),
    "* huge": Case(lambda x: 123456.789 * x, (SMALL,), relative=TWO),
    "* array": Case(lambda x: ODD[:, None] * x, (ROWS,), error=9 * TWO),
    "* jax array": Case(lambda x: x * jax_weights(), (ROWS,)),
    "* booleans": Case(lambda x: x * (np.arange(7) > 2), (X,)),
    "* traced booleans": Case(lambda x, t: t * x, (X, np.arange(7) > 2)),
    "* traced": Case(
        lambda x, t: ms.public(t, bits=10, bound=1.0) * x, (SMALL, np.linspace(-1, 2, 7, dtype=np.float32))
    ),
    "* traced NaN": Case(lambda x, t: x * ms.public(t, bits=1, bound=1.0), (SMALL, np.float32(np.nan))),
    "* zero": Case(lambda x: x * 0.0, (X,)),
    "/ power of two": Case(lambda x: x / 4, (X,)),
    "/ number": Case(lambda x: x / 3, (SMALL,), relative=TWO),
    "/ array": Case(lambda x: x / np.array([3.0, 0.5, 4]), (ROWS,), error=9 * 2 * TWO),
    "**": Case(lambda x: x**3, (SMALL,)),
    "sum": Case(lambda x: x.sum(), (ROWS,)),
    "sum along one": Case(lambda x: ms.sum(x, axis=-1, keepdims=True), (ROWS,)),
    "sum along two": Case(lambda x: ms.sum(x, axis=(0, 1)), (ROWS,)),
    "mean": Case(lambda x: ms.mean(x, axis=0), (ROWS,), relative=TWO),
    "mean of four": Case(lambda x: x[:4].mean(0), (ROWS,)),
    "rescale": Case(lambda x: ms.rescale(x, 2), (SMALL,)),
    "abs": Case(lambda x: abs(x), (X,)),
    "relu": Case(lambda x: ms.relu(x), (X,)),
    "maximum": Case(lambda x, y: ms.maximum(x, y), (X, Y)),
    "maximum number": Case(lambda x: ms.maximum(0.25, x), (SMALL,)),
    "minimum": Case(lambda x, y: ms.minimum(x, y), (SMALL, FINE)),
    "clip": Case(lambda x: ms.clip(x, -1, np.full(3, 2.5)), (ROWS,)),
    "where": Case(lambda x, y: ms.where(x < y, x, y), (SMALL, FINE)),
    "where of public": Case(lambda x: ms.where(x < 0, 0.5, np.arange(7)), (SMALL,)),
    "where broadcast": Case(lambda x, y: ms.where(x[:, :1] < 0, x, y[0]), (SQUARE, ROWS)),
    "where public": Case(lambda x, y: ms.where(np.arange(7) > 2, x, y), (X, Y)),
    "where traced": Case(lambda x, t: ms.where(t[:, None], x, 1.5), (ROWS, np.arange(5) > 2)),
}
ORDER = {
    "sort": Case(lambda x: ms.sort(x, axis=0), (ROWS,)),
    "sort last": Case(lambda x: ms.sort(x), (X,)),
    "median of five": Case(lambda x: ms.median(x, axis=0), (ROWS,)),
    "median of four": Case(lambda x: ms.median(x[:4], axis=0, keepdims=True), (ROWS,)),
    "median of all": Case(lambda x: ms.median(x), (SQUARE,)),
    "max": Case(lambda x: x.max(), (X,)),
    "max along one": Case(lambda x: ms.max(x, axis=0), (ROWS,)),
    "min along one": Case(lambda x: ms.min(x, axis=1, keepdims=True), (ROWS,)),
    "max of one": Case(lambda x: ms.max(x[:1], axis=0), (ROWS,)),
    "argmax": Case(lambda x: ms.argmax(x), (ROWS,)),
    "argmax of ties": Case(lambda x: ms.argmax(x, axis=0), (Of([[1.0, 2], [1, 2], [0, 2]]),)),
    "argmax along the last": Case(lambda x: ms.argmax(x, axis=-1), (ROWS,)),
    "argmax of one": Case(lambda x: ms.argmax(x[:1]), (X,)),
    "chosen row": Case(lambda x: ms.argmax(x[:, 0]) @ x, (SQUARE,)),
}
PRODUCTS = {
    "[n] @ [n]": Case(lambda x, y: x @ y, (SMALL, FINE)),
    "[n] @ [n, d]": Case(lambda x: x[:, 0] @ x, (ROWS,)),
    "[k, n] @ [n]": Case(lambda x: x @ x[0], (ROWS,)),
    "[k, n] @ [n, d]": Case(lambda x, y: ms.dot(x, y), (ROWS, SQUARE)),
    "public [n] @ [n]": Case(lambda x: WEIGHTS @ x[:, 0], (ROWS,)),
    "public [n] @ [n, d]": Case(lambda x: WEIGHTS @ x, (ROWS,)),
    "public odd [n] @ [n, d]": Case(lambda x: ODD @ x, (ROWS,), error=5 * 9 * TWO),
    "public [k, n] @ [n]": Case(lambda x: np.stack([WEIGHTS, -WEIGHTS]) @ x[:, 1], (ROWS,)),
    "public [k, n] @ [n, d]": Case(lambda x: np.stack([WEIGHTS, -WEIGHTS]) @ x, (ROWS,)),
    "[n] @ public [n]": Case(lambda x: x[:, 0] @ WEIGHTS, (ROWS,)),
    "[n] @ public [n, d]": Case(lambda x: x @ np.arange(14.0).reshape(7, 2), (SMALL,)),
    "[k, n] @ public [n]": Case(lambda x: ms.dot(x, np.array([1, -2, 0.5])), (ROWS,)),
    "[k, n] @ public [n, d]": Case(lambda x: x @ np.array([[1, 2.0], [-2, 0.5], [0, 1]]), (ROWS,)),
    "traced [n] @ [n, d]": Case(
        lambda x, t: ms.public(t, bits=6, bound=1.0) @ x, (ROWS, np.linspace(-1, 1, 5, dtype=np.float32))
    ),
    "booleans @ [n, d]": Case(lambda x, t: t @ x, (ROWS, np.arange(5) > 2)),
    "bits @ [n, d]": Case(lambda x: (x[:, 0] > 0) @ x, (ROWS,)),
}
SHAPES = {
    "x[1]": Case(lambda x: x[1], (ROWS,)),
    "x[-1, 0]": Case(lambda x: x[-1, 0], (ROWS,)),
    "x[1:4:2, ::-1]": Case(lambda x: x[1:4:2, ::-1], (ROWS,)),
    "x[..., None, 0]": Case(lambda x: x[..., None, 0], (ROWS,)),
    "x[None]": Case(lambda x: x[None], (ROWS,)),
    "x[array]": Case(lambda x: x[np.array([4, 0, 0])], (ROWS,)),
    "x[:, array]": Case(lambda x: x[:, np.array([[2], [0]])], (ROWS,)),
    "x[array, array]": Case(lambda x: x[np.arange(3), np.array([2, 1, 0])], (SQUARE,)),
    "arrays with a slice between": Case(lambda x: x.reshape(3, 3, 1)[np.array([0, 2]), :, np.array([0])], (SQUARE,)),
    "x[booleans]": Case(lambda x: x[np.array([True, False, True])], (SQUARE,)),
    "T": Case(lambda x: x.T, (ROWS,)),
    "reshape": Case(lambda x: x.reshape(3, -1), (ROWS,)),
    "ravel": Case(lambda x: x.ravel(), (ROWS,)),
    "module reshape": Case(lambda x: ms.reshape(x, (3, 5)), (ROWS,)),
    "stack": Case(lambda x, y: ms.stack([x, y, np.full(7, 0.5)], axis=-1), (SMALL, FINE)),
    "stack of bits": Case(lambda x: ms.stack([x > 0, x < 0]), (SMALL,)),
    "concatenate": Case(lambda x, y: ms.concatenate([x, y, np.ones((1, 3))], axis=0), (ROWS, SQUARE)),
    "concatenate last": Case(lambda x: ms.concatenate((x, x[:, :1]), axis=-1), (SQUARE,)),
}
POSITIVE = Of([0.0, 0.25, 1, 3, 7.5, 511.75, 512], scale=10)
FRACTIONS = {
    "divide": Case(
        lambda x, y: ms.divide(x, y, bits=16, least=0.25), (SMALL, POSITIVE), error=2.0**-16 + 36 * 2.0**-28
    ),
    "divide by a negative": Case(lambda x: ms.divide(x, x, bits=8, least=0.5), (SMALL,), error=2.0**-8 + 18 * 2.0**-28),
    "number over": Case(lambda y: ms.divide(1.0, y, bits=12, least=1.0), (POSITIVE,), error=2.0**-12 + 2.0**-28),
    "divide by public of all sizes": Case(
        lambda x: ms.divide(x, np.array([1, 1000, 3, 7, 1e5, 1.5, 900]), bits=24, least=1.0), (SMALL,), error=2.0**-23
    ),
    "divide by a stated public": Case(
        lambda x: ms.divide(x, ms.public(np.arange(1.0, 8), bits=8, bound=8.0), bits=20, least=1.0),
        (SMALL,),
        error=2.0**-19,
    ),
    "divide by public": Case(lambda x: ms.divide(x, np.arange(1.0, 8), bits=8, least=2.0), (SMALL,), error=2.0**-8),
    "sqrt": Case(lambda x: ms.sqrt(x, bits=16), (POSITIVE,), error=2.0**-16 + 23 * 2.0**-25),
    "sqrt of a negative": Case(lambda x: ms.sqrt(x, bits=4), (SMALL,), error=2.0**-4),
    "quotients": Case(
        lambda x, y: ms.quotients(x, y.sum(0, keepdims=True), bits=20, most=4.0), (SMALL, POSITIVE), relative=2.0**-19
    ),
    "quotients by the smallest": Case(
        lambda x, y: ms.quotients(x, y[1:2], bits=20, most=36.0),
        (SMALL, POSITIVE),
        relative=2.0**-19,
    ),
    "quotients by zero": Case(lambda x: ms.quotients(x, x[:1] - x[:1], bits=20, most=1.0), (SMALL,)),
    "proportions": Case(lambda x: ms.proportions(x, 12), (POSITIVE,), error=2.0**-12),
}
GROUPS = [COMPARISONS, ARITHMETIC, ORDER, PRODUCTS, SHAPES, FRACTIONS]
CASES = {name: case for group in GROUPS for name, case in group.items()}


DEEP = (
    COMPARISONS,
    ARITHMETIC,
    ORDER,
    FRACTIONS,
)  # these take long to compile: by default with circuits that compute on the values


@cache
def secret_results(number: int, ideal: bool) -> dict[str, Found]:
    with pytest.MonkeyPatch.context() as patch:
        for function in IDEAL if ideal else ():
            patch.setattr(circuits, function.__name__, function)
        return on_secrets(GROUPS[number])


@cache
def robust_results() -> dict[str, Found]:
    return on_secrets({name: case for name, case in PRODUCTS.items() if name != "bits @ [n, d]"}, Shamir(F31, 4, 1))


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name != "bits @ [n, d]"])
def test_products_in_robust_mode(name: str) -> None:
    """They take other material there, and the field of 31 bits holds them."""
    expected = PRODUCTS[name].plain().astype(np.float64)
    assert np.all(np.abs(robust_results()[name].values - expected) <= PRODUCTS[name].error)


@pytest.mark.parametrize("name", CASES)
def test_secret_is_plain(name: str) -> None:
    number = next(k for k, group in enumerate(GROUPS) if name in group)
    require_plain(name, secret_results(number, GROUPS[number] in DEEP)[name])


@pytest.mark.long
@pytest.mark.parametrize("name", [name for group in DEEP for name in group])
def test_secret_is_plain_with_real_circuits(name: str) -> None:
    number = next(k for k, group in enumerate(GROUPS) if name in group)
    require_plain(name, secret_results(number, ideal=False)[name])


def require_plain(name: str, found: Found) -> None:
    case = CASES[name]
    expected = case.plain().astype(np.float64)
    assert found.values.shape == expected.shape
    assert np.all(np.abs(found.values - expected) <= case.error + case.relative * np.abs(expected))
    assert all(abs(v) <= found.bound for v in found.integers.ravel())
    assert not found.bit or set(found.integers.ravel()) <= {0, 1}
    assert case.plain().dtype != bool or found.bit, "a boolean of plain arrays is a bit of secrets"
