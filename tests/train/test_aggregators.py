"""The plain aggregators against NumPy; the one under MPC is compared with them in `test_loop`."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax import train

ROWS = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
CENTER = np.random.default_rng(1).normal(size=12).astype(np.float32)
ROWS64, CENTER64 = ROWS.astype(np.float64), CENTER.astype(np.float64)


def clipped(rows, center, tau):
    offsets = rows - center
    return center + (offsets * np.minimum(1, tau / np.linalg.norm(offsets, axis=1))[:, None]).mean(axis=0)


def trusted(rows, reference):
    norms, target = np.linalg.norm(rows, axis=1), np.linalg.norm(reference)
    trust = np.maximum(rows @ reference / norms / target, 0)
    return target * (trust / norms) @ rows / trust.sum()


CASES = {
    "mean": (mpcjax.rules.mean(), {}, ROWS64.mean(axis=0)),
    "rsa": (mpcjax.rules.rsa(lam=0.5), {}, 0.5 * np.sign(ROWS64).sum(axis=0)),
    "centered_clipping": (mpcjax.rules.centered_clipping(clip=2.0), {}, clipped(ROWS64, 0, 2.0)),
    "with center": (mpcjax.rules.centered_clipping(clip=2.0), {"center": CENTER}, clipped(ROWS64, CENTER64, 2.0)),
    "fltrust": (mpcjax.rules.fltrust(), {"reference": CENTER}, trusted(ROWS64, CENTER64)),
}


@pytest.mark.parametrize("case", CASES)
def test_plain(case):
    rule, public, expected = CASES[case]
    value, report = train.plain(rule)(jnp.asarray(ROWS), 0, **public)
    assert report is None and value.dtype == jnp.float32
    np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_plain_leaves_out_who_is_not_finite(bad):
    rows = jnp.asarray(np.vstack([ROWS, np.full((1, 12), 9, np.float32)])).at[-1, 3].set(bad)
    for rule, public, expected in CASES.values():
        np.testing.assert_allclose(train.plain(rule)(rows, 0, **public)[0], expected, rtol=1e-4, atol=1e-5)


def test_plain_takes_pytrees():
    split = {"a": jnp.asarray(ROWS[:, :4].reshape(5, 2, 2)), "b": jnp.asarray(ROWS[:, 4:])}
    center = {"a": jnp.asarray(CENTER[:4].reshape(2, 2)), "b": jnp.asarray(CENTER[4:])}
    rule, _, expected = CASES["with center"]
    value, _ = train.plain(rule)(split, 0, center=center)
    np.testing.assert_allclose(np.r_[np.ravel(value["a"]), value["b"]], expected, rtol=1e-4, atol=1e-5)


def test_plain_shuffles_anew_in_every_round():
    aggregator = train.plain(mpcjax.rules.bucketing(mpcjax.rules.krum(f=0), size=2))
    rows = jnp.asarray(np.random.default_rng(5).normal(size=(9, 12)), jnp.float32)
    chosen = [np.asarray(aggregator(rows, number)[0]) for number in (0, 1, 0)]
    assert np.abs(chosen[0] - chosen[1]).max() > 0.01
    np.testing.assert_array_equal(chosen[0], chosen[2])


def test_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="'middle'"):
        train.plain("middle")
