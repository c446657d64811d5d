"""The norm certificate: accepts up to its bound, and its constants are those of its derivation."""

from __future__ import annotations

import math
import re
from functools import cache, partial
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.certificates import Norm
from mpcjax.certificates.norm import _by_bytes, _by_floats, entries, mixed
from mpcjax.fields import F31, F61, Field
from tests.certificates._judge import Judge

LENGTH, PEERS = 5, 8


@cache
def judge(field: Field) -> Judge:
    certificate = Norm(limit=3.0 if field is F61 else 1.0, peers=PEERS)
    return Judge(certificate, field, LENGTH, certificate.fraction_bits(field, LENGTH, PEERS))


def padded(rows: list[list[int]]) -> list[list[int]]:
    """Vectors filled up with zeros to `LENGTH`, and with zero vectors to `PEERS`."""
    rows = [row + [0] * (LENGTH - len(row)) for row in rows]
    return rows + [[0] * LENGTH] * (PEERS - len(rows))


@pytest.mark.parametrize("field", [F61, F31], ids=str)
def test_the_bound_is_exact(field: Field) -> None:
    """|x|^2 = B'^2 passes, in one coordinate or in several, and B'^2 + 1 does not."""
    reach = judge(field).certificate.reach(judge(field).bits, LENGTH)  # type: ignore[attr-defined]
    spread = [round(0.4 * reach)] * 4
    legal = [[reach], [0, 0, -reach], spread + [math.isqrt(reach**2 - sum(v * v for v in spread))], [1, -1], []]
    above = [[reach, 1], [reach + 1], [-reach, 0, 0, 0, -1]]
    assert judge(field).accepts(padded(legal + above)) == [True] * len(legal) + [False] * len(above)


def test_a_wrong_answer_to_the_projections_is_rejected() -> None:
    """One bit of one answer, or of the slack, and a "bit" that is none."""
    here, message = judge(F61), padded([[1, 2, 3, 4, 5]] * PEERS)
    helpers, responses = here.answers(message)
    responses[1, 7] ^= 1
    responses[2, -1] ^= 1
    helpers[3, 0] ^= 1
    one = 1 + int(np.flatnonzero(helpers[4, 1:])[0])
    helpers[4, one], helpers[4, one - 1] = 0, helpers[4, one - 1] + 2  # spells the same slack
    responses[5, 0] += 2
    assert here.accepts(message, helpers, responses) == [True, False, False, False, False, False, True, True]


