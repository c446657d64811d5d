"""Protocol programs on the simulated fabric, with material dealt by the test, as one compiled function of a key."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fabric import Simulated
from mpcjax.fields import Field
from mpcjax.offline import count
from mpcjax.prg import Stream
from mpcjax.runtime import Material, Runtime
from mpcjax.sharing import Shamir
from tests.sharing._haste import hasty
from tests.tamper.material import dealt, uniform

SEED = bytes(range(32))


class Liar(Runtime):
    """A runtime in which claim number k is wrong by `errors[k]` in its first value."""

    errors: Any = None

    def claim(self, product: Any) -> None:
        if self.errors is not None:
            z = product.z
            error = jnp.zeros_like(z[:1]).at[0, 0].set(self.errors[len(self.products)])
            product = dataclasses.replace(product, z=self.field.add(z, jnp.broadcast_to(error, z.shape)))
        super().claim(product)


def runtime(scheme: Shamir, material: Material | None, fabric: Any = None, kind: type[Runtime] = Runtime) -> Runtime:
    fabric = Simulated(scheme.parties) if fabric is None else fabric
    streams = Stream.from_seed(SEED).per_row("party", fabric.rows)
    stock: Any = material
    return kind(scheme, fabric, streams, stock)


Program = Callable[..., Any]  # program(rt, *shares)


def traced(scheme: Shamir, program: Program, shapes: list[tuple[int, ...]], tamper: Any = None) -> Callable[..., Any]:
    """`(key, errors, *values) -> (what the program returns, verified)`; the values are shared, `errors` are lies."""
    demand, _ = count(lambda rt: program(rt, *(scheme.field.zeros((scheme.parties, *s)) for s in shapes)), scheme)

    def run(key: Any, errors: Any, *values: Any) -> Any:
        keys = jax.random.split(key, len(values) + 1)
        shares = [share(scheme, k, v) for k, v in zip(keys[1:], values, strict=True)]
        fabric = Simulated(scheme.parties, None if tamper is None else tamper(scheme.field))
        rt = runtime(scheme, dealt(scheme, keys[0], demand), fabric, Liar)
        rt.errors = errors  # type: ignore[attr-defined]
        found = program(rt, *shares)
        return found, rt.verified

    return run


def compiled(scheme: Shamir, program: Program, shapes: list[tuple[int, ...]]) -> Callable[..., Any]:
    return hasty(traced(scheme, program, shapes))


def share(scheme: Shamir, key: Any, secret: Any) -> Any:
    return scheme.share(secret, uniform(scheme.field, key, (scheme.threshold, *secret.shape)))


def values(field: Field, *shapes: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, field.modulus, shape, field.dtype) for shape in shapes]


def reveal(scheme: Shamir, shares: Any) -> np.ndarray:
    """The secret as Python ints; the shares must lie on polynomials of degree t."""
    assert np.all(scheme.consistent(shares))
    return np.asarray(scheme.reconstruct(shares)).astype(object)
