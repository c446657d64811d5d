"""One contract for every rule of the catalogue, with its default settings, on plain arrays and on secrets."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax.rules import RULES, Public, Rule, bucketing, norm_bounded
from mpcjax.setup import Setup
from tests.api._reference import REFERENCES
from tests.rules._ideal import SCHEME, on_secrets
from tests.rules._plain import of_accepted, plain

PEERS, LENGTH = 8, 12
BY_ORDER = ("median", "trimmed_mean", "mean_around_median", "bulyan")  # of values of 16 bits
ACCURATE = {"fltrust": 2e-5, **dict.fromkeys(BY_ORDER, 2e-5)}  # what is less so than float32 sums

# Slow to compile: that a rule is the same inside `jit` the others say.
SLOW = (
    "adaptive_clipping",
    "bucketing",
    "bulyan",
    "minimum_diameter_averaging",
    "monna",
    "nearest_neighbour_mixing",
)

every = pytest.mark.parametrize("name", sorted(RULES))


def updates(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.4, size=(PEERS, LENGTH)).astype(np.float32)


def public_of(rule: Rule, accepted: Any = None) -> Public:
    reference = jnp.asarray(updates(9)[0]) if "reference" in rule.needs else None
    public = Public.of(PEERS, LENGTH, reference=reference)
    if accepted is None:
        return public
    accepted = jnp.asarray(accepted)
    return dataclasses.replace(public, accepted=accepted, weights=accepted.astype(jnp.float32))


def expected(name: str, x: np.ndarray) -> np.ndarray:
    extra = {"reference": updates(9)[0].astype(float)} if name == "fltrust" else {}
    return REFERENCES[name](x.astype(float), **extra)


def close(name: str, found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=0, atol=ACCURATE.get(name, 5e-6))


@pytest.mark.parametrize(
    "name", [pytest.param(rule, marks=pytest.mark.long if rule in SLOW else ()) for rule in sorted(RULES)]
)
def test_is_part_of_a_compiled_program(name: str) -> None:
    rule = RULES[name]()
    assert rule.name == name and rule.paper and rule.__doc__
    assert hash(rule) == hash(RULES[name]()) and rule == RULES[name]()
    jitted = jax.jit(lambda x: rule.plain(x, public_of(rule)))(updates())
    close(name, jitted, rule.plain(updates(), public_of(rule)))
    x, without = updates(), public_of(rule, np.arange(PEERS) != 2)
    x[2] = np.nan
    close(name, plain(rule, x, without), rule.plain(x, without))


@every
def test_plain_is_the_reference(name: str) -> None:
    for seed in range(3):
        found = plain(RULES[name](), updates(seed), public_of(RULES[name]()))
        assert found.shape == (LENGTH,) and found.dtype == jnp.float32
        close(name, found, expected(name, updates(seed)))


@every
def test_secret_is_the_reference(name: str, ideal: None) -> None:
    rule = RULES[name]()
    for seed in range(2):
        close(name, on_secrets(rule, updates(seed), public_of(rule)), expected(name, updates(seed)))


@every
def test_who_is_left_out_does_not_count(name: str, ideal: None) -> None:
    rule, x = RULES[name](), updates(4)
    accepted = np.arange(PEERS) != 2
    public = public_of(rule, accepted)
    without = of_accepted(rule, x, public)
    close(name, on_secrets(rule, x, public), without)
    if name not in ("bucketing", "rsa", "sign_majority"):  # who is whose neighbour, and ties, follow the numbers of all
        close(name, without, expected(name, x[accepted]))


@every
@pytest.mark.parametrize("left", [0, 1, pytest.param(2, marks=pytest.mark.long)])
def test_few_accepted(name: str, left: int, ideal: None) -> None:
    rule, x = RULES[name](), updates(5)
    public = public_of(rule, np.arange(PEERS) >= PEERS - left)
    found = on_secrets(rule, x, public)
    assert np.isfinite(found).all()
    close(name, found, of_accepted(rule, x, public))
    if not left:
        np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize("row", [np.nan, 1e30, 3.0])
@every
def test_what_is_left_out_is_zero_in_the_plain_form_too(name: str, row: float) -> None:
    """Also where a message of zeros is none: what a peer sends may be its distance from the center."""
    rule, accepted = RULES[name](), np.arange(PEERS) != 2
    x, without = updates(), updates()
    x[2], without[2] = row, 0
    public = dataclasses.replace(public_of(rule, accepted), center=jnp.full(LENGTH, 0.1, jnp.float32))
    np.testing.assert_array_equal(plain(rule, x, public), plain(rule, without, public))


@every
def test_zero_updates(name: str, ideal: None) -> None:
    rule, x = RULES[name](), np.zeros((PEERS, LENGTH), np.float32)
    found = on_secrets(rule, x, public_of(rule))
    close(name, found, plain(rule, x, public_of(rule)))
    np.testing.assert_array_equal(found, 0)  # of ties as many for one sign as for the other


@every
def test_all_the_same(name: str, ideal: None) -> None:
    rule, x = RULES[name](), np.repeat(updates(6)[:1], PEERS, 0)
    found = on_secrets(rule, x, public_of(rule))
    close(name, found, plain(rule, x, public_of(rule)))


FOLLOW_NUMBERS = {"bucketing", "monna"}  # by which groups are made, or one's own vector is known


@pytest.mark.parametrize("name", sorted({*RULES} - FOLLOW_NUMBERS))
def test_the_order_of_peers_does_not_matter(name: str) -> None:
    rule, x = RULES[name](), updates(7)
    found = plain(rule, x, public_of(rule))
    turned = np.random.default_rng(1).permutation(PEERS)
    close(name, plain(rule, x[turned], public_of(rule)), found)


@every
def test_precision(name: str) -> None:
    """Traced with the real circuits: as many fractional bits as the updates of a small model need."""
    bits = Setup(SCHEME, RULES[name](), PEERS, LENGTH).bits
    assert bits >= 16 or name in ("rsa", "sign_majority", *BY_ORDER)


@pytest.mark.long
@pytest.mark.user
@every
def test_end_to_end(name: str) -> None:
    rule, x = RULES[name](), updates(8)
    extra = {"reference": updates(9)[0]} if name == "fltrust" else {}
    result = mpcjax.aggregate(jnp.asarray(x), rule, committee=mpcjax.simulate(3), **extra)
    public = dataclasses.replace(public_of(rule), order=result.report.order)
    assert (result.report.order is not None) == rule.shuffles
    close(name, result.value, rule.plain(jnp.asarray(x), public))


@pytest.mark.user
def test_groups_of_groups_leave_nobody_out() -> None:
    """Groups of four by twos, under an order that a coin draws: the mean of their means is that of all."""
    x = updates(3)[:8] / 10
    result = mpcjax.aggregate(jnp.asarray(x), bucketing(bucketing(norm_bounded())), committee=mpcjax.simulate(3))
    assert sorted(np.asarray(result.report.order).tolist()) == list(range(8))
    np.testing.assert_allclose(np.asarray(result.value), x.mean(0), atol=1e-5)


def test_the_order_of_the_report_is_that_of_the_groups() -> None:
    rule = bucketing()
    order = np.random.default_rng(3).permutation(PEERS).astype(np.int32)
    public = dataclasses.replace(public_of(rule), order=jnp.asarray(order))
    found = rule.plain(jnp.asarray(updates()), public)
    close("bucketing", found, REFERENCES["bucketing"](updates().astype(float), order=order))
