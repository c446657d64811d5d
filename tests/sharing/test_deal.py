"""Dealing many secrets of many peers: the same shares as `Shamir.share` gives, whichever way they are computed."""

from __future__ import annotations

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.fields import F31, F61, Field
from mpcjax.prg import Stream, field_elements
from mpcjax.sharing import Shamir, _deal, deal_rows, expanding, share_to_others

PEERS, LENGTH = 3, 50
SCHEMES = [Shamir(F61, 5, 2), Shamir(F61, 9, 4), Shamir(F31, 4, 1), Shamir(Field(5), 3, 1), Shamir(F61, 2, 0)]
BRANCHES = {  # what each sets
    "all peers at once": {},
    "peer by peer": {"SMALL": 0},
    "peer by peer, of many values": {"SMALL": 0, "SHORT": 0},
    "chunk by chunk": {"SMALL": 0, "SHORT": 0, "MANY": 0, "CHUNK": 16},
}


def claimed(threshold: int) -> tuple[Any, Any]:
    """One key for every peer and member that expands its shares."""
    return Stream.from_seed(bytes(32)).per_row("peer", range(PEERS)).shared("members", threshold).claim("message")


def secrets_of(field: Field) -> np.ndarray:
    return np.random.default_rng(0).integers(0, field.modulus, (PEERS, LENGTH), field.dtype)


def dealt(scheme: Shamir, secrets: Any) -> np.ndarray:
    return np.asarray(
        deal_rows(scheme.field, scheme.parties, scheme.threshold, jnp.asarray(secrets), *claimed(scheme.threshold))
    )


@pytest.fixture(params=BRANCHES)
def branch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in BRANCHES[request.param].items():
        monkeypatch.setattr(_deal, name, value)
    return request.param


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_the_same_shares_as_one_by_one(branch: str, scheme: Shamir) -> None:
    field, secrets = scheme.field, secrets_of(scheme.field)
    noise = field_elements(*claimed(scheme.threshold), field, (LENGTH,)).reshape(PEERS, scheme.threshold, LENGTH)
    expected = scheme.share(secrets, jnp.moveaxis(noise, 1, 0))
    assert np.array_equal(dealt(scheme, secrets), expected)
    assert np.array_equal(scheme.reconstruct(expected), secrets)
    assert np.array_equal(expected[: scheme.threshold], jnp.moveaxis(noise, 1, 0)), "these members expand their shares"


def test_the_degree_is_exactly_the_threshold(branch: str) -> None:
    scheme = Shamir(F61, 7, 3)
    shares = dealt(scheme, secrets_of(F61))
    assert np.all(scheme.consistent(shares))
    assert not np.any(scheme.consistent(shares, 2)), "a lower degree would show less than t members the secret"


def test_every_peer_and_every_value_has_noise_of_its_own(branch: str) -> None:
    shares = dealt(Shamir(F61, 3, 1), np.zeros((PEERS, LENGTH), np.uint64))
    assert len(np.unique(shares[0])) == PEERS * LENGTH
    assert len(np.unique(shares)) == 3 * PEERS * LENGTH


@pytest.mark.parametrize("kind", [np.int32, np.int64])
def test_signed_integers_are_taken_mod_p(branch: str, kind: Any) -> None:
    scheme = Shamir(F61, 3, 1)
    values = np.random.default_rng(1).integers(-(1 << 30), 1 << 30, (PEERS, LENGTH)).astype(kind)
    assert np.array_equal(F61.lift(scheme.reconstruct(dealt(scheme, values))), values)


def test_other_keys_give_other_shares() -> None:
    secrets = secrets_of(F61)
    stream = Stream.from_seed(bytes(32)).per_row("peer", range(PEERS)).shared("members", 1)
    first, second = (deal_rows(F61, 3, 1, secrets, *stream.claim("message", k)) for k in range(2))
    assert not np.any(np.asarray(first) == np.asarray(second))


@pytest.mark.parametrize(
    ("scheme", "degree"),
    [
        (Shamir(F61, 5, 2), 2),
        (Shamir(F61, 5, 2), 4),
        (Shamir(F61, 19, 9), 9),
        (Shamir(Field(5), 4, 1), 2),
        (Shamir(F31, 7, 1), 1),
    ],
    ids=str,
)
def test_parties_expand_the_shares_of_degree_many_others(scheme: Shamir, degree: int) -> None:
    """What each dealer's others expand is their share; the rest follows, its own among them."""
    field, m, rng = scheme.field, scheme.parties, np.random.default_rng(2)
    dealers = np.arange(m)
    secret = rng.integers(0, field.modulus, (m, 9), field.dtype)
    noise = rng.integers(0, field.modulus, (m, degree, 9), field.dtype)
    shares = np.asarray(share_to_others(field, m, dealers, jnp.asarray(secret), jnp.asarray(noise)))
    assert shares.shape == (m, m, 9)
    known = expanding(m, degree)
    assert not np.any(np.diagonal(known)) and np.all(known.sum(axis=1) == degree)
    for j in dealers:
        assert np.array_equal(shares[j, known[j]], noise[j])
        assert np.all(scheme.consistent(shares[j], degree))
        assert np.array_equal(scheme.reconstruct(shares[j], degree), secret[j])
        alone = share_to_others(
            field, m, dealers[j : j + 1], jnp.asarray(secret[j : j + 1]), jnp.asarray(noise[j : j + 1])
        )
        assert np.array_equal(alone[0], shares[j]), "as a party that deals by itself computes them"


def test_without_a_threshold_every_share_is_the_secret() -> None:
    secret = jnp.arange(6, dtype=np.uint64).reshape(2, 3)
    shares = share_to_others(F61, 2, np.arange(2), secret, jnp.zeros((2, 0, 3), np.uint64))
    assert np.array_equal(shares, jnp.stack([secret, secret], axis=1))


def test_expanded_shares_are_a_bijection() -> None:
    """p = 7, m = 3, degree 1: for each dealer and secret, every share of any one party occurs once over all noise."""
    for dealer, secret in itertools.product(range(3), range(7)):
        noise = jnp.arange(7, dtype=np.uint32).reshape(1, 1, 7)
        secrets = jnp.full((1, 7), secret, np.uint32)
        shares = np.asarray(share_to_others(Field(3), 3, np.array([dealer]), secrets, noise))[0]
        assert all(sorted(row) == list(range(7)) for row in shares.tolist())


@pytest.mark.parametrize("degree", [7, 10, 20])
def test_values_are_continued_by_a_matrix_as_they_are_by_differences(degree: int, monkeypatch: Any) -> None:
    """The polynomial evaluated by Python's integers; the next m - t - 1 points of a committee."""
    rng = np.random.default_rng(degree)
    polynomial = [int(c) for c in rng.integers(0, F61.modulus, degree + 1)]

    def at(x: int) -> int:
        return sum(c * pow(x, k, F61.modulus) for k, c in enumerate(polynomial)) % F61.modulus

    values = [F61.asarray([at(x), 0]) for x in range(degree + 1)]
    for many, few in ((1, _deal.SMALL), (1, 0), (1 << 30, 0)):
        monkeypatch.setattr(_deal, "MANY", many)
        monkeypatch.setattr(_deal, "SMALL", few)
        found = _deal.continued(F61, values, degree + 1)
        assert [int(x[0]) for x in found] == [at(x) for x in range(degree + 1, 2 * degree + 2)]
        assert all(x.shape == (2,) and x.dtype == F61.dtype for x in found)
