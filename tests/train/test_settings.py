"""Settings: what they make, and what they refuse."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import mpcjax
from mpcjax import train
from mpcjax.train.data import load
from mpcjax.train.settings import DEMO, MAIN


@pytest.fixture(scope="module")
def digits():
    return load("digits")


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


def test_attack_takes_the_strength():
    rows = np.ones((3, 2), np.float32)
    attack = train.Settings("mean", attack="ipm", strength=7.0).make_attack()
    assert attack is not None
    np.testing.assert_allclose(attack(rows, 1)[-1], -7.0)
    assert train.Settings("mean", attack="none").make_attack() is None


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
        ({"rule": "median"}, "median"),
        ({"attack": "mine"}, "mine"),
        ({"attack": "label_flip", "strength": 2.0}, "no strength"),
    ],
)
def test_bad_settings_are_refused(change, match):
    with pytest.raises(ValueError, match=match):
        train.Settings(**({"rule": "mean"} | change))
