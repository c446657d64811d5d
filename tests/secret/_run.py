"""Bodies run on secrets and on plain arrays, many in one program."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import F61
from mpcjax.offline import Stock, count
from mpcjax.runtime import Runtime
from mpcjax.secret import Secret
from mpcjax.sharing import Shamir
from tests.circuits._stock import QUICK, HostDealer, centred, reveal, runtime

SCHEME = Shamir(F61, 3, 1)


@dataclasses.dataclass(frozen=True, eq=False)
class Of:
    """A secret input: `values` on the grid of 2^-scale, |values| 2^scale <= bound (by default, the largest of them)."""

    values: Any
    scale: int = 4
    bound: int = 0

    @property
    def integers(self) -> np.ndarray:
        scaled = np.asarray(self.values, np.float64) * 2.0**self.scale
        found = np.array([int(v) for v in scaled.ravel()], object).reshape(scaled.shape)
        assert np.all(found == scaled), "the values are not on the grid"
        return found

    @property
    def largest(self) -> int:
        return self.bound or max(abs(int(v)) for v in self.integers.ravel())


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """`body(*inputs)`: secrets for those that are `Of`, public traced arrays for the others; `error` of the result."""

    body: Callable[..., Any]
    inputs: tuple[Any, ...]
    error: float = 0.0
    relative: float = 0.0
    scheme: Shamir = SCHEME

    def plain(self) -> np.ndarray:
        given = [jnp.asarray(x.values if isinstance(x, Of) else x) for x in self.inputs]
        return np.asarray(self.body(*given))


@dataclasses.dataclass
class Found:
    values: np.ndarray
    integers: np.ndarray
    bound: int
    bit: bool


def on_secrets(cases: dict[str, Case], scheme: Shamir = SCHEME) -> dict[str, Found]:
    """All cases in one compiled program, with material dealt for it; every claim is verified."""
    dealer, known = HostDealer(scheme), {}
    given = {
        name: [dealer.share(x.integers) if isinstance(x, Of) else np.asarray(x) for x in case.inputs]
        for name, case in cases.items()
    }

    def program(rt: Runtime, given: dict[str, Any]) -> dict[str, Any]:
        results = {}
        for name, case in cases.items():
            inputs = [
                Secret(rt, value, of.scale, of.largest) if isinstance(of, Of) else value
                for of, value in zip(case.inputs, given[name], strict=True)
            ]
            found = case.body(*inputs)
            assert isinstance(found, Secret), f"{name} gives {type(found)}"
            known[name] = (found.scale, found.bound, found.bit)
            results[name] = found.shares
        return results

    demand, _ = count(lambda rt: jax.eval_shape(lambda given: program(rt, given), given), scheme)

    def run(stock: Stock, given: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        rt = runtime(scheme, stock)
        found = program(rt, given)
        assert not rt.fabric.ledger.opened
        from mpcjax.protocols import verify

        verify(rt)
        return found, rt.verified

    found, verified = jax.jit(run, compiler_options=QUICK)(_with_room(dealer, demand), given)
    assert bool(verified)
    return {name: _found(scheme, shares, *known[name]) for name, shares in found.items()}


def _with_room(dealer: HostDealer, demand: Any) -> Stock:
    """Material for the program, and for the verification after it."""
    more = {kind: getattr(demand, kind) + 4000 for kind in ("random", "double")}
    return dealer.stock(dataclasses.replace(demand, **more))


def _found(scheme: Shamir, shares: Any, scale: int, bound: int, bit: bool) -> Found:
    integers = centred(scheme, reveal(scheme, shares))
    values = np.array([int(v) / 2**scale for v in integers.ravel()], np.float64).reshape(integers.shape)
    return Found(values, integers, bound, bit)
