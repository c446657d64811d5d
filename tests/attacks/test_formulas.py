"""Each attack against its formula, written again in NumPy float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import attacks

PEERS, BAD = 25, 5
ROWS = np.random.default_rng(0).normal(size=(PEERS, 40)).astype(np.float32)
HONEST = ROWS[:-BAD].astype(np.float64)
MU, SIGMA = HONEST.mean(axis=0), HONEST.std(axis=0, ddof=1)


def crafted(attack, **options):
    return np.asarray(attack(jnp.asarray(ROWS), BAD, **options))[-BAD:]


@pytest.mark.parametrize("factor", [0.1, 2.0, 10.0, 100.0])
def test_ipm(factor):
    expected = np.tile(-factor * MU, (BAD, 1))
    np.testing.assert_allclose(crafted(attacks.ipm(factor)), expected, rtol=1e-5, atol=1e-6 * factor)


def test_ipm_turns_the_mean_around_from_factor_four():
    def direction(factor):
        return float(np.asarray(attacks.ipm(factor)(jnp.asarray(ROWS), BAD)).mean(axis=0) @ MU)

    assert direction(3.9) > 0 > direction(4.1)


@pytest.mark.parametrize(
    ("peers", "bad", "expected"), [(25, 5, 0.2533471), (25, 11, 1.0675705), (20, 8, 0.6744898), (50, 24, 1.4260769)]
)
def test_alie_factor(peers, bad, expected):
    assert attacks.alie_factor(peers, bad) == pytest.approx(expected, abs=1e-6)


def test_alie_takes_the_formula_by_default():
    expected = np.tile(MU - attacks.alie_factor(PEERS, BAD) * SIGMA, (BAD, 1))
    np.testing.assert_allclose(crafted(attacks.alie()), expected, rtol=1e-5, atol=1e-6)


def test_alie_with_a_given_factor():
    np.testing.assert_allclose(crafted(attacks.alie(z=1.5)), np.tile(MU - 1.5 * SIGMA, (BAD, 1)), rtol=1e-5, atol=1e-6)


def test_alie_with_a_traced_mask_uses_the_same_factor():
    mask = np.arange(PEERS) >= PEERS - BAD
    traced = jax.jit(lambda rows, mask: attacks.alie()(rows, mask))(jnp.asarray(ROWS), mask)
    np.testing.assert_allclose(np.asarray(traced)[-BAD:], crafted(attacks.alie()), rtol=1e-5, atol=1e-5)


def test_alie_says_where_the_formula_has_no_value():
    with pytest.raises(ValueError, match=r"alie\(z="):
        attacks.alie()(jnp.asarray(ROWS), 13)


def test_sign_flip():
    np.testing.assert_array_equal(crafted(attacks.sign_flip()), -ROWS[-BAD:])
    np.testing.assert_allclose(crafted(attacks.sign_flip(of="mean")), np.tile(-MU, (BAD, 1)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("std", [1.0, 1e4])
def test_gaussian_moments_and_independence(std):
    rows = jnp.zeros((4, 100_000), jnp.float32)
    noise = np.asarray(attacks.gaussian(std)(rows, 2, key=jax.random.key(3)))[-2:] / std
    np.testing.assert_allclose(noise.mean(axis=1), 0, atol=0.02)
    np.testing.assert_allclose(noise.std(axis=1), 1, atol=0.02)
    assert abs(np.corrcoef(noise)[0, 1]) < 0.02


def test_label_flip():
    labels = jnp.tile(jnp.arange(10, dtype=jnp.int32), (3, 1))
    flipped = attacks.label_flip()(jnp.ones((3, 2)), 1), attacks.label_flip().labels(labels, 1)
    np.testing.assert_array_equal(flipped[0], jnp.ones((3, 2)))
    np.testing.assert_array_equal(flipped[1][-1], 9 - np.arange(10))
    np.testing.assert_array_equal(attacks.label_flip(classes=3).labels(jnp.asarray([[0], [2]]), 1), [[0], [0]])


def test_moments_are_those_of_the_honest():
    mu, sigma = attacks.honest_moments(jnp.asarray(ROWS), np.arange(PEERS) < PEERS - BAD)
    np.testing.assert_allclose(mu, MU, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(sigma, SIGMA, rtol=1e-5)


def test_one_honest_peer_has_no_spread():
    _, sigma = attacks.honest_moments(jnp.asarray(ROWS), np.arange(PEERS) < 1)
    np.testing.assert_array_equal(sigma, 0)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: attacks.ipm(0), "factor=0"),
        (lambda: attacks.ipm(-1.0), "factor=-1.0"),
        (lambda: attacks.gaussian(0.0), "std=0.0"),
        (lambda: attacks.sign_flip(of="all"), "of='all'"),
        (lambda: attacks.label_flip(classes=1), "classes=1"),
    ],
)
def test_bad_arguments_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
