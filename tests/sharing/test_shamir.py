"""Laws of Shamir's scheme: exhaustively over the field of 7 elements, by random examples over the default one."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcjax.fields import F61, Field, linalg
from mpcjax.sharing import Shamir

SMALL = Shamir(Field(3), 3, 1)
COMMITTEES = [(2, 0), (3, 1), (4, 1), (5, 2), (6, 2)]


def words(p: int, length: int) -> np.ndarray:
    """All words `[length, p ** length]`."""
    return np.array(list(itertools.product(range(p), repeat=length)), np.uint32).T


def polynomial(coefficients: list[int], x: int, p: int) -> int:
    return sum(c * x**k for k, c in enumerate(coefficients)) % p


@pytest.mark.parametrize(("parties", "threshold"), COMMITTEES)
def test_every_sharing_reconstructs(parties: int, threshold: int) -> None:
    scheme = Shamir(Field(3), parties, threshold)
    secret, *noise = words(7, threshold + 1)
    shares = scheme.share(secret, np.array(noise, np.uint32).reshape(threshold, len(secret)))
    assert shares.shape == (parties, 7 ** (threshold + 1))
    assert np.array_equal(scheme.reconstruct(shares), secret)
    assert np.all(scheme.consistent(shares))
    assert not np.any(scheme.syndrome(shares))


@pytest.mark.parametrize(("parties", "threshold"), COMMITTEES)
def test_any_t_shares_are_uniform_for_every_secret(parties: int, threshold: int) -> None:
    scheme, runs = Shamir(Field(3), parties, threshold), 7**threshold
    noise = words(7, threshold).reshape(threshold, runs)
    for secret, seen in itertools.product(range(7), itertools.combinations(range(parties), threshold)):
        shares = np.asarray(scheme.share(np.full(runs, secret, np.uint32), noise))[list(seen)]
        assert len(np.unique(shares, axis=1).T) == runs or threshold == 0


def test_sharings_are_polynomials_by_the_book() -> None:
    """The first shares are in bijection with the coefficients: all polynomials occur, each once."""
    secret, noise = words(7, 2)
    dealt = {tuple(column) for column in np.asarray(SMALL.share(secret, noise[None])).T.tolist()}
    book = {tuple(polynomial([a, b], x, 7) for x in SMALL.points) for a, b in itertools.product(range(7), repeat=2)}
    assert dealt == book


def test_consistency_is_exact() -> None:
    """Of all 343 words of three shares, the 49 sharings of degree 1 and no others have zero syndrome."""
    every = words(7, 3)
    sharings = {tuple(polynomial([a, b], x, 7) for x in SMALL.points) for a, b in itertools.product(range(7), repeat=2)}
    legal = np.array([tuple(column) in sharings for column in every.T.tolist()])
    assert np.array_equal(SMALL.consistent(every), legal)
    assert np.array_equal(np.asarray(SMALL.syndrome(every))[0] == 0, legal)
    value, fine = SMALL.opened(every)
    assert np.array_equal(fine, legal) and np.array_equal(value, SMALL.reconstruct(every))
    assert np.all(SMALL.consistent(every, 2)), "three shares of degree 2 have no redundancy"


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_shares_of_any_degree(degree: int) -> None:
    """Degree 2t, as products have it, at m = 5: detected up to degree 3, and reconstructed from degree + 1 shares."""
    scheme, rng = Shamir(Field(5), 5, 2), np.random.default_rng(degree)
    secret, noise = rng.integers(0, 31, 200, np.uint32), rng.integers(0, 31, (degree, 200), np.uint32)
    shares = scheme.share(secret, noise)
    assert np.array_equal(scheme.reconstruct(shares, degree), secret)
    assert np.all(scheme.consistent(shares, degree))
    top = np.asarray(
        linalg.apply_static(scheme.field, linalg.parity_check(scheme.field, scheme.points, degree - 1), shares)
    )
    assert np.array_equal(scheme.consistent(shares, degree - 1), np.all(top == 0, axis=0))
    assert abs(np.mean(scheme.consistent(shares, degree - 1)) - 1 / 31) < 0.06, (
        "one in 31 happens to be of lower degree"
    )


@pytest.mark.long
@given(data=st.data(), committee=st.sampled_from([(3, 1), (7, 3)]))
def test_random_sharings_in_the_default_field(data: st.DataObject, committee: tuple[int, int]) -> None:
    scheme = Shamir(F61, *committee)
    p, m, t = F61.modulus, *committee
    element = st.integers(0, p - 1)
    secret, other = data.draw(element), data.draw(element)
    noise = data.draw(st.lists(element, min_size=t, max_size=t))
    shares = share_one(scheme, secret, noise)
    assert int(scheme.reconstruct(shares)) == secret
    assert bool(scheme.consistent(shares))
    moved = np.array(shares)
    position, error = data.draw(st.integers(0, m - 1)), data.draw(st.integers(1, p - 1))
    moved[position] = (int(moved[position]) + error) % p
    assert not bool(scheme.consistent(moved)), "one wrong share is always noticed"
    summed = scheme.field.add(shares, share_one(scheme, other, noise[::-1]))
    assert int(scheme.reconstruct(summed)) == (secret + other) % p
    product = scheme.field.mul(shares, share_one(scheme, other, noise[::-1]))
    assert int(scheme.reconstruct(product, 2 * t)) == secret * other % p


def share_one(scheme: Shamir, secret: int, noise: list[int]) -> Any:
    column = np.array(noise, scheme.field.dtype)[:, None]
    return np.asarray(scheme.share(np.array([secret], scheme.field.dtype), column))[:, 0]


@pytest.mark.parametrize(("parties", "threshold"), [(3, -1), (2, 1), (4, 2), (1, 0), (0, 0), (10, 5)])
def test_wrong_committees(parties: int, threshold: int) -> None:
    with pytest.raises(
        ValueError, match=rf"threshold={threshold} with parties={parties}.*largest threshold for {parties}"
    ):
        Shamir(F61, parties, threshold)


@pytest.mark.parametrize(("exponent", "parties"), [(3, 7), (3, 8), (5, 31)])
def test_fields_with_too_few_points(exponent: int, parties: int) -> None:
    with pytest.raises(ValueError, match=f"parties={parties} needs as many non-zero points"):
        Shamir(Field(exponent), parties, 1)
    Shamir(Field(exponent), (1 << exponent) - 2, 1)


def test_robust_means_below_a_third() -> None:
    robust = {(m, t) for m in range(2, 12) for t in range((m - 1) // 2 + 1) if Shamir(F61, m, t).robust}
    assert robust == {(m, t) for m in range(2, 12) for t in range(1, m) if 3 * t < m}
