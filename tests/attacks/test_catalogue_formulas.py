"""The other attacks against their formulas, written again in NumPy float64: FOE, mimic, min-max, free riders, clipping."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax import attacks

PEERS, BAD = 25, 5
ROWS = (0.3 + np.random.default_rng(0).normal(size=(PEERS, 40))).astype(np.float32)
HONEST = ROWS[:-BAD].astype(np.float64)
MU, SIGMA = HONEST.mean(axis=0), HONEST.std(axis=0, ddof=1)
KEY = jax.random.key(3)
MASKS = {"count": BAD, "mask": np.arange(PEERS) >= PEERS - BAD, "first": np.arange(PEERS) < BAD}


def crafted(attack, rows=ROWS, **options):
    return np.asarray(attack(jnp.asarray(rows), BAD, **options), np.float64)[-BAD:]


def traced(attack, rows=ROWS, **options):
    """With the mask known only when the program runs, and NaN where the malicious peers stand."""
    rows = np.where(MASKS["mask"][:, None], np.float32(np.nan), rows)
    run = jax.jit(lambda rows, mask: attack(rows, mask, **options))
    return np.asarray(run(rows, MASKS["mask"]), np.float64)[-BAD:]


def unit(x):
    return x / np.linalg.norm(x)


@pytest.mark.parametrize("tau", [0.5, 3.0, 11.0])
def test_foe_is_ipm_counted_from_the_mean(tau):
    np.testing.assert_allclose(crafted(attacks.foe(tau)), np.tile((1 - tau) * MU, (BAD, 1)), rtol=1e-5, atol=1e-5)
    if tau > 1:
        np.testing.assert_array_equal(crafted(attacks.foe(tau)), crafted(attacks.ipm(tau - 1)))


def test_foe_has_byzfls_default():
    np.testing.assert_array_equal(crafted(attacks.foe()), crafted(attacks.ipm(2.0)))


def deviation(name):
    return {"unit": unit(MU), "sign": np.sign(MU), "std": SIGMA}[name]


def allowed(kind, row, honest):
    """Whether the row is within the bound of min-max or min-sum."""
    between = ((honest[:, None] - honest[None]) ** 2).sum(axis=2)
    distances = ((honest - row) ** 2).sum(axis=1)
    if kind == "min_max":
        return distances.max() <= between.max()
    return distances.sum() <= between.sum(axis=1).max()


def halving(kind, dev, honest):
    """The authors' loop: from 10, up after success and down after failure, by half of the last step."""
    gamma, step, best = 10.0, 10.0, 0.0
    while abs(best - gamma) > 1e-5:
        if allowed(kind, honest.mean(axis=0) - gamma * dev, honest):
            best, gamma = gamma, gamma + step / 2
        else:
            gamma -= step / 2
        step /= 2
    return best


@pytest.mark.parametrize("scale", [1e-2, 1.0])
@pytest.mark.parametrize("dev", ["unit", "sign", "std"])
@pytest.mark.parametrize("kind", ["min_max", "min_sum"])
def test_min_max_and_min_sum(kind, dev, scale):
    attack, direction = attacks.ATTACKS[kind](dev), deviation(dev) * (scale if dev == "std" else 1)
    gamma = halving(kind, direction, scale * HONEST)
    assert 0 < gamma < 20
    expected = np.tile(scale * MU - gamma * direction, (BAD, 1))
    reach = np.abs(direction).max()
    for found in (crafted(attack, scale * ROWS), traced(attack, scale * ROWS)):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=5e-5 * reach)


@pytest.mark.parametrize("kind", ["min_max", "min_sum"])
def test_min_max_and_min_sum_stop_at_the_bound(kind):
    """Found with nothing but the bound: it is legal, and a little more is not."""
    offset = crafted(attacks.ATTACKS[kind]("std"))[0] - MU
    assert allowed(kind, MU + (1 - 1e-4) * offset, HONEST)
    assert not allowed(kind, MU + (1 + 1e-4) * offset, HONEST)


