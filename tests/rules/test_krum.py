"""Krum and Multi-Krum: the plain form and `combine` on secrets are the papers' rule on the accepted peers, ties included."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.errors import BoundError
from mpcjax.fields import F31, F61
from mpcjax.offline import Stock, count
from mpcjax.rules import Krum, MultiKrum, Public
from mpcjax.runtime import Runtime
from mpcjax.secret import Secret
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir
from tests.api._reference import multi_krum
from tests.circuits._stock import QUICK, HostDealer, centred, reveal, runtime
from tests.rules._plain import of_messages, plain

SCHEME, PEERS, LENGTH, BOUND = Shamir(F61, 3, 1), 6, 3, 100
ALL = np.ones(PEERS, bool)
CORNERS = np.array([[0, 0, 9], [0, 9, 0], [9, 0, 0], [0, 0, 9], [0, 9, 0], [9, 0, 0]])  # distances 0 or 162, all tied


def messages(seed: int, peers: int = PEERS) -> np.ndarray:
    return np.random.default_rng(seed).integers(-20, 21, (peers, LENGTH))


def without(*left_out: int) -> np.ndarray:
    return ~np.isin(np.arange(PEERS), left_out)


CASES = {
    "all": (messages(0), ALL),
    "one outlier": (np.concatenate([messages(1)[1:], [[57, 57, 57]]]), ALL),
    "all the same": (np.full((PEERS, LENGTH), 7), ALL),
    "ties": (CORNERS, ALL),
    "one left out": (messages(2), without(0)),
    "the tied first left out": (CORNERS, without(0)),
    "as far apart as can be": (np.array([[57, 57, 57], [-57, -57, -57]] * 3), ALL),
    "two accepted": (np.array([[57, 57, 57], [-57, -57, -57]] * 3), without(0, 1, 2, 4)),
    "one accepted": (messages(3), without(0, 1, 2, 3, 5)),
}


def public(accepted: Any) -> Public:
    return Public(accepted.astype(jnp.float32), accepted, jnp.zeros(LENGTH, jnp.float32))


@cache
def combined(rule: MultiKrum, peers: int) -> Any:
    """`(messages, accepted) -> combine on secrets`, integers."""

    def program(rt: Runtime, x: Any, accepted: Any) -> Any:
        return rule.combine(Secret(rt, x, 0, BOUND), public(accepted)).shares

    dealer = HostDealer(SCHEME)
    demand, _ = count(lambda rt: program(rt, F61.zeros((3, peers, LENGTH)), jnp.ones(peers, bool)), SCHEME)
    stock = dealer.stock(demand)

    def run(stock: Stock, x: Any, accepted: Any) -> Any:
        rt = runtime(SCHEME, stock)
        return program(rt, x, accepted), rt.verified

    compiled = jax.jit(run, compiler_options=QUICK)

    def on_secrets(x: np.ndarray, accepted: np.ndarray) -> np.ndarray:
        found, verified = compiled(stock, jnp.asarray(dealer.share(x)), jnp.asarray(accepted))
        assert bool(verified)
        return centred(SCHEME, reveal(SCHEME, found)).astype(np.float32)

    return on_secrets


def both_forms(rule: MultiKrum, x: np.ndarray, accepted: np.ndarray) -> tuple[Any, Any]:
    """On secrets and on plain arrays, finished."""
    x = np.where(accepted[:, None], x, 0)
    known = public(jnp.asarray(accepted))
    secret = rule.finish(combined(rule, len(x))(x, accepted), known)
    return secret, of_messages(rule, x.astype(np.float32), known)


@pytest.mark.parametrize("case", CASES)
def test_secret_and_plain_are_the_papers_rule_on_the_accepted(case: str) -> None:
    x, accepted = CASES[case]
    for found in both_forms(MultiKrum(limit=BOUND), x, accepted):
        np.testing.assert_allclose(found, multi_krum(x[accepted].astype(float)), rtol=1e-6)


def test_with_nobody_accepted_the_result_is_zero() -> None:
    for found in both_forms(MultiKrum(limit=BOUND), messages(4), np.zeros(PEERS, bool)):
        np.testing.assert_array_equal(found, np.zeros(LENGTH))


@pytest.mark.parametrize("rule", [Krum(limit=BOUND, f=0), MultiKrum(limit=BOUND, f=0, neighbours="byzfl")])
def test_the_fewest_peers(rule: MultiKrum) -> None:
    settings = {"f": 0, "select": rule.select, "nearest": 1 if rule.neighbours == "byzfl" else 2}
    for seed in range(3):
        x = messages(seed, 3)
        for found in both_forms(rule, x, np.ones(3, bool)):
            np.testing.assert_allclose(found, multi_krum(x.astype(float), **settings), rtol=1e-6)


@pytest.mark.parametrize("neighbours", ["paper", "byzfl"])
@pytest.mark.parametrize(("peers", "f", "select"), [(5, 1, None), (9, 2, 3), (9, 0, 9), (12, 4, 1), (4, None, None)])
def test_plain_is_the_reference(peers: int, f: int | None, select: int | None, neighbours: str) -> None:
    x = np.random.default_rng(peers).normal(size=(peers, 40)).astype(np.float32)
    found = plain(MultiKrum(f=f, select=select, neighbours=neighbours), x, Public.of(*x.shape))
    expected = multi_krum(x.astype(float), f, select, 1 if neighbours == "byzfl" else 2)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_long_updates_are_clipped() -> None:
    x = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    x[:4] /= np.linalg.norm(x[:4], axis=1, keepdims=True)
    clipped = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1)
    found = MultiKrum(limit=1.0, f=0).plain(jnp.asarray(x))
    np.testing.assert_allclose(found, clipped.mean(0), atol=1e-6)


WRONG = {
    "too few peers": (lambda: MultiKrum(f=2).certificate(6), r"legal are more than 2 f \+ 2 = 6 peers"),
    "two peers": (lambda: Krum().certificate(2), "legal are more than"),
    "selects more than there are": (lambda: MultiKrum(select=9).certificate(8), "select=9 of 8 peers"),
    "limit": (lambda: Krum(limit=-1.0), "limit=-1.0"),
    "f": (lambda: Krum(f=-1), "f=-1"),
    "fractional f": (lambda: MultiKrum(f=1.5), "f=1.5"),  # type: ignore[arg-type]
    "select": (lambda: MultiKrum(select=0), "select=0"),
    "neighbours": (lambda: MultiKrum(neighbours="all"), "legal are 'paper', 'byzfl'"),
    "no room": (lambda: Krum(limit=1e9).certificate(100).fraction_bits(F61, 1000, 100), "norm bound 1e"),
    "no room for distances": (lambda: Setup(Shamir(F31, 3, 1), Krum(limit=646), 360, 4).bits, "Clip or rescale"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings_say_what_is_legal(case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("peers", "fewer"), [(20, 0), (100, 0), pytest.param(330, 1, marks=pytest.mark.long)])
def test_scores_fit_the_field(peers: int, fewer: int) -> None:
    """Differences of sums of distances take more room than the certificate does, with many peers."""
    setup = Setup(SCHEME, Krum(), peers, 1000)
    of_the_certificate = setup.certificate.fraction_bits(F61, 1000, peers)
    assert 16 <= setup.bits <= of_the_certificate
    assert setup.bits == of_the_certificate - fewer
    assert 4 * ((peers - 1) * (4 * setup.bound**2 + 1) + 1) < F61.modulus


def test_messages_too_large_for_distances_are_refused() -> None:
    def program(rt: Runtime) -> None:
        rule = Krum()
        rule.combine(Secret(rt, F61.zeros((3, PEERS, LENGTH)), 0, 1 << 29), public(jnp.ones(PEERS, bool)))

    with pytest.raises(BoundError, match="Clip or rescale"):
        count(program, SCHEME)
