"""Rules on secrets in milliseconds: circuits are replaced by what they promise, and nothing is verified.

Shares, openings and products are the real ones (masked by zeros), and so are scales and bounds; a comparison, a truncation or
a root is computed on the values. The circuits have tests of their own; the end-to-end tests join both.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import circuits
from mpcjax.circuits.divide import _require
from mpcjax.circuits.truncate import _require_bound
from mpcjax.fields import F61, fixed
from mpcjax.rules import Public, Rule
from mpcjax.runtime import PARTS, Material, Runtime
from mpcjax.secret import Secret
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir
from tests.circuits._stock import runtime
from tests.rules._plain import finish, messages

SCHEME = Shamir(F61, 3, 1)


class Zeros(Material):
    def take(self, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
        return tuple(F61.zeros((3, *shape)) for _ in range(PARTS[kind]))


def value(x: Any) -> Any:
    return F61.lift(SCHEME.reconstruct(x)).astype(jnp.int64)


def shared(v: Any) -> Any:
    shares = F61.from_signed(jnp.asarray(v).astype(jnp.int64))
    return jnp.broadcast_to(shares, (3, *shares.shape))


def is_negative(rt: Runtime, x: Any, *, width: int | None = None) -> Any:
    return shared(value(x) < 0)


def less_than(rt: Runtime, x: Any, y: Any, *, width: int | None = None) -> Any:
    return is_negative(rt, F61.sub(x, y))


def maximum(rt: Runtime, x: Any, y: Any) -> Any:
    difference = value(F61.sub(x, y))  # either may be public, of one row
    return shared(
        jnp.where(difference < 0, value(F61.add(y, F61.zeros(x.shape))), value(F61.add(x, F61.zeros(y.shape))))
    )


def relu(rt: Runtime, x: Any) -> Any:
    return shared(jnp.maximum(value(x), 0))


def is_zero(rt: Runtime, x: Any) -> Any:
    return shared(value(x) == 0)


def sort(rt: Runtime, x: Any) -> Any:
    return shared(jnp.sort(value(x), axis=-1))


def ranks(rt: Runtime, x: Any) -> Any:
    return shared(jnp.argsort(jnp.argsort(value(x), stable=True), stable=True))


def truncate_nearest(rt: Runtime, x: Any, bits: int, bound: int) -> Any:
    half = (1 << bits) >> 1
    _require_bound(F61, bound + half, "truncate_nearest")
    found = value(x)
    return _within(found, 0, bound, (found + half) >> bits)


def reciprocal(rt: Runtime, x: Any, scale: int, bound: int, out_bits: int, *, least: int = 1) -> Any:
    _require(F61, "reciprocal", bound, least, 2 ** (scale + out_bits) // least + 1)
    found = value(x)
    quotient = jnp.floor(2.0 ** (scale + out_bits) / jnp.maximum(found, 1).astype(jnp.float64)).astype(jnp.int64)
    return _within(found, least, bound, jnp.where(found > 0, quotient, 0))


def inverse_sqrt(rt: Runtime, x: Any, scale: int, bound: int, out_bits: int, *, least: int = 1) -> Any:
    _require(F61, "inverse_sqrt", bound, least, int(2.0 ** (out_bits + scale / 2 + 1e-9) / least**0.5) + 1)
    found = value(x)
    root = 2.0 ** (out_bits + scale / 2) / jnp.sqrt(jnp.maximum(found, 1).astype(jnp.float64))
    return _within(found, least, bound, jnp.where(found > 0, jnp.floor(root), 0))


def _within(found: Any, least: int, bound: int, result: Any) -> Any:
    """Shares of what a circuit makes of `found`, and nonsense where it promises nothing."""
    legal = (jnp.abs(found) <= bound) & ((found == 0) | (jnp.abs(found) >= least))
    return shared(jnp.where(legal, result, 1 << 59))


IDEAL = (is_negative, less_than, maximum, relu, is_zero, sort, ranks, truncate_nearest, reciprocal, inverse_sqrt)


@lru_cache(maxsize=64)
def combining(rule: Rule, n: int, length: int, bits: int, bound: int, used: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    """The shares of the result, as one program, and what was found of it: shape, scale and bound. `used`: the circuits.

    As in a round; and one program is compiled sooner than a hundred operations, and once for all tests of a rule.
    """
    said = list[Any]()

    @jax.jit
    def run(integers: Any, public: Public) -> Any:
        combined = rule.combine(Secret(runtime(SCHEME, Zeros()), shared(integers), bits, bound), public)
        combined = rule.settle(combined, public)
        said.append((combined.shape, combined.scale, combined.bound))
        return combined.shares

    return run, said


def on_secrets(rule: Rule, x: np.ndarray, public: Public) -> np.ndarray:
    """The rule on shares of the messages of those accepted, and `finish`, with the fractional bits it has room for."""
    n, length = x.shape
    setup = Setup(SCHEME, rule, n, length)
    bits, bound = setup.bits, setup.bound
    local = messages(rule, x.astype(np.float32), public)
    rounded = np.trunc if setup.certificate.inward else np.round
    integers = rounded(np.where(np.asarray(public.accepted)[:, None], local, 0).astype(float) * 2.0**bits)
    used = tuple(getattr(circuits, one.__name__) for one in IDEAL)
    run, said = combining(rule, n, length, bits, bound, used)
    shares = run(integers, public)
    shape, scale, most = said[-1]
    assert shape == (length,)
    found = value(shares)
    assert np.abs(np.asarray(found)).max() <= most
    return np.asarray(finish(rule, fixed.decode(F61, SCHEME.reconstruct(shares), scale), public))
