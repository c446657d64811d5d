"""The line search over an attack's factor: against NumPy, against a fine grid, under every rule, and inside jit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax import attacks

PEERS, BAD = 15, 3
ROWS = (0.2 + np.random.default_rng(0).normal(size=(PEERS, 12))).astype(np.float32)
HONEST = ROWS[:-BAD].astype(np.float64)
MU, SIGMA = HONEST.mean(axis=0), HONEST.std(axis=0, ddof=1)
MASK = np.arange(PEERS) >= PEERS - BAD
LINES = {"opt_alie": (MU, -SIGMA), "opt_ipm": (0 * MU, -MU)}


def middle(rows, drop=2, numbers=np):
    """A trimmed mean: a rule that leaves out what is far away, so that the best factor is not the largest."""
    return numbers.sort(rows, axis=0)[drop:-drop].mean(axis=0)


def trimmed(rows):
    return middle(rows, numbers=jnp)


def nearest(rows, numbers=np):
    """The mean of what is not twice as far from the origin as most: the harm falls off behind the best factor."""
    norms = numbers.sqrt((rows**2).sum(axis=1))
    kept = norms <= 1.5 * numbers.median(norms)
    return (kept[:, None] * rows).sum(axis=0) / kept.sum()


def harm(kind, rule, factor):
    base, direction = LINES[kind]
    return np.linalg.norm(rule(np.concatenate([HONEST, np.tile(base + factor * direction, (BAD, 1))])) - MU)


def search(kind, rule, evaluations=20, start=0.0, step=10.0, ratio=0.8):
    best = last = start
    value, doubling = harm(kind, rule, start), True
    for _ in range(evaluations - 1):
        if doubling:
            last = best + step
        elif last < best:
            last += step
        else:
            last = last / 2 if last < step else last - step
        found = harm(kind, rule, last)
        better = found > value * (1 + 1e-4)
        if better:
            best, value = last, found
        doubling = doubling and better
        step *= 2 if doubling else ratio
    return best


def factor_of(kind, attack, **options):
    row = np.asarray(attack(jnp.asarray(ROWS), BAD, **options), np.float64)[-1]
    base, direction = LINES[kind]
    factor = (row - base) @ direction / (direction @ direction)
    np.testing.assert_allclose(row, base + factor * direction, rtol=1e-4, atol=1e-4)
    return factor


@pytest.mark.parametrize("options", [{}, {"evaluations": 9, "start": 1.0, "step": 0.5, "ratio": 0.6}])
@pytest.mark.parametrize(
    ("plain", "rule"), [(middle, trimmed), (nearest, lambda rows: nearest(rows, jnp))], ids=["trimmed", "nearest"]
)
@pytest.mark.parametrize("kind", LINES)
def test_is_the_search_it_says(kind, plain, rule, options):
    expected = search(kind, plain, **options)
    assert factor_of(kind, attacks.ATTACKS[kind](rule, **options)) == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("plain", [middle, nearest])
@pytest.mark.parametrize("kind", LINES)
def test_is_nearly_as_bad_as_the_best_of_a_fine_grid(kind, plain):
    found = factor_of(kind, attacks.ATTACKS[kind](lambda rows: plain(rows, numbers=jnp)))
    best = max(harm(kind, plain, factor) for factor in np.linspace(0, 100, 4001))
    assert harm(kind, plain, found) > 0.9 * best


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        ("mean", {}),
        ("centered_clipping", {"center": MU}),
        (mpcjax.rules.centered_clipping(clip=1.0), {}),
        ("rsa", {}),
        (mpcjax.rules.krum(f=BAD), {}),
        (mpcjax.rules.multi_krum(f=BAD), {}),
        ("fltrust", {"reference": MU}),
    ],
)
@pytest.mark.parametrize("kind", LINES)
def test_harms_every_rule_at_least_as_much_as_the_fixed_factor(kind, rule, given):
    """Of the same two factors that the search has met: 0 and 10."""
    rows = jnp.asarray(ROWS)
    given = {name: x.astype(np.float32) for name, x in given.items()}
    public = mpcjax.rules.Public.of(PEERS, 12, None, given.get("center"), given.get("reference"))
    fixed = attacks.alie(z=10.0) if kind == "opt_alie" else attacks.ipm(10.0)

    def distance(attack):
        attacked = attack(rows, BAD, **given)
        return np.linalg.norm(np.asarray(mpcjax.rules.resolve(rule).plain(attacked, public)) - MU)

    assert distance(attacks.ATTACKS[kind](rule)) >= 0.999 * distance(fixed)


@pytest.mark.parametrize("kind", LINES)
def test_the_rule_runs_with_the_center_of_the_call(kind):
    center = np.full(12, -0.5)

    def clipping(rows):
        lengths = np.linalg.norm(rows - center, axis=1)
        return center + (np.minimum(1, 2.0 / lengths)[:, None] * (rows - center)).mean(axis=0)

    found = factor_of(kind, attacks.ATTACKS[kind](mpcjax.rules.centered_clipping(clip=2.0)), center=center.astype("f4"))
    assert found == pytest.approx(search(kind, clipping), rel=1e-3)
    assert found != pytest.approx(
        factor_of(kind, attacks.ATTACKS[kind](mpcjax.rules.centered_clipping(clip=2.0))), rel=0.01
    )


def test_the_plain_mean_is_harmed_without_end():
    """Every doubling pays: 10 (1 + 2 + ... + 2^18)."""
    assert factor_of("opt_ipm", attacks.opt_ipm("mean")) == pytest.approx(10 * (2**19 - 1), rel=1e-4)


def test_where_a_rule_saturates_the_smaller_factor_is_taken():
    """Clipped rows do the same harm however long they are."""
    clipping = mpcjax.rules.centered_clipping(clip=1.0)
    assert factor_of("opt_ipm", attacks.opt_ipm(clipping)) == pytest.approx(10, rel=1e-4)


def test_a_line_of_ones_own():
    """Walking away from the mean along the mean: optimal FOE."""

    def line(rows, honest):
        mu = attacks.honest_mean(rows, honest)
        return mu, mu

    attack = attacks.optimal(line, trimmed, name="mine")
    assert attack.name == "mine"
    row = np.asarray(attack(jnp.asarray(ROWS), BAD))[-1]
    assert np.linalg.norm(row) > np.linalg.norm(MU)
    np.testing.assert_allclose(row / np.linalg.norm(row), MU / np.linalg.norm(MU), atol=1e-5)


@pytest.mark.parametrize("kind", LINES)
def test_traced_masks_and_rows_that_are_not_finite(kind):
    attack = attacks.ATTACKS[kind](trimmed)
    spoiled = np.where(MASK[:, None], np.float32(np.nan), ROWS)
    found = jax.jit(lambda rows, mask: attack(rows, mask))(spoiled, MASK)
    np.testing.assert_allclose(found, attack(jnp.asarray(ROWS), BAD), rtol=1e-4, atol=1e-4)


def test_a_rule_that_needs_more_says_so():
    with pytest.raises(ValueError, match=r"rule 'fltrust' needs reference.*reference=\.\.\."):
        attacks.opt_ipm("fltrust")(jnp.asarray(ROWS), BAD)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rule": "median of means"}, "median of means"),
        ({"rule": mpcjax.rules.mean}, "class"),
        ({"evaluations": 1}, "evaluations=1: legal are whole numbers from 2"),
        ({"start": -1.0}, "start=-1.0"),
        ({"step": 0.0}, "step=0.0"),
        ({"ratio": 0.5}, "ratio=0.5"),
        ({"ratio": 1.0}, "ratio=1.0"),
    ],
)
def test_bad_arguments_are_refused(options, match):
    for make in (attacks.opt_alie, attacks.opt_ipm):
        with pytest.raises(ValueError, match=match):
            make(**options)
