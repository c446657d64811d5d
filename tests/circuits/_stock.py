"""Offline material for tests, dealt by the test itself: correct, cheap, and seeded (nothing secret about it)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fabric import Simulated
from mpcjax.fields import Field
from mpcjax.offline import Demand, Stock, count
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir

SEED = bytes(range(32))


class HostDealer:
    """Deals random sharings, double sharings, bits and triples with NumPy integers on the host."""

    def __init__(self, scheme: Shamir, seed: int = 0):
        self.scheme, self.rng = scheme, np.random.default_rng(seed)

    def values(self, size: int) -> np.ndarray:
        words = self.rng.integers(0, 1 << 63, size=(2, size), dtype=np.int64).astype(object)
        return (words[0] * (1 << 63) + words[1]) % self.scheme.field.modulus

    def share(self, secret: Any, degree: int | None = None) -> np.ndarray:
        """Shares `[m, *]` of integers `secret [*]`, of degree t unless told otherwise."""
        scheme, secret = self.scheme, np.asarray(secret, object)
        degree = scheme.threshold if degree is None else degree
        coefficients = [self.values(secret.size) for _ in range(degree)]
        rows = []
        for point in scheme.points:
            row = np.zeros(secret.size, object)
            for coefficient in reversed(coefficients):
                row = (row * point + coefficient) % scheme.field.modulus
            rows.append((row * point + secret.ravel()) % scheme.field.modulus)
        return np.stack(rows).reshape(scheme.parties, *secret.shape).astype(scheme.field.dtype)

    def stock(self, demand: Demand, bits: np.ndarray | None = None, masks: np.ndarray | None = None) -> Stock:
        """Material for `demand`; the values of the bits and of the double sharings may be given."""
        t, arrays = self.scheme.threshold, {}
        if demand.random:
            arrays["random"] = (self.share(self.values(demand.random)),)
        if demand.double:
            r = self.values(demand.double) if masks is None else masks
            arrays["double"] = (self.share(r), self.share(r, 2 * t))
        if demand.bit:
            arrays["bit"] = (self.share(self.rng.integers(0, 2, demand.bit) if bits is None else bits),)
        if demand.triple:
            a, b = self.values(demand.triple), self.values(demand.triple)
            arrays["triple"] = tuple(self.share(v) for v in (a, b, a * b % self.scheme.field.modulus))
        return Stock({kind: tuple(jnp.asarray(part) for part in parts) for kind, parts in arrays.items()})


def scheme_of(exponent: int, parties: int = 3, threshold: int = 1) -> Shamir:
    return Shamir(Field(exponent), parties, threshold)


def runtime(scheme: Shamir, stock: Any, fabric: Any = None) -> Runtime:
    fabric = Simulated(scheme.parties) if fabric is None else fabric
    return Runtime(scheme, fabric, Stream.from_seed(SEED).per_row("party", fabric.rows), stock)


def evaluate(scheme: Shamir, circuit: Callable[..., Any], *inputs: Any, seed: int = 0, **given: Any) -> list[Any]:
    """Values (centred, object arrays) of what `circuit(rt, *shares)` returns for integer arrays `inputs`, jitted."""
    dealer = HostDealer(scheme, seed)
    shares = [jnp.asarray(dealer.share(x)) for x in inputs]
    demand, _ = count(lambda rt: circuit(rt, *shares), scheme)

    def program(stock: Stock, shares: list[Any]) -> tuple[list[Any], Any]:
        rt = runtime(scheme, stock)
        found = circuit(rt, *shares)
        return list(found) if isinstance(found, (tuple, list)) else [found], rt.verified

    found, verified = jax.jit(program)(dealer.stock(demand, **given), shares)
    assert bool(verified)
    return [centred(scheme, reveal(scheme, shares)) for shares in found]


def reveal(scheme: Shamir, shares: Any) -> np.ndarray:
    assert bool(np.all(scheme.consistent(shares)))
    return np.asarray(scheme.reconstruct(shares)).astype(object)


def centred(scheme: Shamir, values: np.ndarray) -> np.ndarray:
    p = scheme.field.modulus
    return np.where(values > p // 2, values - p, values)


def cost(scheme: Shamir, circuit: Callable[..., Any], *shapes: tuple[int, ...]) -> tuple[Demand, int]:
    """Demand and rounds of `circuit(rt, *shares)` for inputs of the given shapes."""
    zeros = [scheme.field.zeros((scheme.parties, *shape)) for shape in shapes]
    demand, ledger = count(lambda rt: circuit(rt, *zeros), scheme)
    return demand, ledger.rounds


def whole_field(scheme: Shamir) -> np.ndarray:
    """Every element, centred."""
    half = scheme.field.modulus // 2
    return np.arange(-half, half + 1).astype(object)


def size(shape: tuple[int, ...]) -> int:
    return math.prod(shape)
