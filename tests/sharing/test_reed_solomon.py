"""Decoding: every error pattern up to the capacity is located, and every word beyond it is refused.

Brute force: codes of distance d = m - t correct up to (d - 1) // 2 errors, so a syndrome names at most one such pattern,
and a table of all patterns by syndrome says what to expect of every word.
"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import numpy as np
import pytest

from mpcjax.fields import F61, Field
from mpcjax.sharing import Shamir
from tests.sharing._haste import hasty

SMALL, WIDE = Shamir(Field(5), 4, 1), Shamir(Field(5), 7, 2)
P = 31


def patterns(scheme: Shamir, weight: int) -> np.ndarray:
    """All words `[N, m]` with exactly `weight` symbols that are not zero."""
    values = 1 + np.indices((P - 1,) * weight, np.uint32).reshape(weight, (P - 1) ** weight).T
    found = []
    for places in itertools.combinations(range(scheme.parties), weight):
        word = np.zeros((len(values), scheme.parties), np.uint32)
        word[:, list(places)] = values
        found.append(word)
    return np.concatenate(found)


def codewords(scheme: Shamir, count: int, seed: int = 0) -> np.ndarray:
    """Random sharings `[count, m]` of degree t, in integers of NumPy."""
    coefficients = np.random.default_rng(seed).integers(0, P, (count, scheme.threshold + 1))
    powers = np.array([[x**k % P for x in scheme.points] for k in range(scheme.threshold + 1)])
    return coefficients @ powers % P


def syndrome_index(scheme: Shamir, words: np.ndarray) -> np.ndarray:
    """Syndromes of `words [N, m]` as numbers."""
    digits = np.asarray(scheme.syndrome(words.T.astype(np.uint32))).astype(np.int64)
    return np.sum(digits * P ** np.arange(len(digits))[:, None], axis=0)


def decode(scheme: Shamir, words: Any) -> tuple[Any, Any, Any]:
    """Each of `words [N, m]` on its own: bad `[N, m]`, ok `[N]`, value at 0 without the bad ones `[N]`."""

    def one(word: Any) -> tuple[Any, Any, Any]:
        bad, ok = scheme.locate(word[:, None])
        return bad, ok, scheme.reconstruct_without(bad, word)

    return jax.vmap(one)(words)


fast, hasty_decode = jax.jit(decode, static_argnums=0), hasty(decode, static_argnums=0)


def capacity(scheme: Shamir) -> int:
    return (scheme.parties - scheme.threshold - 1) // 2


@pytest.mark.parametrize("scheme", [SMALL, WIDE], ids=["one error", "two errors"])
def test_every_pattern_within_capacity_is_corrected(scheme: Shamir) -> None:
    errors = np.concatenate([patterns(scheme, weight) for weight in range(capacity(scheme) + 1)])
    sent = codewords(scheme, len(errors))
    bad, ok, value = fast(scheme, ((sent + errors) % P).astype(np.uint32))
    assert np.all(ok)
    assert np.array_equal(bad, errors != 0)
    assert np.array_equal(value, scheme.reconstruct(sent.T.astype(np.uint32)))


@pytest.mark.parametrize("scheme", [SMALL, WIDE], ids=["one error", "two errors"])
def test_every_syndrome_is_decoded_or_refused(scheme: Shamir) -> None:
    """Words (0, ..., 0, *, ..., *) meet every syndrome once: each is as near to a codeword as brute force says."""
    checks = scheme.parties - scheme.threshold - 1
    near = np.concatenate([patterns(scheme, weight) for weight in range(capacity(scheme) + 1)])
    table = np.full(P**checks, -1)
    table[syndrome_index(scheme, near)] = np.arange(len(near))
    tail = np.indices((P,) * checks, np.uint32).reshape(checks, -1).T
    words = np.concatenate([np.zeros((len(tail), scheme.threshold + 1), np.uint32), tail], axis=1)
    index = syndrome_index(scheme, words)
    assert len(np.unique(index)) == P**checks
    nearest = table[index]
    bad, ok, _ = fast(scheme, words)
    assert np.array_equal(ok, nearest >= 0)
    found = nearest >= 0
    assert np.array_equal(np.asarray(bad)[found], near[nearest[found]] != 0)


@pytest.mark.parametrize("scheme", [SMALL, WIDE], ids=["one error", "two errors"])
def test_one_error_more_than_the_capacity_is_never_read_as_the_word_that_was_sent(scheme: Shamir) -> None:
    rng, weight = np.random.default_rng(1), capacity(scheme) + 1
    errors = patterns(scheme, 2) if weight == 2 else _random_patterns(rng, scheme, weight, 20_000)
    sent = codewords(scheme, len(errors))
    bad, ok, _ = fast(scheme, ((sent + errors) % P).astype(np.uint32))
    covered = np.all(np.asarray(bad) | (errors == 0), axis=1)
    assert not np.any(covered & ok)
    assert np.mean(ok) < 0.5, "most of them are refused"


def _random_patterns(rng: np.random.Generator, scheme: Shamir, weight: int, count: int) -> np.ndarray:
    places = rng.permuted(np.broadcast_to(np.arange(scheme.parties) < weight, (count, scheme.parties)), axis=1)
    return np.where(places, rng.integers(1, P, places.shape), 0)


def test_errors_at_the_same_members_in_several_words() -> None:
    """A word in which a liar happens to be right does not clear it; liars of all words count together."""
    words = codewords(WIDE, 3).T.astype(np.uint32)
    words[1, 0], words[1, 1], words[4, 2] = (words[1, 0] + 5) % P, (words[1, 1] + 6) % P, (words[4, 2] + 7) % P
    locate = hasty(WIDE.locate)
    bad, ok = locate(words)
    assert bool(ok)
    assert np.flatnonzero(bad).tolist() == [1, 4]
    words[6, 2] = (words[6, 2] + 1) % P  # each word can be corrected, but three liars are more than t = 2
    assert not bool(locate(words)[1])


@pytest.mark.parametrize("committee", [(4, 1), pytest.param((7, 2), marks=pytest.mark.long)])
def test_the_default_field(committee: tuple[int, int]) -> None:
    scheme, rng = Shamir(F61, *committee), np.random.default_rng(2)
    m, t = committee
    noise = rng.integers(0, F61.modulus, (t, 40), np.uint64)
    secrets = rng.integers(0, F61.modulus, 40, np.uint64)
    shares = np.array(scheme.share(secrets, noise))
    liars = np.sort(rng.choice(m, t, replace=False))
    shares[liars] = rng.integers(0, F61.modulus, (t, 40), np.uint64)
    bad, ok, value = hasty_decode(scheme, shares.T)
    assert np.all(ok)
    assert np.array_equal(bad, np.broadcast_to(np.isin(np.arange(m), liars), (40, m)))
    assert np.array_equal(value, secrets)
    assert np.array_equal(hasty(scheme.reconstruct_without)(bad[0], shares), secrets)
