"""Shares that are expanded from keys: nothing is sent for them, receivers make them, and a wrong key is caught."""

from __future__ import annotations

import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.errors import Abort
from mpcjax.fabric import Message, Simulated, run
from mpcjax.fields import F61
from mpcjax.offline import Demand, count, prepare
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir, share_to_others
from tests.sharing._haste import hasty

SEED = bytes(range(32))


def sent(parties: int, **amounts: int) -> float:
    """Elements of 8 bytes that each party sends for so much material, without what does not grow with it."""
    scheme = Shamir(F61, parties, (parties - 1) // 2)

    def elements(times: int) -> float:
        demand = Demand(**{kind: times * amount for kind, amount in amounts.items()})
        return count(lambda rt: prepare(rt, demand), scheme)[1].sent / 8

    return elements(2) - elements(1)


@pytest.mark.parametrize("parties", [3, 5, 11, 21, pytest.param(41, marks=pytest.mark.long)])
def test_what_a_double_sharing_costs(parties: int) -> None:
    """(m - t - 1) / (m - t) elements, less than one, and as much for a random sharing: of degree 2t nothing is sent, and
    among three parties nothing at all."""
    outputs = parties - (parties - 1) // 2
    amount = 10 * outputs
    for kind in ("random", "double"):
        expected = (outputs - 1) / outputs if parties > 3 else 0
        assert sent(parties, **{kind: amount}) / amount == pytest.approx(expected)


def test_what_is_sent_where_degree_2t_has_redundancy() -> None:
    scheme = Shamir(F61, 4, 1)
    one, two = (count(lambda rt: prepare(rt, Demand(double=n)), scheme)[1].sent / 8 for n in (30, 60))  # noqa: B023
    assert (two - one) / 30 == pytest.approx((2 + 1) / 3), "(m - t - 1) / (m - t) and (m - 2t - 1) / (m - t)"


def wrong_key(message: Message, x: Any) -> Any:
    """The first party sends party 1 another key than the one it uses."""
    return x.at[0, 1, 0].set(x[0, 1, 0] ^ 1) if message.label.startswith("keys") and 0 in message.rows else x


def material(rt: Runtime) -> Any:
    return prepare(rt, Demand(random=3, double=3))


@pytest.mark.parametrize("scheme", [Shamir(F61, 5, 2), Shamir(F61, 4, 1)], ids=repr)
def test_a_wrong_key_is_caught_in_one_process(scheme: Shamir) -> None:
    def verified(seed: Any) -> Any:
        fabric = Simulated(scheme.parties, wrong_key)
        rt = Runtime(scheme, fabric, Stream.from_seed(seed).per_row("party", fabric.rows), None)  # type: ignore[arg-type]
        material(rt)
        return rt.verified

    assert not bool(hasty(verified)(jnp.arange(8, dtype=jnp.uint32)))


def test_a_wrong_key_is_caught_between_parties() -> None:
    scheme = Shamir(F61, 5, 2)

    def party(fabric: Any) -> Any:
        rt = Runtime(scheme, fabric, Stream.from_seed(SEED).per_row("party", fabric.rows), None)  # type: ignore[arg-type]
        return material(rt).arrays["double"]

    outcomes = run(5, party, {0: wrong_key})
    assert all(isinstance(outcome, Abort) and outcome.check == "double degree" for outcome in outcomes)
    low, high = (np.concatenate([np.asarray(outcome[k]) for outcome in run(5, party)]) for k in range(2))
    assert np.all(scheme.consistent(low)) and np.array_equal(scheme.reconstruct(low), scheme.reconstruct(high, 4))


def alike(message: Message, x: Any) -> Any:
    return x


def test_a_threshold_of_zero_sends_all_and_no_keys() -> None:
    """On both fabrics, and where an adversary listens."""
    scheme = Shamir(F61, 3, 0)

    def party(fabric: Any) -> Any:
        rt = Runtime(scheme, fabric, Stream.from_seed(SEED).per_row("party", fabric.rows), None)  # type: ignore[arg-type]
        return [np.asarray(half) for half in material(rt).arrays["double"]]

    for halves in (party(Simulated(3, alike)), *run(3, party)):
        assert all(len(np.unique(half[:, 0])) == 1 for half in halves)
        np.testing.assert_array_equal(*halves)


def test_no_two_shares_have_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of two degrees, although they are expanded from the same keys."""
    seen: list[np.ndarray] = []
    module, honest = sys.modules["mpcjax.offline.hyperinvertible"], share_to_others

    def listening(field: Any, parties: int, dealers: Any, secret: Any, noise: Any) -> Any:
        seen.append(np.asarray(noise).reshape(-1))
        return honest(field, parties, dealers, secret, noise)

    monkeypatch.setattr(module, "share_to_others", listening)
    fabric, scheme = Simulated(5), Shamir(F61, 5, 2)
    material(Runtime(scheme, fabric, Stream.from_seed(SEED).per_row("party", fabric.rows), None))  # type: ignore[arg-type]
    drawn = np.concatenate(seen)
    assert len(seen) == 2 and len(np.unique(drawn)) == len(drawn)