@pytest.mark.parametrize("kind", ["min_max", "min_sum"])
def test_min_max_and_min_sum_of_peers_that_agree(kind):
    """No distance is allowed: the mean itself is sent. The same with one honest peer, and with a mean of zero."""
    same = np.ones((4, 3), np.float32)
    np.testing.assert_allclose(np.asarray(attacks.ATTACKS[kind]()(same, 1))[-1], 1, atol=1e-5)
    np.testing.assert_allclose(np.asarray(attacks.ATTACKS[kind]()(same, 3))[-1], 1, atol=1e-5)
    np.testing.assert_array_equal(np.asarray(attacks.ATTACKS[kind]()(0 * same, 1))[-1], 0)


@pytest.mark.parametrize("peer", [0, 4, 19])
def test_mimic_copies_a_named_peer(peer):
    np.testing.assert_array_equal(crafted(attacks.mimic(peer)), np.tile(ROWS[peer], (BAD, 1)))
    np.testing.assert_array_equal(traced(attacks.mimic(peer)), np.tile(ROWS[peer], (BAD, 1)))


def test_mimic_counts_among_the_honest():
    attacked = np.asarray(attacks.mimic(2)(jnp.asarray(ROWS), MASKS["first"]))
    np.testing.assert_array_equal(attacked[:BAD], np.tile(ROWS[BAD + 2], (BAD, 1)))


def test_mimic_says_which_peers_there_are():
    with pytest.raises(ValueError, match=r"peer=20: legal are 0\.\.19"):
        attacks.mimic(20)(jnp.asarray(ROWS), BAD)
    with pytest.raises(ValueError, match=r"direction has shape \[39\]: it must be \[40\]"):
        attacks.mimic(direction=jnp.ones(39))(jnp.asarray(ROWS), BAD)


def test_mimic_along_a_direction():
    direction = np.random.default_rng(1).normal(size=40).astype(np.float32)
    chosen = ROWS[np.argmax(HONEST @ direction)]
    attack = attacks.mimic(direction=direction)
    for found in (crafted(attack), traced(attack)):
        np.testing.assert_array_equal(found, np.tile(chosen, (BAD, 1)))


def test_mimic_copies_no_malicious_peer():
    """Not the one farthest along the direction, nor one that is counted too far while the mask is not known yet."""
    direction = np.ones(40, np.float32)
    rows = np.where(MASKS["mask"][:, None], np.float32(9), ROWS)
    np.testing.assert_array_equal(crafted(attacks.mimic(direction=direction), rows)[0], ROWS[np.argmax(HONEST.sum(1))])
    np.testing.assert_array_equal(traced(attacks.mimic(20))[0], ROWS[19])


def learned(rounds, z):
    """The warm-up of the authors' code, in float64."""
    mean = np.zeros(40)
    for t, honest in enumerate(rounds):
        mean = t / (t + 1) * mean + honest.mean(axis=0) / (t + 1)
        pull = sum(((x - mean) @ z) * (x - mean) for x in honest)
        z = unit(t / (t + 1) * z + unit(pull) / (t + 1))
    return mean, z


def test_mimic_learns_a_direction():
    rng = np.random.default_rng(2)
    apart = unit(rng.normal(size=40))
    rounds = [rng.normal(size=(PEERS, 40)) + 4 * rng.normal(size=(PEERS, 1)) * apart for _ in range(8)]
    start = attacks.mimic_start(40, KEY)
    stacked = jnp.asarray(np.stack(rounds), jnp.float32).at[:, -BAD:].set(jnp.nan)
    state, _ = jax.lax.scan(lambda s, rows: (attacks.mimic_learn(s, rows, BAD), None), start, stacked)
    mean, z = learned([rows[:-BAD] for rows in rounds], np.asarray(start.direction, np.float64))
    assert int(state.rounds) == 8
    np.testing.assert_allclose(state.mean, mean, atol=1e-5)
    np.testing.assert_allclose(state.direction, z, atol=1e-4)
    assert abs(z @ apart) > 0.9


