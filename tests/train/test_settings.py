"""Settings: what they make, and what they refuse."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

import mpcjax
from mpcjax import train
from mpcjax.train.composing import ALONE, BEFORE
from mpcjax.train.data import load
from mpcjax.train.settings import DEMO, MAIN, STRENGTHS


@pytest.fixture(scope="module")
def digits():
    return load("digits")


@pytest.mark.once
@pytest.mark.parametrize("rule", MAIN)
def test_every_rule_has_both_settings_and_runs(rule, digits):
    assert set(MAIN) == set(DEMO) <= set(mpcjax.rules.RULES)
    assert train.main_settings(rule).model == "mlp"
    run = train.make_run(train.demo_settings(rule, peers=6, malicious=1), digits)
    history = train.train(run, 2)
    assert all(record["applied"] for record in history.records)


def test_rules_take_the_settings_numbers():
    assert train.Settings("centered_clipping", clip=3.0).make_rule() == mpcjax.rules.centered_clipping(clip=3.0)
    assert train.Settings("rsa", penalty=0.3).make_rule() == mpcjax.rules.rsa(lam=0.3)
    assert train.Settings("mean").make_rule() == mpcjax.rules.mean()


def test_every_rule_of_the_library_has_settings():
    assert {*ALONE, *BEFORE} == set(mpcjax.rules.RULES)


def test_compositions_take_the_numbers_of_the_run_for_the_vectors_they_get():
    rules = mpcjax.rules
    wanted = {
        "bucketing(multi_krum)": rules.bucketing(rules.multi_krum(f=5), size=2),
        "nearest_neighbour_mixing(centered_clipping)": rules.nearest_neighbour_mixing(
            rules.centered_clipping(clip=3.0), f=5
        ),
        "adaptive_clipping(clipping(krum))": rules.adaptive_clipping(rules.clipping(rules.krum(f=5), limit=3.0), f=5),
        # of 25 peers f = 5 leaves more subsets than the rule takes, of 13 groups f = 4 does not
        "minimum_diameter_averaging": rules.minimum_diameter_averaging(f=1),
        "bucketing(minimum_diameter_averaging)": rules.bucketing(rules.minimum_diameter_averaging(f=4), size=2),
    }
    for name, rule in wanted.items():
        made = train.Settings(name, clip=3.0).make_rule()
        assert made == rule
        made.certificate(25)


def test_a_composition_trains_as_its_innermost_rule():
    outer, inner = train.demo_settings("bucketing(rsa)"), train.demo_settings("rsa")
    assert outer == inner.replace(rule="bucketing(rsa)") and outer.innermost == "rsa"


def test_attack_takes_the_strength():
    rows = np.ones((3, 2), np.float32)
    attack = train.Settings("mean", attack="ipm", strength=7.0).make_attack()
    assert attack is not None
    np.testing.assert_allclose(attack(rows, 1)[-1], -7.0)
    assert train.Settings("mean", attack="none").make_attack() is None


def test_attacks_made_for_a_rule_know_it():
    rows = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    settings = train.Settings("centered_clipping", clip=0.5, attack="opt_ipm")
    for changes, expected in (
        ({}, mpcjax.attacks.opt_ipm(mpcjax.rules.centered_clipping(clip=0.5))),
        ({"rule": "mean", "attack": "opt_alie"}, mpcjax.attacks.opt_alie("mean")),
        ({"attack": "off_center"}, mpcjax.attacks.off_center(0.5)),
        ({"attack": "off_center", "strength": 2.0}, mpcjax.attacks.off_center(2.0)),
    ):
        attack = settings.replace(**changes).make_attack()
        assert attack is not None
        np.testing.assert_array_equal(attack(rows, 1), expected(rows, 1))


@pytest.mark.parametrize("name", STRENGTHS)
def test_strengths_are_first_arguments(name):
    rows = np.ones((3, 2), np.float32)
    attack = train.Settings("mean", attack=name, strength=2.5).make_attack()
    assert attack is not None
    key = jax.random.key(0)
    np.testing.assert_array_equal(attack(rows, 1, key=key), mpcjax.attacks.ATTACKS[name](2.5)(rows, 1, key=key))


def test_skewed_partition(digits):
    even = train.make_run(train.demo_settings("mean"), digits)
    uneven = train.make_run(train.demo_settings("mean", alpha=0.1), digits)
    assert np.ptp(even.batches.sizes) <= 1 < np.ptp(uneven.batches.sizes)


def test_everything_is_in_the_fingerprint(digits):
    settings = train.demo_settings("rsa", seed=4)
    assert train.make_run(settings, digits).settings == dataclasses.asdict(settings) | {"data": "digits"}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rule": "middle"}, "'middle': legal are .*median"),
        ({"rule": "bucketing"}, "in the brackets of"),
        ({"rule": "bucketing(krum"}, "legal are"),
        ({"rule": "krum)"}, "legal are"),
        ({"rule": "krum(bucketing)"}, "legal are"),
        ({"attack": "mine"}, "mine"),
        ({"attack": "label_flip", "strength": 2.0}, "no strength"),
    ],
)
def test_bad_settings_are_refused(change, match):
    with pytest.raises(ValueError, match=match):
        train.Settings(**({"rule": "mean"} | change))
