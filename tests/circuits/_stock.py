"""Offline material for tests, dealt by the test itself: correct, cheap, and seeded (nothing about it is secret)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.circuits import Mask, bits
from mpcjax.fabric import Simulated
from mpcjax.fields import Field
from mpcjax.offline import Demand, Stock, count
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir

SEED = bytes(range(32))
QUICK = {"xla_backend_optimization_level": 0}  # these programs are compiled once and run once


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
        coefficients = [self.values(secret.size) for _ in range(scheme.threshold if degree is None else degree)]
        rows = []
        for point in scheme.points:
            row = np.zeros(secret.size, object)
            for coefficient in reversed(coefficients):
                row = (row * point + coefficient) % scheme.field.modulus
            rows.append((row * point + secret.ravel()) % scheme.field.modulus)
        return np.stack(rows).reshape(scheme.parties, *secret.shape).astype(scheme.field.dtype)

    def stock(self, demand: Demand, **given: Any) -> Stock:
        """Material for `demand`; the values of kinds "random", "double" and "bit" may be given."""
        t, arrays = self.scheme.threshold, {}
        if demand.random:
            arrays["random"] = (self.share(given.get("random", self.values(demand.random))),)
        if demand.double:
            r = given.get("double", self.values(demand.double))
            arrays["double"] = (self.share(r), self.share(r, 2 * t))
        if demand.bit:
            arrays["bit"] = (self.share(given.get("bit", self.rng.integers(0, 2, demand.bit))),)
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

    found, verified = jax.jit(program, compiler_options=QUICK)(dealer.stock(demand, **given), shares)
    assert bool(verified)
    return [centred(scheme, reveal(scheme, result)) for result in found]


def reveal(scheme: Shamir, shares: Any) -> np.ndarray:
    assert bool(np.all(scheme.consistent(shares)))
    return np.asarray(scheme.reconstruct(shares)).astype(object)


def centred(scheme: Shamir, values: np.ndarray) -> np.ndarray:
    p = scheme.field.modulus
    return np.where(values > p // 2, values - p, values)


def cost(scheme: Shamir, circuit: Callable[..., Any], *shapes: tuple[int, ...], few: int = 0) -> tuple[Demand, int]:
    """Demand and rounds of `circuit(rt, *shares)` for inputs of the given shapes; of up to `few` numbers, as loops."""
    zeros = [scheme.field.zeros((scheme.parties, *shape)) for shape in shapes]
    with patch.object(bits, "FEW", few):
        demand, ledger = count(lambda rt: circuit(rt, *zeros), scheme)
    return demand, ledger.rounds


def whole_field(scheme: Shamir) -> np.ndarray:
    """Every element, centred."""
    half = scheme.field.modulus // 2
    return np.arange(-half, half + 1).astype(object)


def with_every_mask(scheme: Shamir, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every value under every mask: values `[N]`, masks `[N]`, and the bits of the masks `[N, e]`."""
    e, p = scheme.field.exponent, scheme.field.modulus
    x, r = np.repeat(values, p), np.tile(np.arange(p), len(values)).astype(object)
    return x, r, bits_of(r, e)


def masked(circuit: Callable[..., Any]) -> Callable[..., Any]:
    """`circuit(rt, x, mask=...)` as a program of shares x, r and bits of r."""
    return lambda rt, x, r, bits: circuit(rt, x, mask=Mask(r, bits))


def bits_of(values: np.ndarray, width: int) -> np.ndarray:
    return np.stack([np.asarray(values) >> i & 1 for i in range(width)], axis=-1)


def edges(scheme: Shamir) -> np.ndarray:
    """Zero, one, the ends of the range, and powers of two and their neighbours, of both signs."""
    half = scheme.field.modulus // 2
    powers = [2**j + d for j in range(1, scheme.field.exponent - 1) for d in (-1, 0, 1)]
    found = {s * v for v in [0, 1, 2, half, half - 1, half // 2, *powers] for s in (1, -1)}
    return np.array(sorted(v for v in found if abs(v) <= half), object)


def randoms(limit: int, amount: int, seed: int = 1) -> np.ndarray:
    """Integers from -limit to limit, of all sizes."""
    rng = np.random.default_rng(seed)
    sizes, signs = rng.uniform(0, limit.bit_length(), amount), rng.choice([-1, 1], amount)
    return np.array([int(s) * min(int(2.0**v), limit) for s, v in zip(signs, sizes, strict=True)], object)
