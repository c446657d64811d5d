"""Steps that are traced once: the same values, material, messages and claims as when they are written out."""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import protocols
from mpcjax.errors import OrderError
from mpcjax.fabric.threaded import run
from mpcjax.fields import F31, F61
from mpcjax.offline import Stock, count
from mpcjax.protocols import repeat, verify
from mpcjax.runtime import Dots, Runtime
from mpcjax.sharing import Shamir
from tests.circuits._stock import QUICK, HostDealer, reveal, runtime

SCHEME, STEPS = Shamir(F61, 3, 1), 3
TABLE = np.array([[1, 2, 0], [2, 2, 1], [0, 1, 1]], np.int32)
X = np.array([3, 5, 7], object)


@pytest.fixture(autouse=True)
def kings_open_few_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["mpcjax.protocols.opening"], "BULK", 2)


def step(rt: Runtime, x: Any, table: Any) -> Any:
    """A product, another kind of product, an opening and a check."""
    z = protocols.multiply(rt, x, x[..., table])
    rt.check("mask", jnp.array(True))
    mask = rt.take("random", z.shape[1:])
    opened = protocols.open_many(rt, rt.field.add(z, mask), "masked")
    square = protocols.weighted_squares(rt, x[:, None], rt.field.ones((3,)))
    return rt.field.add(rt.field.sub(opened, mask), square)


def settling(rt: Runtime, x: Any, table: Any) -> Any:
    verify(rt)
    return step(rt, x, table)


def at_once(rt: Runtime, x: Any, body: Any = step) -> Any:
    return repeat(rt, body, x, TABLE)


def written_out(rt: Runtime, x: Any, body: Any = step) -> Any:
    for row in TABLE:
        x = body(rt, x, row)
    return x


def expected() -> np.ndarray:
    x = X
    for row in TABLE:
        x = (x * x[row] + np.sum(x * x)) % F61.modulus
    return x


def test_the_same_values_demand_messages_and_claims() -> None:
    zeros, found = F61.zeros((3, 3)), {}
    for program in (at_once, written_out):
        kept: list[Any] = []
        demand, ledger = count(lambda rt: (program(rt, zeros), kept.append(rt)), SCHEME)  # noqa: B023 - called at once
        sent = [(entry.phase, entry.kind, entry.rounds, entry.sent, entry.uploaded) for entry in ledger.entries]
        sizes = [
            sum(claim.z.size for claim in kept[0].products if isinstance(claim, Dots) == dots) for dots in (True, False)
        ]
        zeros_claimed = sum(part.size for part in kept[0].zeros)
        found[program] = (demand, sent, sizes, zeros_claimed, sorted({name for name, _ in kept[0].verdicts}))
        assert len({entry.label for entry in ledger.entries}) == len(ledger.entries)
    assert found[at_once][:4] == found[written_out][:4]
    assert found[at_once][4] == ["mask"]


@pytest.mark.parametrize("body", [pytest.param(step, marks=pytest.mark.long), settling])
def test_compiled_and_between_parties_apart(body: Any) -> None:
    """The same bits on both fabrics, and the ledger of the trace is what was really sent."""
    dealer = HostDealer(SCHEME)
    shares = jnp.asarray(dealer.share(X))

    def program(rt: Runtime, x: Any) -> Any:
        z = protocols.multiply(rt, x, x)  # pending when the steps begin
        x = at_once(rt, rt.field.add(x, rt.field.sub(z, z)), body)
        verify(rt)
        return x

    demand, planned = count(lambda rt: program(rt, shares), SCHEME)
    stock = dealer.stock(demand)

    def simulated(stock: Stock, x: Any) -> Any:
        rt = runtime(SCHEME, stock)
        return program(rt, x), rt.verified

    found, verified = jax.jit(simulated, compiler_options=QUICK)(stock, shares)
    assert bool(verified) and np.array_equal(reveal(SCHEME, found), expected())

    def party(fabric: Any) -> Any:
        own = {kind: tuple(part[fabric.rows] for part in parts) for kind, parts in dealer_stock.arrays.items()}
        return program(runtime(SCHEME, Stock(own), fabric), shares[fabric.rows]), fabric.ledger

    dealer_stock = Stock(stock.arrays)
    for row, outcome in enumerate(run(3, party)):
        assert not isinstance(outcome, Exception), outcome
        assert np.array_equal(outcome[0][0], found[row])
        assert outcome[1].entries == planned.entries


def test_a_step_that_verifies_leaves_nothing_pending() -> None:
    kept: list[int] = []

    def body(rt: Runtime, x: Any, table: Any) -> Any:
        x = settling(rt, x, table)
        kept.append(len(rt.products))
        return x

    def program(rt: Runtime) -> None:
        x = protocols.multiply(rt, rt.field.zeros((3, 3)), rt.field.zeros((3, 3)))
        at_once(rt, x, body)
        assert not rt.products and not rt.zeros

    count(program, SCHEME)
    assert kept


def test_no_steps_cost_nothing() -> None:
    demand, ledger = count(lambda rt: repeat(rt, step, rt.field.zeros((3, 3)), TABLE[:0]), SCHEME)
    assert not any(vars(demand).values()) and not ledger.entries


WRONG = {
    "randomness": (lambda rt, x, table: rt.stream.uniform("x", rt.field, (3,)), OrderError, "randomness of its own"),
    "an output": (lambda rt, x, table: protocols.open_now(rt, x, "out", output=True), OrderError, "out would open"),
    "another shape": (lambda rt, x, table: x[:, :2], ValueError, "same structure and shapes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_a_step_may_not_do(case: str) -> None:
    body, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        count(lambda rt: repeat(rt, body, rt.field.zeros((3, 3)), TABLE), Shamir(F31, 3, 1))
