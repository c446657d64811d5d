"""Dealing many secrets of many peers: the same shares as `Shamir.share` gives, whichever way they are computed."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.fields import F31, F61, Field
from mpcjax.prg import Stream, field_elements
from mpcjax.sharing import Shamir, _deal, deal_rows

PEERS, LENGTH = 3, 50
SCHEMES = [Shamir(F61, 5, 2), Shamir(F31, 4, 1), Shamir(Field(5), 3, 1), Shamir(F61, 2, 0)]
BRANCHES = {  # what each sets
    "all peers at once": {},
    "peer by peer": {"SMALL": 0},
    "chunk by chunk": {"SMALL": 0, "MANY": 0, "CHUNK": 16},
}


def claimed() -> tuple[Any, Any]:
    return Stream.from_seed(bytes(32)).per_row("peer", range(PEERS)).claim("message")


def secrets_of(field: Field) -> np.ndarray:
    return np.random.default_rng(0).integers(0, field.modulus, (PEERS, LENGTH), field.dtype)


def dealt(scheme: Shamir, secrets: Any) -> np.ndarray:
    return np.asarray(deal_rows(scheme.field, scheme.parties, scheme.threshold, jnp.asarray(secrets), *claimed()))


@pytest.fixture(params=BRANCHES)
def branch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in BRANCHES[request.param].items():
        monkeypatch.setattr(_deal, name, value)
    return request.param


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_the_same_shares_as_one_by_one(branch: str, scheme: Shamir) -> None:
    field, secrets = scheme.field, secrets_of(scheme.field)
    noise = field_elements(*claimed(), field, (scheme.threshold, LENGTH))
    expected = scheme.share(secrets, jnp.moveaxis(noise, 1, 0))
    assert np.array_equal(dealt(scheme, secrets), expected)
    assert np.array_equal(scheme.reconstruct(expected), secrets)


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
    stream = Stream.from_seed(bytes(32)).per_row("peer", range(PEERS))
    first, second = (deal_rows(F61, 3, 1, secrets, *stream.claim("message", k)) for k in range(2))
    assert not np.any(np.asarray(first) == np.asarray(second))
