"""Functions on plain arrays and, through their jaxprs, on shares, with circuits replaced by what they promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax.jaxprs.interpret import Run, interpret
from mpcjax.jaxprs.values import Value
from mpcjax.secret import Secret
from tests.circuits._stock import runtime
from tests.rules._ideal import SCHEME, Zeros, shared, value

SCALE, FINE = 6, 10
BITS = 16


def traced(f: Callable[..., Any], *given: np.ndarray) -> Any:
    with _compat.x32():
        return jax.make_jaxpr(f)(*(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in given))


def secret_of(rt: Any, x: np.ndarray, scale: int) -> Value:
    integers = np.asarray(x, np.float64) * 2.0**scale
    assert np.all(integers == np.round(integers)), "the values are not on the grid"
    return Value(Secret(rt, shared(integers), scale, max(1, int(np.abs(integers).max()))), x.shape)


def on_secrets(f: Callable[..., Any], x: np.ndarray, y: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """f of x (at 10 fractional bits) and y (at 6), which are shared, and of a public array that is not known while tracing.

    Checks on the way that the result keeps its bounds, and that nothing is opened as an output.
    """
    rt = runtime(SCHEME, Zeros())
    given = [secret_of(rt, x, FINE), secret_of(rt, y, SCALE), Value(jnp.asarray(accepted), accepted.shape)]
    (found,) = interpret(Run(BITS, BITS), *_compat.opened(traced(f, x, y, accepted)), given)
    assert not rt.fabric.ledger.opened
    if not found.secret:
        return np.asarray(found.full)
    secret = found.full
    integers = np.asarray(value(jnp.broadcast_to(secret.shares, (3, *secret.shape))))
    assert np.abs(integers).max(initial=0) <= secret.bound
    assert not secret.bit or set(integers.ravel()) <= {0, 1}
    values = integers / 2.0**secret.scale
    assert np.all(values >= found.span[0] - 2.0**-15) and np.all(values <= found.span[1] + 2.0**-15)
    return values


def names_of(jaxpr: Any) -> Iterator[str]:
    """Of all primitives in a jaxpr and those within."""
    for eqn in jaxpr.eqns:
        yield eqn.primitive.name
        for inner in eqn.params.values():
            if hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
                yield from names_of(_compat.opened(inner)[0])