def test_a_free_rider_sends_nothing_or_the_last_aggregate():
    np.testing.assert_array_equal(crafted(attacks.free_rider()), 0)
    last = np.arange(40, dtype=np.float32)
    found = crafted(attacks.free_rider(of="last"), center=last)
    np.testing.assert_array_equal(found, np.tile(last, (BAD, 1)))
    with pytest.raises(ValueError, match="center="):
        crafted(attacks.free_rider(of="last"))


def test_a_free_riders_noise():
    with pytest.raises(ValueError, match="key="):
        crafted(attacks.free_rider(0.1))
    rows, last = jnp.zeros((4, 100_000)), jnp.full(100_000, 5.0)
    noise = np.asarray(attacks.free_rider(0.1, of="last")(rows, 2, key=KEY, center=last))[-2:]
    np.testing.assert_allclose(noise.mean(axis=1), 5, atol=0.002)
    np.testing.assert_allclose(noise.std(axis=1), 0.1, atol=0.002)
    assert abs(np.corrcoef(noise)[0, 1]) < 0.02


@pytest.mark.parametrize("history", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("angle", [0.0, 90.0, 120.0, 180.0])
def test_off_center(angle, history):
    center = np.random.default_rng(4).normal(size=40).astype(np.float32)
    u = unit((1 - history) * MU + history * center)
    w = unit(np.ones(40) - u.sum() * u)
    expected = center + 2.5 * (np.cos(np.radians(angle)) * u + np.sin(np.radians(angle)) * w)
    attack = attacks.off_center(2.5, angle, history)
    for found in (crafted(attack, center=center), traced(attack, center=center)):
        np.testing.assert_allclose(found, np.tile(expected, (BAD, 1)), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(found - center, axis=1), 2.5, rtol=1e-5)


def test_off_center_is_not_clipped_and_pulls_back():
    """Centered clipping takes the rows whole, and moves less along the honest mean than with any honest ones instead."""
    center, rule = np.full(40, 0.1, np.float32), mpcjax.rules.centered_clipping(clip=1.0)
    public = mpcjax.rules.Public.of(PEERS, 40, None, jnp.asarray(center))
    rows = attacks.off_center(1.0)(jnp.asarray(ROWS), BAD, center=center)
    shift = np.asarray(jax.vmap(rule.local, (0, 0, None))(rows, jnp.arange(PEERS), public))[-BAD:]
    np.testing.assert_allclose(shift, np.tile(-unit(MU), (BAD, 1)), atol=1e-5)
    attacked, clean = (np.asarray(rule.plain(jnp.asarray(x), public)) for x in (rows, ROWS))
    assert (attacked - center) @ MU < 0.8 * (clean - center) @ MU


def test_off_center_without_a_center_starts_from_zero():
    np.testing.assert_array_equal(crafted(attacks.off_center()), crafted(attacks.off_center(), center=np.zeros(40)))
    np.testing.assert_allclose(crafted(attacks.off_center()), np.tile(-10 * unit(MU), (BAD, 1)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: attacks.foe(0.0), "tau=0.0"),
        (lambda: attacks.mimic(-1), "peer=-1"),
        (lambda: attacks.mimic(True), "peer=True"),
        (lambda: attacks.mimic_start(0, KEY), "length=0"),
        (lambda: attacks.min_max("variance"), "deviation='variance'.*'unit', 'sign', 'std'"),
        (lambda: attacks.min_sum("mean"), "deviation='mean'"),
        (lambda: attacks.free_rider(-1.0), "std=-1.0"),
        (lambda: attacks.free_rider(of="first"), "of='first'"),
        (lambda: attacks.off_center(0.0), "clip=0.0"),
        (lambda: attacks.off_center(angle=float("nan")), "angle=nan"),
        (lambda: attacks.off_center(history=1.5), r"history=1.5.*0\.\.1"),
    ],
)
def test_bad_arguments_are_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
