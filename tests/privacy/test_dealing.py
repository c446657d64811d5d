"""Input dealing with its check: any t members learn nothing of what an honest peer dealt. All randomness enumerated."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import pytest

from mpcjax.fields import Field
from mpcjax.protocols import check_dealings, deal, deal_masks
from mpcjax.sharing import Shamir
from tests.privacy._views import Scene, leaking_subsets

SMALL = Shamir(Field(3), 3, 1)
EVERY = [(x,) for x in range(7)]


def dealing(scene: Scene, *values: Any) -> None:
    """One peer deals `values` and a mask, and the dealing is checked."""
    peers = scene.peers(1)
    message = deal(scene.rt, jnp.stack(values)[None], peers, "message")
    check_dealings(scene.rt, scene.public(), [message], deal_masks(scene.rt, peers))


def without_mask(scene: Scene, *values: Any) -> None:
    message = deal(scene.rt, jnp.stack(values)[None], scene.peers(1), "message")
    check_dealings(scene.rt, scene.public(), [message], scene.rt.field.zeros((scene.rt.scheme.parties, 1, 1)))


def with_reused_noise(scene: Scene, *values: Any) -> None:
    """Both values under the same noise: their difference is plain."""
    peers = scene.peers(1)
    deal(scene.rt, values[0][None, None], peers, "message")
    share = scene.fabric.private[-1]
    scene.fabric.each(scene.rt.field.add(share, scene.rt.field.sub(values[1], values[0])))


@pytest.mark.parametrize(("parties", "threshold"), [(3, 1), (4, 1), (5, 2)])
def test_dealt_shares_alone(parties: int, threshold: int) -> None:
    scheme = Shamir(Field(3), parties, threshold)

    def alone(scene: Scene, value: Any) -> None:
        deal(scene.rt, value[None, None], scene.peers(1), "message")

    assert leaking_subsets(scheme, alone, EVERY) == []


@pytest.mark.parametrize(("parties", "threshold"), [(3, 1), (4, 1), (5, 2)])
def test_dealing_and_its_check(parties: int, threshold: int) -> None:
    assert leaking_subsets(Shamir(Field(3), parties, threshold), dealing, EVERY) == []


def test_two_values_under_one_check() -> None:
    assert leaking_subsets(SMALL, dealing, [(0, 0), (0, 1), (3, 4), (6, 6)]) == []


def test_a_check_without_mask_leaks_to_everybody() -> None:
    assert leaking_subsets(SMALL, without_mask, EVERY) == [(0,), (1,), (2,)]


def test_noise_used_twice_leaks_to_everybody() -> None:
    assert leaking_subsets(SMALL, with_reused_noise, [(0, 0), (0, 1)]) == [(0,), (1,), (2,)]


def test_one_member_more_than_the_threshold_learns_the_value() -> None:
    """So the tests above look at as many members as they can."""

    def shown_to_two(scene: Scene, value: Any) -> None:
        shares = scene.rt.scheme.share(value, scene.tape.draw((1,)))
        scene.fabric.each(jnp.stack([shares, jnp.roll(shares, 1)], axis=1))  # each also holds its neighbour's

    assert leaking_subsets(SMALL, shown_to_two, EVERY) == [(0,), (1,), (2,)]
