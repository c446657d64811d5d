"""Rules on inner products: compositions, settings, ties, precision; on secrets with circuits that are what they promise."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import rules
from mpcjax.errors import BoundError
from mpcjax.offline import count
from mpcjax.rules import Public, Rule
from mpcjax.secret import Secret
from mpcjax.setup import Setup
from tests.api import _reference as reference
from tests.rules._ideal import SCHEME, on_secrets
from tests.rules._plain import of_accepted

PEERS, LENGTH = 9, 6


def updates(seed: int = 0, peers: int = PEERS, outliers: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(scale=0.5, size=(peers, LENGTH)) + 0.3
    x[peers - outliers :] = 3 * rng.normal(size=(outliers, LENGTH))
    return x.astype(np.float32)


def both(rule: Rule, x: np.ndarray, accepted: Any = None) -> tuple[Any, Any]:
    """On secrets and plainly."""
    accepted = jnp.ones(len(x), bool) if accepted is None else jnp.asarray(accepted)
    public = dataclasses.replace(Public.of(*x.shape), accepted=accepted, weights=accepted.astype(jnp.float32))
    return on_secrets(rule, x, public), of_accepted(rule, x, public)


def mixed(x: np.ndarray, f: int) -> np.ndarray:
    return np.stack([reference.monna(x, f, pivot) for pivot in range(len(x))])


def clipped(x: np.ndarray, limit: float) -> np.ndarray:
    return reference.clipping(x, lambda y: y, limit)


def in_groups(x: np.ndarray, size: int, seed: int = 0) -> np.ndarray:
    order = np.random.default_rng(seed).permutation(len(x))
    return reference.bucketing(x, lambda y: y, size, order)


krum = partial(reference.multi_krum, f=1)
median = reference.geometric_median
MULTI_KRUM, MEDIAN = rules.multi_krum(f=1), rules.geometric_median()
CASES: dict[str, tuple[Rule, Callable[[np.ndarray], np.ndarray]]] = {
    "mixing, median": (rules.nearest_neighbour_mixing(MEDIAN, f=2), lambda x: median(mixed(x, 2))),
    "mixing, krum": (rules.nearest_neighbour_mixing(MULTI_KRUM, f=2), lambda x: krum(mixed(x, 2))),
    "mixing without poison": (rules.nearest_neighbour_mixing(MEDIAN, f=0), lambda x: x.mean(0)),
    "mixing, mean": (
        rules.nearest_neighbour_mixing(rules.norm_bounded(limit=1.5), f=2),
        lambda x: mixed(clipped(x, 1.5), 2).mean(0),
    ),
    "mixing, votes": (
        rules.nearest_neighbour_mixing(rules.rsa(lam=1.0), f=2),
        lambda x: mixed(np.sign(x), 2).sum(0),  # as long as sqrt(d) times what is promised of a coordinate
    ),
    "mixing twice, mean": (
        rules.nearest_neighbour_mixing(rules.nearest_neighbour_mixing(rules.mean(), f=1), f=2),
        lambda x: mixed(mixed(x, 2), 1).mean(0),
    ),
    "groups, mixing, mean": (
        rules.bucketing(rules.nearest_neighbour_mixing(rules.mean(), f=1)),
        lambda x: mixed(in_groups(x, 2), 1).mean(0),
    ),
    "mixing, groups, mean": (
        rules.nearest_neighbour_mixing(rules.bucketing(rules.mean()), f=2),
        lambda x: in_groups(mixed(x, 2), 2).mean(0),
    ),
    "mixing twice": (
        rules.nearest_neighbour_mixing(rules.nearest_neighbour_mixing(MEDIAN, f=1), f=2),
        lambda x: median(mixed(mixed(x, 2), 1)),
    ),
    "groups of two, krum": (rules.bucketing(MULTI_KRUM, seed=5), lambda x: krum(in_groups(x, 2, 5))),
    "groups of three, median": (rules.bucketing(MEDIAN, size=3), lambda x: median(in_groups(x, 3))),
    "groups of four, median": (rules.bucketing(MEDIAN, size=4), lambda x: median(in_groups(x, 4))),
    "groups of one": (rules.bucketing(MEDIAN, size=1), median),
    "groups, mixing, median": (
        rules.bucketing(rules.nearest_neighbour_mixing(MEDIAN, f=1)),
        lambda x: median(mixed(in_groups(x, 2), 1)),
    ),
    "mixing, groups, median": (
        rules.nearest_neighbour_mixing(rules.bucketing(MEDIAN), f=2),
        lambda x: median(in_groups(mixed(x, 2), 2)),
    ),
    "groups, clipping, median": (
        rules.bucketing(rules.clipping(MEDIAN, limit=1.0)),
        lambda x: median(clipped(in_groups(x, 2), 1.0)),
    ),
    "mixing, clipping, krum": (
        rules.nearest_neighbour_mixing(rules.clipping(MULTI_KRUM, limit=0.5), f=2),
        lambda x: krum(clipped(mixed(x, 2), 0.5)),
    ),
    "clipping, median": (rules.clipping(MEDIAN, limit=1.0), lambda x: median(clipped(x, 1.0))),
    "clipping beyond the limit": (rules.clipping(MEDIAN, limit=99.0), median),
    "adaptive clipping, mixing, median": (
        rules.adaptive_clipping(rules.nearest_neighbour_mixing(MEDIAN, f=2), f=2),
        lambda x: median(mixed(reference.adaptive_clipping(x, lambda y: y, 2), 2)),
    ),
    "adaptive clipping without poison": (rules.adaptive_clipping(MEDIAN, f=0), median),
    "monna in groups": (rules.bucketing(rules.monna(f=1, pivot=0)), lambda x: reference.monna(in_groups(x, 2), 1, 0)),
    "diameter in groups": (
        rules.bucketing(rules.minimum_diameter_averaging(f=1)),
        lambda x: reference.minimum_diameter_averaging(in_groups(x, 2), 1),
    ),
    "diameter": (rules.minimum_diameter_averaging(f=2), lambda x: reference.minimum_diameter_averaging(x, 2)),
    "diameter without poison": (rules.minimum_diameter_averaging(f=0), lambda x: x.mean(0)),
    "diameter, bucketed clipping": (
        rules.adaptive_clipping(rules.minimum_diameter_averaging(f=2), f=2),
        lambda x: reference.adaptive_clipping(x, partial(reference.minimum_diameter_averaging, f=2), 2),
    ),
    "monna": (rules.monna(f=2, pivot=3), lambda x: reference.monna(x, 2, 3)),
    "monna without poison": (rules.monna(f=0), lambda x: x.mean(0)),
    "mean in groups": (rules.bucketing(rules.mean(), size=3), lambda x: in_groups(x, 3).mean(0)),
    "centered clipping in groups": (
        rules.bucketing(rules.centered_clipping(clip=1.0)),
        lambda x: in_groups(clipped(x, 1.0), 2).mean(0),
    ),
    "narrow median": (rules.geometric_median(nu=1e-3, steps=5), partial(median, nu=1e-3, steps=5)),
    "wide median": (rules.geometric_median(nu=10.0, steps=1), partial(median, nu=10.0, steps=1)),
    "median beyond all distances": (rules.geometric_median(nu=1e3), partial(median, nu=1e3)),
}
COARSE = {"mean in groups": 1e-3}  # thirds are rounded to 2^-12


def some(cases: Iterable[Any], long: Collection[Any]) -> list[Any]:
    return [pytest.param(case, marks=pytest.mark.long if case in long else ()) for case in cases]


IN_GROUPS = [case for case in CASES if "in groups" in case or "twice" in case or case.startswith("mixing")]
# Of three, and of two with one left over, they are above; their mixtures are those of the mean, and of Krum further down.
ALIKE = ["groups of four, median", "groups, mixing, median", "groups of one", "clipping beyond the limit"]
ALIKE += ["adaptive clipping without poison"]


@pytest.mark.parametrize("case", some(CASES, [*IN_GROUPS[1:], *ALIKE]))
def test_plain_and_secret_are_the_reference(case: str, ideal: None) -> None:
    rule, wanted = CASES[case]
    secret, plain = both(rule, x := updates())
    tolerance = COARSE.get(case, 2e-5)
    np.testing.assert_allclose(plain, wanted(x.astype(float)), rtol=0, atol=tolerance)
    np.testing.assert_allclose(secret, wanted(x.astype(float)), rtol=0, atol=tolerance)


WITHOUT_GROUPS = [case for case in CASES if "group" not in case and "pivot" not in case]


@pytest.mark.parametrize("case", some(WITHOUT_GROUPS, ["mixing twice, mean", "mixing, clipping, krum"]))
def test_left_out_peers_change_nothing(case: str, ideal: None) -> None:
    rule, wanted = CASES[case]
    accepted = ~np.isin(np.arange(PEERS), [1])
    if case == "monna":
        wanted = partial(reference.monna, f=2, pivot=2)
    x = updates(1)
    for found in both(rule, x, accepted):
        np.testing.assert_allclose(found, wanted(x[accepted].astype(float)), rtol=0, atol=2e-5)


def test_left_out_peers_leave_no_gap_in_groups(ideal: None) -> None:
    x, accepted = updates(2), ~np.isin(np.arange(PEERS), [0, 4, 7])
    order = [i for i in np.random.default_rng(0).permutation(PEERS) if accepted[i]]
    wanted = np.stack([x[order[k : k + 2]].mean(0) for k in range(0, 6, 2)])
    for found in both(rules.bucketing(rules.mean()), x, accepted):
        np.testing.assert_allclose(found, wanted.mean(0), rtol=0, atol=1e-5)
    for found in both(rules.bucketing(MEDIAN), x, accepted):
        np.testing.assert_allclose(found, median(wanted.astype(float)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("pivot", [0, 4, -1])
def test_a_pivot_that_is_left_out_is_replaced_by_the_one_before(pivot: int, ideal: None) -> None:
    x, accepted = updates(3, outliers=0), ~np.isin(np.arange(PEERS), [0, 4, 8])
    wanted = {0: 7, 4: 3, -1: 7}[pivot]
    place = int(np.sum(accepted[:wanted]))
    for found in both(rules.monna(f=2, pivot=pivot), x, accepted):
        np.testing.assert_allclose(found, reference.monna(x[accepted].astype(float), 2, place), atol=1e-5)


CORNERS = np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [0, 0], [0, 0], [0, 0]], np.float32)


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (rules.monna(f=2), partial(reference.monna, f=2)),
        pytest.param(
            rules.minimum_diameter_averaging(f=3),
            partial(reference.minimum_diameter_averaging, f=3),
            marks=pytest.mark.long,
        ),
        pytest.param(
            rules.nearest_neighbour_mixing(MEDIAN, f=3), lambda x: median(mixed(x, 3)), marks=pytest.mark.long
        ),
        (rules.adaptive_clipping(MEDIAN, f=2), lambda x: reference.adaptive_clipping(x, median, 2)),
        (rules.adaptive_clipping(MEDIAN, f=3), lambda x: reference.adaptive_clipping(x, median, 3)),
    ],
)
def test_ties(rule: Rule, wanted: Callable[[np.ndarray], np.ndarray], ideal: None) -> None:
    for found in both(rule, CORNERS):
        np.testing.assert_allclose(found, wanted(CORNERS.astype(float)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    ["geometric_median", "monna", "minimum_diameter_averaging", pytest.param("bucketing", marks=pytest.mark.long)],
)
def test_the_fewest_peers(name: str, ideal: None) -> None:
    x = updates(4, peers=3, outliers=1)
    rule = rules.RULES[name]()
    for found in both(rule, x):
        np.testing.assert_allclose(found, reference.REFERENCES[name](x.astype(float)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 4.0])
def test_precision_of_the_median(scale: float, ideal: None) -> None:
    """2^-18 of the longest update, besides the rounding of messages."""
    x = (scale * updates(5)).astype(np.float32)
    x /= max(np.linalg.norm(x, axis=1).max() / 10, 1)
    secret, _ = both(MEDIAN, x)
    rounding = 2.0 ** -Setup(SCHEME, MEDIAN, *x.shape).bits * LENGTH**0.5
    assert np.linalg.norm(secret - median(x.astype(float))) < 2.0**-18 * np.linalg.norm(x, axis=1).max() + rounding


@pytest.mark.parametrize("peers", [pytest.param(25, marks=pytest.mark.long), 100])
def test_there_is_room_for_many_peers(peers: int, ideal: None) -> None:
    for rule in (
        MEDIAN,
        rules.nearest_neighbour_mixing(MEDIAN),
        rules.adaptive_clipping(rules.monna()),
        rules.bucketing(),
    ):
        assert Setup(SCHEME, rule, peers, 1000).bits >= 12, rule


FIRST = {
    "clipping": lambda rule, f: rules.clipping(rule, limit=1.0),
    "adaptive clipping": lambda rule, f: rules.adaptive_clipping(rule, f=f),
    "mixing": lambda rule, f: rules.nearest_neighbour_mixing(rule, f=f),
    "groups of 2": lambda rule, f: rules.bucketing(rule, seed=0),
}


def composed(peers: int, first: str, second: str) -> tuple[Rule, int]:
    f = peers // 10
    return FIRST[first](FIRST[second](rules.multi_krum(f=f), f), f), f


@pytest.mark.parametrize("second", FIRST)
@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("peers", [25, pytest.param(100, marks=pytest.mark.long)])
def test_compositions_leave_room_for_fine_messages(peers: int, first: str, second: str, ideal: None) -> None:
    """What one of them keeps of an inner product must not take the room in which the next one mixes."""
    found = Setup(SCHEME, composed(peers, first, second)[0], peers, LENGTH)
    certificate: Any = found.certificate
    assert 2.0**found.bits * certificate.limit > 2**16


EACH = [("adaptive clipping", "clipping"), ("groups of 2", "mixing")]  # of the four once
PAIRS = list(itertools.product(FIRST, FIRST))


@pytest.mark.parametrize("pair", some(PAIRS, set(PAIRS) - set(EACH)), ids=", ".join)
@pytest.mark.parametrize("peers", [25, pytest.param(100, marks=pytest.mark.long)])
def test_compositions_on_secrets_are_the_plain_ones(peers: int, pair: tuple[str, str], ideal: None) -> None:
    rule, f = composed(peers, *pair)
    x = updates(peers=peers, outliers=f) * np.linspace(0.1, 0.3, peers, dtype=np.float32)[:, None]
    secret, plain = both(rule, x)
    np.testing.assert_allclose(secret, plain, atol=1e-3 * float(np.abs(plain).max()))


def test_hidden_votes_are_the_open_ones(ideal: None) -> None:
    x = np.random.default_rng(6).normal(size=(8, 40)).astype(np.float32)
    x[:, 0] = 0
    hidden, plain = both(rules.sign_majority(hide=True), x)
    shown, _ = both(rules.sign_majority(), x)
    np.testing.assert_array_equal(hidden, reference.sign_majority(x.astype(float)))
    np.testing.assert_array_equal(hidden, shown)
    np.testing.assert_array_equal(hidden, plain)
    assert 0 in hidden and rules.sign_majority(hide=True).reveals == ("output",)


def test_nothing_of_the_length_of_the_model_is_opened_but_the_result() -> None:
    """Every further parameter costs one double sharing more, whatever stands before the rule."""

    def doubles(rule: Rule, length: int) -> int:
        def program(rt: Any) -> None:
            shares = SCHEME.field.zeros((3, 6, length))
            rule.combine(Secret(rt, shares, 10, 1 << 14), Public.of(6, length))

        return count(program, SCHEME)[0].double

    for rule in (
        rules.monna(f=1),
        rules.bucketing(MULTI_KRUM, size=1),
        rules.nearest_neighbour_mixing(MULTI_KRUM, f=1),
    ):
        assert doubles(rule, 50) - doubles(rule, 40) == 10


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "nu": (lambda: rules.geometric_median(nu=0.0), "nu=0.0.*positive"),
    "steps": (lambda: rules.geometric_median(steps=0), "steps=0.*from 1"),
    "limit": (lambda: rules.geometric_median(limit=-1.0), "limit=-1.0.*positive"),
    "pivot": (lambda: rules.monna(pivot=9).certificate(9), "pivot=9 of 9 peers; legal are -9 to 8"),
    "pivot type": (lambda: rules.monna(pivot=1.5), "pivot=1.5"),  # type: ignore[arg-type]
    "too much poison": (lambda: rules.monna(f=4).certificate(8), "f=4 and 8 peers: legal are more than 2 f = 8"),
    "mixing poison": (lambda: rules.nearest_neighbour_mixing(f=4).certificate(8), "more than 2 f = 8"),
    "clipping poison": (lambda: rules.adaptive_clipping(f=4).certificate(8), "more than 2 f = 8"),
    "f": (lambda: rules.adaptive_clipping(f=-1), "f=-1.*whole number from 0"),
    "subsets": (lambda: rules.minimum_diameter_averaging(f=10).certificate(25), "legal are up to 30,000; lower f"),
    "size": (lambda: rules.bucketing(size=11), "size=11.*from 1 to 10"),
    "seed": (lambda: rules.bucketing(seed=-1), "seed=-1.*from 0"),
    "no rule": (lambda: rules.bucketing("krum"), "rule='krum'.*legal are rules"),  # type: ignore[arg-type]
    "clipping of other rules": (lambda: rules.clipping(rules.rsa()), "inner products"),  # type: ignore[arg-type]
    "clipping of groups for other rules": (lambda: rules.clipping(rules.bucketing(rules.rsa())), "inner products"),
    "mixing no rule": (lambda: rules.nearest_neighbour_mixing("rsa"), "rule='rsa'.*legal are rules"),  # type: ignore[arg-type]
    "clipping limit": (lambda: rules.clipping(limit=0.0), "limit=0.0.*positive"),
    "norm bound": (lambda: rules.norm_bounded(limit=0.0), "limit=0.0.*positive"),
    "a text": (lambda: rules.centered_clipping(clip="10"), "clip='10'.*positive"),  # type: ignore[arg-type]
    "nothing": (lambda: rules.geometric_median(limit=None), "limit=None.*positive"),  # type: ignore[arg-type]
    "penalty": (lambda: rules.rsa(lam=float("nan")), "lam=nan.*positive"),
    "mean limit": (lambda: rules.mean(limit=-1.0), "limit=-1.0.*positive"),
    "selected": (lambda: rules.multi_krum(select=True), "select=True"),
    "hide": (lambda: rules.sign_majority(hide=1), "hide=1: legal are True"),  # type: ignore[arg-type]
    "inner settings of groups": (lambda: rules.bucketing(rules.multi_krum(f=2)).certificate(12), "f=2 and 6 peers"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_say_what_is_legal(case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        make()


HUGE = {
    "median": rules.geometric_median(limit=5e5),
    "adaptive clipping": rules.adaptive_clipping(rules.multi_krum(limit=1e6)),
    "groups of a median": rules.bucketing(rules.geometric_median(limit=1000.0), size=10),
    "clipping in groups": rules.bucketing(rules.clipping(rules.multi_krum(limit=1e6), limit=1e6)),
}


@pytest.mark.parametrize("case", HUGE)
def test_numbers_so_large_that_units_are_more_than_one_are_planned(case: str, ideal: None) -> None:
    assert Setup(SCHEME, HUGE[case], 30, 4).bits >= 1


def test_numbers_so_large_that_units_are_more_than_one(ideal: None) -> None:
    x = updates() * np.float32(1e5)
    secret, plain = both(rules.adaptive_clipping(rules.multi_krum(f=1, limit=1e6)), x)
    np.testing.assert_allclose(secret, plain, rtol=2e-5, atol=1.0)


def test_a_median_without_room_is_refused() -> None:
    with pytest.raises(BoundError, match="larger nu or a smaller limit"):
        _ = Setup(SCHEME, rules.geometric_median(limit=1e4, nu=1e-7), 25, 10).bits
