"""Multiplication: any t parties' view has the same distribution for all factors. All randomness enumerated."""

from __future__ import annotations

import itertools
from typing import Any

import jax.numpy as jnp
import pytest

from mpcjax.fields import Field
from mpcjax.protocols import beaver, multiply
from mpcjax.protocols.multiply import opened_product
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.privacy._views import Scene, leaking_subsets

SMALL, ROBUST = Shamir(Field(3), 3, 1), Shamir(Field(3), 4, 1)
EVERY = list(itertools.product(range(7), repeat=2))
SOME = [(0, 0), (0, 3), (1, 1), (5, 2), (6, 6)]
SPOILED = {
    "left out": lambda value: jnp.zeros_like(value),
    "biased": lambda value: jnp.minimum(value, jnp.asarray(5, value.dtype)),  # 5 twice as often, 6 never
}


def damgard_nielsen(scene: Scene, x: Any, y: Any) -> None:
    assert not scene.rt.scheme.robust
    multiply(scene.rt, scene.share(x[None]), scene.share(y[None]))


def with_triple(scene: Scene, x: Any, y: Any) -> None:
    beaver(scene.rt, scene.share(x[None]), scene.share(y[None]))


def test_damgard_nielsen_for_every_pair_of_factors() -> None:
    """7 values of r, 7 and 49 of the noise of its halves, 49 of the inputs': 117,649 runs for each of 49 pairs."""
    assert leaking_subsets(SMALL, damgard_nielsen, EVERY) == []


def at_once(scene: Scene, x: Any, y: Any) -> None:
    opened_product(scene.rt, scene.share(x[None]), scene.share(y[None]), "product")


def test_a_product_opened_at_once_says_nothing_else() -> None:
    assert leaking_subsets(SMALL, at_once, EVERY, given=lambda x, y: x * y % 7) == []
    assert leaking_subsets(SMALL, at_once, EVERY) == [(0,), (1,), (2,)]


@pytest.mark.parametrize("scheme", [SMALL, ROBUST], ids=["checked", "corrected"])
def test_beaver(scheme: Shamir, monkeypatch: pytest.MonkeyPatch) -> None:
    # so few columns are decoded one by one, without a coin to combine them
    monkeypatch.setattr(Runtime, "repetitions", lambda self, error: 2)
    assert leaking_subsets(scheme, with_triple, SOME) == []


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize("program", [damgard_nielsen, with_triple])
def test_a_spoiled_mask_shows(program: Any, spoil: str) -> None:
    """Everybody sees the openings of a triple; of one product only its king sees all shares, all hear its value."""
    assert leaking_subsets(SMALL, program, [(0, 0), (1, 1)], mask=SPOILED[spoil]) == [(0,), (1,), (2,)]
