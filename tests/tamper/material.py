"""Offline material dealt by the test, so that online programs can be tampered with on their own. Not secret."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.fields import Field
from mpcjax.offline import Demand, Stock
from mpcjax.sharing import Shamir


def dealt(scheme: Shamir, key: Any, demand: Demand) -> Stock:
    """Correct random, double, zero, bit and triple sharings `[parties, amount]` that meet `demand`, from a `jax.random` key."""
    field, t = scheme.field, scheme.threshold
    keys = iter(jax.random.split(key, 13))

    def values(count: int) -> Any:
        return uniform(field, next(keys), (count,))

    def shares(secret: Any, degree: int = t) -> Any:
        return scheme.share(secret, uniform(field, next(keys), (degree, *secret.shape)))

    arrays: dict[str, tuple[Any, ...]] = {}
    if demand.random:
        arrays["random"] = (shares(values(demand.random)),)
    if demand.double:
        masks = values(demand.double)
        arrays["double"] = (shares(masks), shares(masks, 2 * t))
    if demand.zero:
        arrays["zero"] = (shares(field.zeros((demand.zero,)), 2 * t),)
    if demand.bit:
        arrays["bit"] = (shares(values(demand.bit) & field.dtype.type(1)),)
    if demand.triple:
        a, b = values(demand.triple), values(demand.triple)
        arrays["triple"] = (shares(a), shares(b), shares(field.mul(a, b)))
    return Stock(arrays)


def uniform(field: Field, key: Any, shape: tuple[int, ...]) -> Any:
    """Field elements, uniform up to 2**-32 or so: good enough to test with."""
    words = jax.random.bits(key, (2, *shape), jnp.uint32).astype(jnp.uint64)
    return ((words[0] << 32 | words[1]) % field.modulus).astype(field.dtype)
