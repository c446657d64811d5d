"""Rules by the order of every coordinate: exact on the grid of their values, whatever the bits, ties and who is there."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax.rules import (
    Public,
    Rule,
    bucketing,
    bulyan,
    mean_around_median,
    median,
    nearest_neighbour_mixing,
    trimmed_mean,
)
from mpcjax.secret import Secret
from tests.api._reference import REFERENCES
from tests.circuits._stock import runtime
from tests.rules._ideal import SCHEME, Zeros, on_secrets, shared, value
from tests.rules._plain import of_accepted

STEPS = 8  # a width of 4 bits and a limit of 8: whole numbers from -8 to 7
RULES = {"median": median, "trimmed_mean": trimmed_mean, "mean_around_median": mean_around_median}


def whole(name: str, **settings: Any) -> Rule:
    return RULES[name](limit=STEPS, width=4, **settings)


def public_of(accepted: np.ndarray, length: int) -> Public:
    public = Public.of(len(accepted), length)
    return dataclasses.replace(public, accepted=jnp.asarray(accepted))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("peers", [1, 6, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 3, 4, 5, 9))])
def test_whole_numbers_with_many_ties(name: str, peers: int, ideal: None) -> None:
    """Also the lowest and the highest number there is; one peer in three is left out."""
    rng = np.random.default_rng(peers)
    settings = [{}] if name == "median" else [{"f": f} for f in (0, 1, 2) if 2 * f < peers]
    for given in settings:
        x = rng.integers(-STEPS, STEPS, (peers, 40)).astype(np.float32)
        for accepted in (np.ones(peers, bool), np.arange(peers) % 3 != 1):
            public = public_of(accepted, 40)
            rule = whole(name, **given)
            found = on_secrets(rule, x, public)
            np.testing.assert_allclose(found, expected(name, x[accepted], **given), atol=1e-6)
            np.testing.assert_allclose(of_accepted(rule, x, public), found, atol=1e-6)


def expected(name: str, x: np.ndarray, f: int | None = None) -> np.ndarray:
    if name != "mean_around_median":
        return REFERENCES[name](x.astype(float), f=f, limit=STEPS)
    middle = np.median(x, axis=0)
    kept = max(len(x) - (f or 0), 1)
    # nearest first, of equally near ones the lowest
    return np.array(
        [np.mean(sorted(c, key=lambda v: (abs(v - m), v))[:kept]) for c, m in zip(x.T, middle, strict=True)]
    )


@pytest.mark.parametrize("name", RULES)
def test_what_the_poisoned_send_stays_within_what_others_sent(name: str, ideal: None) -> None:
    """f of the peers send the most that passes: every coordinate of the result lies between honest ones."""
    rng = np.random.default_rng(7)
    honest = rng.uniform(-0.1, 0.1, (7, 30)).astype(np.float32)
    for extreme in (1e9, -1e9):
        x = np.concatenate([honest, np.full((2, 30), extreme, np.float32)])
        rule = RULES[name]() if name == "median" else RULES[name](f=2)
        found = on_secrets(rule, x, Public.of(9, 30))
        assert (found >= honest.min(0) - rule.step).all() and (found <= honest.max(0) + rule.step).all()


@pytest.mark.parametrize("width", [2, pytest.param(7, marks=pytest.mark.long), 24])
def test_values_are_the_nearest_multiples_of_a_step(width: int, ideal: None) -> None:
    rule = trimmed_mean(limit=0.3, width=width, f=0)
    x = np.random.default_rng(0).uniform(-0.3, 0.3 - 0.6 / 2**width, (1, 50)).astype(np.float32)
    np.testing.assert_allclose(on_secrets(rule, x, Public.of(1, 50)), x[0], atol=0.3 / 2**width + 1e-7)
    assert on_secrets(rule, np.zeros((1, 2), np.float32), Public.of(1, 2)).tolist() == [0, 0]


def test_wide_coordinates_of_many_peers() -> None:
    """300 times half of 2^24 steps is no int32."""
    rule = trimmed_mean(width=24, f=0)
    x = jnp.full((300, 2), 0.25)
    np.testing.assert_allclose(rule.plain(x), x[0], rtol=1e-6)
    sums = Secret(runtime(SCHEME, Zeros()), shared(np.full(2, 300 * 10 * 2**20)), 0, 300 << 24)
    found = rule.from_zero(sums, jnp.asarray(300, jnp.int32), 300)
    np.testing.assert_array_equal(value(found.shares), 300 * (10 * 2**20 - 2**23))
    assert found.bound >= 300 << 24


WRONG = {
    "limit": (lambda: median(limit=0.0), "limit=0.0.*positive number that is finite"),
    "infinite": (lambda: median(limit=float("inf")), "limit=inf"),
    "width": (lambda: trimmed_mean(width=25), "width=25: legal are 2 to 24 bits"),
    "f": (lambda: mean_around_median(f=-1), "f=-1: the number of poisoned peers"),
    "bool": (lambda: trimmed_mean(f=True), "f=True: the number of"),
    "four times too many": (
        lambda: mpcjax.estimate(bulyan(f=2), 4, peers=10, committee=mpcjax.simulate(3)),
        "f=2 and 10 peers: legal are at least 4 f . 3 = 11 peers",
    ),
    "bits are not mixed": (lambda: bucketing(median()), "messages of 'median' are no vectors"),
    "nor before": (lambda: nearest_neighbour_mixing(bucketing(median())), "messages of 'median' are no vectors"),
    "too many": (lambda: mpcjax.estimate(trimmed_mean(f=3), 4, peers=6, committee=mpcjax.simulate(3)), "f=3 .*6 peers"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_are_refused(case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.user
def test_end_to_end_with_a_peer_that_cannot_show_bits() -> None:
    """A peer whose update is not finite is left out; the others' median is the result."""
    x = np.random.default_rng(1).integers(-STEPS, STEPS, (5, 6)).astype(np.float32)
    x[3, 2] = np.nan
    result = mpcjax.aggregate(jnp.asarray(x), whole("median"), committee=mpcjax.simulate(3))
    assert set(result.report.excluded) == {3}
    np.testing.assert_array_equal(np.asarray(result.value), np.median(np.delete(x, 3, 0), axis=0))
