"""What says of itself that it is additive or coordinate-wise is tried on plain numbers, and refused where it is not."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax._compat import x64
from mpcjax.certificates import Certificate, Norm
from mpcjax.rules import RULES, Public, require_additive, require_coordinatewise
from tests.session._agreement import Agreement
from tests.session._squared import Squared

PEERS, LENGTH = 5, 8


def aggregated(rule: Any) -> Any:
    updates = np.random.default_rng(0).normal(size=(PEERS, LENGTH)).astype(np.float32)
    center = np.linspace(-1, 1, LENGTH, dtype=np.float32)
    return mpcjax.aggregate(
        jnp.asarray(updates), rule, committee=mpcjax.simulate(3, block=3), key=bytes(32), center=center
    )


@pytest.mark.parametrize("rule", sorted(name for name, rule in RULES.items() if not rule.additive))
def test_a_rule_is_coordinatewise_if_it_says_so(rule):
    """Sums over the peers may be too, and go in groups of these."""
    chosen = RULES[rule]()
    if chosen.coordinatewise:
        require_coordinatewise(chosen, 25)
        return
    object.__setattr__(chosen, "coordinatewise", True)
    with pytest.raises(ValueError, match="says that it is coordinate-wise"):
        require_coordinatewise(chosen, 25)


@dataclasses.dataclass(frozen=True)
class Whole(Agreement):
    """Signs of what is left of the mean: every coordinate depends on all of its update."""

    name = "whole"

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return jnp.where(update < update.mean(), -1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class OfNorm(Agreement):
    name = "of_norm"

    def certificate(self, peers: int) -> Certificate:
        return Norm(2.0, peers)


@dataclasses.dataclass(frozen=True)
class Scaled(Agreement):
    """A number for every parameter is one for every parameter of a block, too."""

    name = "scaled"
    limit: float | None = None  # may mean anything in a rule of one's own
    scales: tuple[float, ...] = (1.0,) * LENGTH

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return super().local(update * jnp.asarray(self.scales, jnp.float32), peer, public)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Whole(), "of 3 parameters it makes others"),
        (OfNorm(), "about whole messages"),
        (Scaled(), "does not run on 6 parameters"),
    ],
)
def test_what_is_not_coordinatewise_is_refused_before_anything_runs(rule, message):
    with pytest.raises(ValueError, match=message):
        aggregated(rule)


@dataclasses.dataclass(frozen=True)
class Choosing(Agreement):
    name = "choosing"

    def finish(self, combined: Any, public: Public) -> Any:
        return combined if combined.sum() > 0 else -combined


def test_a_rule_that_cannot_be_compiled_is_told_so_and_not_that_it_depends_on_the_length():
    with pytest.raises(TypeError, match=r"rule 'choosing', finish, .*combined.sum.*choose by jnp.where"):
        aggregated(Choosing())


@dataclasses.dataclass(frozen=True)
class PlainByNumPy(Agreement):
    """A plain form that no round runs may be anything."""

    name = "by_numpy"

    def plain(self, updates: Any, public: Public | None = None) -> Any:
        assert np.asarray(updates).any()
        return super().plain(updates, public)


def test_a_plain_form_need_not_be_compiled():
    with mpcjax._compat.x64():
        require_coordinatewise(PlainByNumPy(), 5)


class ByNumPy(Squared):
    """On plain numbers a rule may compute by anything."""

    name = "by_numpy"

    def combine(self, messages: Any, public: Any) -> Any:
        return np.asarray(messages).sum(0)


def test_what_is_tried_on_plain_numbers_need_not_be_compiled():
    with x64():
        require_additive(ByNumPy(), 5)
