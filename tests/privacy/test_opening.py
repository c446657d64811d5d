"""Openings: what any t parties see is determined by the value opened. All randomness enumerated."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any

import pytest

from mpcjax.fields import Field
from mpcjax.protocols import open_many, open_now, verify
from mpcjax.protocols.opening import king_open
from mpcjax.sharing import Shamir
from tests.privacy._views import Scene, leaking_subsets

SMALL = Shamir(Field(3), 3, 1)
PAIRS = list(itertools.product(range(7), repeat=2))


def total(x: int, y: int) -> int:
    """What is opened, and the only thing that may show."""
    return (x + y) % 7


def opened(opening: Callable[..., Any]) -> Callable[..., None]:
    """A program that opens the sum of two shared secrets."""

    def program(scene: Scene, x: Any, y: Any) -> None:
        shares = scene.rt.field.add(scene.share(x[None]), scene.share(y[None]))
        opening(scene, shares)

    return program


def to_all(scene: Scene, shares: Any) -> None:
    open_now(scene.rt, shares, "sum")


def through_kings(scene: Scene, shares: Any) -> None:
    king_open(scene.rt, shares, scene.rt.scheme.threshold, "sum")


def in_bulk(scene: Scene, shares: Any) -> None:
    """Through kings, with the check that follows later."""
    open_many(scene.rt, shares, "sum")
    verify(scene.rt)


@pytest.fixture
def bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few values open through kings too, and the coin of the check is one public field element."""
    module = sys.modules["mpcjax.protocols.verify"]
    monkeypatch.setattr(sys.modules["mpcjax.protocols.opening"], "BULK", 1)
    monkeypatch.setattr(module, "coin", lambda rt: rt.material.scene.public())


@pytest.mark.parametrize("opening", [to_all, through_kings])
@pytest.mark.parametrize(("parties", "threshold"), [(3, 1), (4, 1), (5, 2)])
def test_only_the_sum_shows(opening: Callable[..., Any], parties: int, threshold: int) -> None:
    assert leaking_subsets(Shamir(Field(3), parties, threshold), opened(opening), PAIRS, given=total) == []


def test_bulk_opening_and_its_check(bulk: None) -> None:
    assert leaking_subsets(SMALL, opened(in_bulk), PAIRS, given=total) == []


@pytest.mark.parametrize("opening", [to_all, through_kings])
def test_another_sum_shows(opening: Callable[..., Any]) -> None:
    assert leaking_subsets(SMALL, opened(opening), [(0, 0), (0, 1)]) == [(0,), (1,), (2,)]


def test_opening_one_summand_shows() -> None:
    def program(scene: Scene, x: Any, y: Any) -> None:
        shares = scene.share(x[None])
        to_all(scene, scene.rt.field.add(shares, scene.share(y[None])))
        to_all(scene, shares)

    assert leaking_subsets(SMALL, program, PAIRS, given=total) == [(0,), (1,), (2,)]


def test_a_product_of_degree_2t_must_not_be_opened_as_it_is() -> None:
    """The local product of two sharings has no fresh randomness: its shares tell more than the product."""

    def program(scene: Scene, x: Any, y: Any) -> None:
        king_open(scene.rt, scene.rt.field.mul(scene.share(x[None]), scene.share(y[None])), 2, "product")

    assert (0,) in leaking_subsets(SMALL, program, [(0, 0), (0, 3), (5, 0)])