def test_huge_entries_whose_squares_wrap_to_a_small_number() -> None:
    """x.x = 0 mod p with entries near p: only the projections can tell, and clipped answers to them do not fit."""
    p, root = F61.modulus, pow(5, -1, F61.modulus)
    vector = next(
        [x, pow(p - 1 - x * x, (p + 1) // 4, p), 1]
        for x in range(root, root + 100)
        if pow(p - 1 - x * x, (p - 1) // 2, p) == 1
    )
    assert sum(v * v for v in vector) % p == 0
    here = judge(F61)
    helpers, responses = here.answers([[0] * LENGTH] * PEERS)
    message = padded([vector, []])
    assert here.accepts(message, helpers, responses) == [False] + [True] * (PEERS - 1)


@pytest.mark.parametrize(("field", "window"), [(F61, 27), (F31, 12), (Field(13), 3), (Field(7), 0)])
def test_the_window_is_the_largest_the_derivation_allows(field: Field, window: int) -> None:
    """81 W^2 and the slack's bits, fewer than 4 W^2 / alpha^2 < W^2, fit below p; W at most p / 128."""
    assert Norm(1.0, 10).window(field) == window
    p = field.modulus

    def fits(w: int) -> bool:
        return 82 * 4**w < p and 128 * 2**w <= p

    assert window == max([0, *(w for w in range(62) if fits(w))])


@pytest.mark.parametrize("peers", [2, 3, 25, 100, 1000])
def test_errors_over_all_tests_and_peers(peers: int) -> None:
    """Completeness 2 tau n exp(-alpha^2) and soundness n 2^-tau, both with the constants written out again."""
    certificate = Norm(1.0, peers)
    assert math.log2(2 * certificate.rows * peers) - certificate.alpha**2 / math.log(2) <= -40 + 1e-9
    assert peers * 2.0**-certificate.rows <= 2.0**-41
    assert certificate.alpha > 2, "so that B'^2 and its bits stay below W^2"


@pytest.mark.parametrize("limit", [1e-3, 1.0, 10.0, 1e5])
@pytest.mark.parametrize("length", [1, 1000, 10**6])
def test_honest_messages_stay_within_the_window(limit: float, length: int) -> None:
    """An encoded vector of norm `limit`, after rounding, has norm at most reach <= W / alpha; one bit more might not."""
    certificate = Norm(limit, 100)
    bits = certificate.fraction_bits(F61, length, 100)
    reach, room = certificate.reach(bits, length), 2 ** certificate.window(F61) / certificate.alpha
    assert limit * 2**bits + math.sqrt(length) / 2 <= reach <= room
    assert certificate.reach(bits + 1, length) > room - 1
    assert certificate.bound(bits, length) == reach < 2**31, "and fits the integers in which messages are encoded"
    assert 81 * 4 ** certificate.window(F61) + 2 ** (reach**2).bit_length() < F61.modulus


@pytest.mark.parametrize(
    ("field", "limit", "length"), [(F61, 1e9, 10), (F31, 1.0, 10**7), (F31, 1000.0, 10), (Field(7), 1.0, 1)]
)
def test_bounds_without_room_are_refused(field: Field, limit: float, length: int) -> None:
    with pytest.raises(
        ValueError, match=re.escape(f"norm bound {limit:g} for messages of length {length} leaves no room")
    ):
        Norm(limit, 10).fraction_bits(field, length, 10)


def test_the_largest_legal_bound() -> None:
    certificate = Norm(1.0, 10)
    room = 2 ** certificate.window(F31) / certificate.alpha - math.sqrt(100) / 2 - 1
    assert Norm(room * 0.999, 10).fraction_bits(F31, 100, 10) == 0
    with pytest.raises(ValueError, match=re.escape(f"legal are bounds up to {room:.3g}")):
        Norm(room * 1.001, 10).fraction_bits(F31, 100, 10)


@pytest.mark.parametrize("limit", [0.0, -1.0, math.inf, math.nan])
def test_bounds_that_make_no_sense(limit: float) -> None:
    with pytest.raises(ValueError, match="a norm bound is a positive number"):
        Norm(limit, 10)


def test_projections_are_half_zeros_and_balanced() -> None:
    certificate = Norm(1.0, PEERS)
    agreed = np.asarray(entries(Judge(certificate, F61, 4000, 10).agreed, certificate.rows, jnp.int8))
    assert agreed.shape == (certificate.rows, 4000)
    shares = [np.mean(agreed == value) for value in (-1, 0, 1)]
    assert np.allclose(shares, [0.25, 0.5, 0.25], atol=5 * 0.5 / math.sqrt(agreed.size))
    alike = [np.mean(agreed[j] == agreed[k]) for j in range(len(agreed)) for k in range(j)]
    assert np.allclose(alike, 3 / 8, atol=6 * 0.5 / math.sqrt(4000)), "no two rows share their coins"


@pytest.fixture
def coins() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 1 << 32, (2, 3000), np.uint32)


def spelled(coins: np.ndarray[Any, Any], rows: int) -> np.ndarray[Any, Any]:
    """R by Python's integers."""
    bits = [[[int(word) >> j & 1 for word in words] for j in range(32)] for words in coins]
    flat = np.array(bits).reshape(-1, 2, coins.shape[1])
    return flat.sum(1)[:rows] - 1


def test_projections_by_bytes_are_those_by_floats(coins: Any) -> None:
    message = np.random.default_rng(1).integers(-(1 << 27), 1 << 27, (3, 3000))
    message[0, :4] = [0x7F7F7F7F, -0x7F7F7F7F, 128, -129]
    forms = [*(partial(_by_bytes, block) for block in (1, 700, 1000, 1 << 23)), _by_floats]
    for rows in (7, 16, 27, 32):
        expected = message @ spelled(coins, rows).T
        for form in forms:
            found = form(rows, jnp.asarray(coins), jnp.asarray(message.astype(np.int32)))
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("field", [F61, F31, Field(13), Field(3)])
def test_rows_are_mixed_as_by_integers(field: Field, coins: Any) -> None:
    weights = np.random.default_rng(2).integers(0, field.modulus, 27)
    weights[:3] = field.modulus - 1
    coins = np.concatenate([coins[:, :100], np.full((2, 1), 0xFFFFFFFF, np.uint32)], axis=1)
    expected = [sum(int(w) * int(r) for w, r in zip(weights, row, strict=True)) for row in spelled(coins, 27).T]
    found = mixed(field, field.asarray(weights.tolist()), jnp.asarray(coins))
    assert found.tolist() == [value % field.modulus for value in expected]
