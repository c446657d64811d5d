"""A linear combination whose vectors come in parts: the sum, its claim, and what a lie about either ends in."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import protocols
from mpcjax.errors import OrderError
from mpcjax.fields import F61, Field, kernels
from mpcjax.protocols import claim_sum, fixed_sum, projections, verify
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.protocols._play import compiled, reveal, traced, values
from tests.protocols.test_soundness import RUNS, SCHEME, P, spread, stated

PEERS, LENGTH, CUT = 5, 4, 3
SHAPES = [(PEERS,), (PEERS, LENGTH)]
NO_LIE = np.zeros(1, np.uint32)


def parted(rt: Runtime, w: Any, x: Any, claimed_first: bool = False, change: Any = None) -> Any:
    """The combination in two parts; `change(rt, z)` is what a cheat makes of it before the coin."""
    if claimed_first:
        protocols.dot(rt, x, x)
    parts = [(w[:, :CUT], x[:, :CUT]), (w[:, CUT:], x[:, CUT:])]
    local = rt.field.sum(jnp.stack([kernels.combine(rt.field, *part, axis=1) for part in parts]), axis=0)
    z, directions = fixed_sum(rt, local, w, rt.products)
    projected = jnp.concatenate([projections(rt, part, directions) for _, part in parts], axis=2)
    claim_sum(rt, w, projected, z if change is None else change(rt, z), directions)
    verify(rt)
    return z


def expected(field: Field, w: np.ndarray, x: np.ndarray) -> np.ndarray:
    return (w.astype(object) @ x.astype(object)) % field.modulus


@pytest.mark.parametrize("exponent", [5, 31, 61])
def test_it_is_the_combination_and_verifies(exponent: int) -> None:
    """Also beside another claim, and with several directions, one for each try."""
    scheme = Shamir(Field(exponent), 3, 1)
    run = compiled(scheme, lambda rt, w, x: parted(rt, w, x, claimed_first=True), SHAPES)
    w, x = values(scheme.field, *SHAPES)
    z, verified = run(jax.random.key(0), np.zeros(2, scheme.field.dtype), w, x)
    assert bool(verified)
    np.testing.assert_array_equal(reveal(scheme, z), expected(scheme.field, w, x))


@pytest.mark.parametrize("exponent", [5, 61])
@pytest.mark.parametrize("place", range(LENGTH))
def test_a_wrong_sum_is_caught(exponent: int, place: int) -> None:
    """Wrong in one coordinate from the reduction on, by 1: as a king's lie makes it."""
    field = Field(exponent)
    lie = np.eye(LENGTH, dtype=field.dtype)[place]
    for told, fine in ((lie * 0, True), (lie, False)):
        _, verified = lying(exponent)(jax.random.key(0), np.zeros(1, field.dtype), *values(field, *SHAPES), told)
        assert bool(verified) == fine


@cache
def lying(exponent: int) -> Any:
    """With what is added to the sum as a third value: compiled once for all lies."""

    def program(rt: Runtime, w: Any, x: Any, lie: Any) -> Any:
        return parted(rt, w, x, change=lambda rt, z: rt.field.add(z, rt.scheme.reconstruct(lie)))

    return compiled(Shamir(Field(exponent), 3, 1), program, [*SHAPES, (LENGTH,)])


def test_a_wrong_claim_about_the_directions_is_caught() -> None:
    scheme = Shamir(F61, 3, 1)
    run = compiled(scheme, parted, SHAPES)
    for lie, fine in ((0, True), (1, False)):
        _, verified = run(jax.random.key(0), np.array([lie], np.uint64), *values(F61, *SHAPES))
        assert bool(verified) == fine


def test_a_wrong_sum_passes_one_try_no_more_often_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two challenges of degree 1, the direction and the coefficient, then the folds: what `verify` counts with."""
    monkeypatch.setattr(Runtime, "repetitions", lambda self, error: 1)

    def lie(rt: Runtime, z: Any) -> Any:
        return z.at[:, 0].set(rt.field.add(z[:, 0], rt.field.ones(())))

    run = traced(SCHEME, lambda rt, w, x: parted(rt, w, x, change=lie), SHAPES)

    def one(key: Any) -> Any:
        w = jax.random.randint(jax.random.fold_in(key, 1), (PEERS,), 0, P).astype(jnp.uint32)
        x = jax.random.randint(jax.random.fold_in(key, 2), (PEERS, LENGTH), 0, P).astype(jnp.uint32)
        return run(key, NO_LIE, w, x)[1]

    found = float(np.mean(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(7), RUNS))))
    assert found <= stated(PEERS) + spread(stated(PEERS))
    least = 1 - (1 - 1 / P) ** 2  # the direction or the coefficient is zero where z is wrong
    assert found >= least - spread(least)


def test_claims_that_are_added_after_the_directions_are_refused() -> None:
    """In a small field they could ask for more tries than there are directions."""
    scheme = Shamir(Field(3), 3, 1)

    def late(rt: Runtime, w: Any, x: Any) -> Any:
        z, directions = fixed_sum(rt, kernels.combine(rt.field, w, x, axis=1), w, rt.products)
        claim_sum(rt, w, projections(rt, x, directions), z, directions)
        protocols.dot(rt, jnp.tile(x, (1, 1, 20)), jnp.tile(x, (1, 1, 20)))
        verify(rt)
        return z

    with pytest.raises(OrderError, match="directions were drawn for"):
        compiled(scheme, late, SHAPES)
