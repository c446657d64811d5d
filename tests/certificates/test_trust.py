"""The trust certificate: accepts an update times its trust score, with that score; its constants are those of its derivation."""

from __future__ import annotations

import math
from functools import cache
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax.certificates import Trust
from mpcjax.fabric import Simulated
from mpcjax.fields import F31, F61, Field
from mpcjax.rules import FLTrust, Public
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir
from tests.certificates._judge import Judge

LENGTH, PEERS = 6, 8  # five coordinates and the score
REFERENCE = np.array([4, 0, 0, -3, 0], np.float32)  # along which (8, 0, 0, -6, 0) / 10 is of length 1


@cache
def judge(field: Field = F61) -> Judge:
    certificate = Trust(peers=PEERS)
    bits = certificate.fraction_bits(field, LENGTH, PEERS)
    given = certificate.given(SimpleNamespace(reference=jnp.asarray(REFERENCE)), bits)
    return Judge(given, field, LENGTH, bits)


def legal(message: list[int], here: Judge) -> bool:
    """The text of the certificate, in Python's integers."""
    *y, t = message
    certificate: Any = here.certificate
    along = sum(int(a) * b for a, b in zip(np.asarray(certificate.direction).tolist(), y, strict=True))
    tolerance = certificate.tolerance(here.bits, LENGTH)
    long = sum(v * v for v in y) < (t + 1) ** 2
    return 0 <= t < 2 << here.bits and long and -tolerance <= along - t * t <= tolerance


def honest(here: Judge, cosine: float, share: float = 1.0) -> list[int]:
    """Of an update of this agreement with the reference; `share`: of the length that it may have."""
    f, sine = 2.0**here.bits, math.sqrt(1 - cosine**2)
    u = cosine * REFERENCE / 5 + sine * np.array([0, 0.6, 0, 0, -0.8])
    return [*np.trunc(cosine * share * u * f).astype(int).tolist(), int(cosine * share * f)]


@pytest.mark.parametrize("field", [F61, F31], ids=str)
def test_what_is_legal_is_accepted_and_nothing_else(field: Field) -> None:
    here = judge(field)
    f, zero = here.bits, [0] * LENGTH
    scores = [honest(here, c) for c in (1.0, 0.6, 1e-3)]
    wrong = [honest(here, 0.6), honest(here, 0.6), honest(here, 1.0), [0, 0, 0, 0, 0, -(1 << f)]]
    wrong[0][-1] += 1 << (f - 1)  # weighs more than it agrees
    wrong[1] = [2 * v for v in wrong[1][:-1]] + wrong[1][-1:]  # longer than its score
    wrong[2] = [-v for v in wrong[2]]  # against the reference, and divides by less
    messages = [*scores, *wrong, zero]
    expected = [legal(message, here) for message in messages]
    assert expected == [True] * 3 + [False] * 4 + [True]
    assert here.accepts(messages) == expected


def test_its_bounds_are_exact() -> None:
    """(t + 1)^2 - 1 = |y|^2 passes and a unit more does not; likewise the ends of the tolerance, to a unit of the update."""
    here = judge()
    f, t = here.bits, 3 << (here.bits - 2)
    certificate: Any = here.certificate
    tolerance, rho = certificate.tolerance(f, LENGTH), np.asarray(certificate.direction).tolist()
    least = -((tolerance - t * t) // rho[0])  # of y_0 where all else is zero
    most = (tolerance + t * t) // rho[0]
    square = (t + 1) ** 2 - 1 - most**2  # what is left of the length, as a sum of two squares and a rest
    side = math.isqrt(square)
    rest = math.isqrt(square - side**2)
    messages = [
        [least, 0, 0, 0, 0, t], [least - 1, 0, 0, 0, 0, t], [most, 0, 0, 0, 0, t], [most + 1, 0, 0, 0, 0, t],
        [most, side, rest, 0, 0, t], [most, side + 1, 0, 0, 0, t], [0, 1, 1, 1, 0, 1], [0, 2, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0],
    ]  # fmt: skip
    expected = [legal(message, here) for message in messages]
    assert expected == [True, False] * 5
    assert here.accepts(messages) == expected


def dealt(here: Judge, message: list[list[int]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], dict[str, slice]]:
    """Honest helpers and responses, and where t and the bits of t, t^2, s and s' are."""
    helpers, responses = here.answers(message)
    certificate: Any = here.certificate
    places, start = {"t": slice(0, 1)}, 1
    for name, width in zip(("bits", "square", "slack", "rest"), certificate.widths(here.bits, LENGTH), strict=True):
        places[name], start = slice(start, start + width), start + width
    assert start == helpers.shape[1]
    return helpers, responses, places


def spell(value: int, width: int) -> list[int]:
    assert 0 <= value < 1 << width
    return [value >> k & 1 for k in range(width)]


def read(bits: np.ndarray[Any, Any]) -> int:
    return sum(int(b) << k for k, b in enumerate(bits))


def test_every_bit_counts() -> None:
    """A wrong bit anywhere among the helpers, one peer each, is seen."""
    here = judge()
    message = [honest(here, 0.6)] * PEERS
    helpers, responses, _ = dealt(here, message)
    for first in range(0, helpers.shape[1], PEERS - 1):
        wrong = helpers.copy()
        changed = range(first, min(first + PEERS - 1, helpers.shape[1]))
        for peer, place in enumerate(changed):
            wrong[peer, place] = (int(wrong[peer, place]) + 1) % 2 if place else int(wrong[peer, place]) + 1
        assert here.accepts(message, wrong, responses) == [False] * len(changed) + [True] * (PEERS - len(changed))


def test_numbers_that_fit_each_other_and_not_the_message() -> None:
    """Whoever changes one number changes those that depend on it too: each of these breaks one relation only."""
    here = judge()
    message = [honest(here, 0.6) for _ in range(PEERS)]
    t = message[0][-1]
    p = F61.modulus
    # a score below zero, of an update along the reference that is shorter
    message[2] = [*np.trunc(0.36 * 2.0**here.bits * REFERENCE / 5).astype(int).tolist(), -t]
    message[3][0] -= 1 << (here.bits - 3)
    helpers, _, at = dealt(here, message)
    for peer in (2, 3):
        helpers[peer] = helpers[0]
    square, slack, rest = (read(helpers[0, at[name]]) for name in ("square", "slack", "rest"))
    widths = {name: place.stop - place.start for name, place in at.items()}

    def put(peer: int, **numbers: int) -> None:
        for name, value in numbers.items():
            helpers[peer, at[name]] = spell(value, widths[name]) if name != "t" else value % p

    put(0, square=square + 1, slack=slack + 2, rest=rest - 1)  # t^2 is another number
    more = t + 4
    put(1, t=more, bits=more, square=more**2, slack=2 * more**2 + 2 * more - t * t - norm_of(message[1]),
        rest=rest + t * t - more**2)  # fmt: skip
    rho = np.asarray(here.certificate.direction).tolist()  # type: ignore[attr-defined]
    along = sum(a * b for a, b in zip(rho, message[2], strict=False))
    tolerance = read(helpers[0, at["rest"]]) - sum(a * b for a, b in zip(rho, message[0], strict=False)) + square
    put(
        2, t=-t, slack=(1 - t) ** 2 - 1 - norm_of(message[2]), rest=along + tolerance - square
    )  # t is not what its bits spell
    # the slack of a shorter y, and its products with the reference left as they were
    put(3, slack=slack + norm_of(message[0]) - norm_of(message[3]))
    assert here.accepts(message, helpers, answered(here, message)) == [False] * 4 + [True] * (PEERS - 4)


def test_digits_that_are_no_bits() -> None:
    """A two in place of the carry spells the same number; of a helper or of a projection it is seen."""
    here = judge()
    message = [honest(here, 0.6)] * PEERS
    helpers, responses, at = dealt(here, message)
    for peer, (numbers, place) in enumerate(
        [(helpers, at[name]) for name in list(at)[1:]] + [(responses, slice(0, 28))]
    ):
        digits = numbers[peer, place]
        carry = next(k for k in range(len(digits) - 1) if not digits[k] and digits[k + 1])
        digits[carry : carry + 2] = 2, 0
    assert here.accepts(message, helpers, responses) == [False] * 5 + [True] * (PEERS - 5)


@pytest.mark.parametrize(("length", "most"), [(16, 2.0**-8), (1008, 2.0**-8), (10**6 + 16, 2.0**-6)])
def test_what_an_update_across_the_reference_may_weigh(length: int, most: float) -> None:
    assert 0.99 * most < math.sqrt(Trust(peers=100).tolerance(23, length)) / 2.0**23 <= most


def norm_of(message: list[int]) -> int:
    return sum(v * v for v in message[:-1])


def answered(here: Judge, message: list[list[int]]) -> np.ndarray[Any, Any]:
    return here.answers(message)[1]


def test_entries_whose_squares_wrap_are_seen_by_the_projections() -> None:
    """x.x = 0 mod p with entries near p, which no number dealt contradicts."""
    p, root = F61.modulus, pow(5, -1, F61.modulus)
    vector = next(
        [0, x, pow(p - 1 - x * x, (p + 1) // 4, p), 1, 0, 0]
        for x in range(root, root + 100)
        if pow(p - 1 - x * x, (p - 1) // 2, p) == 1
    )
    here = judge()
    helpers, responses = here.answers([[0] * LENGTH] * PEERS)
    vector[3] = 0  # along the reference, so that all else fits: then the squares are p - 1
    helpers, responses, at = dealt(here, [[0] * LENGTH] * PEERS)
    helpers[0, at["slack"]] = spell(1, at["slack"].stop - at["slack"].start)  # 0 - (p - 1) mod p
    assert here.accepts([vector] + [[0] * LENGTH] * (PEERS - 1), helpers, responses) == [False] + [True] * (PEERS - 1)


@pytest.mark.parametrize("field", [F61, F31], ids=str)
@pytest.mark.parametrize("peers", [3, 100, 1000])
@pytest.mark.parametrize("length", [2, 1000, 10**6])
def test_no_side_of_an_equation_wraps(field: Field, peers: int, length: int) -> None:
    certificate = Trust(peers=peers)
    bits = certificate.fraction_bits(field, length, peers)
    fine = bits >= certificate.least_bits(length)
    assert fine == (field is F61)  # where it is not, rounds are refused
    p, window = field.modulus, 2 ** certificate.window(field)
    score, square, slack, rest = certificate.widths(bits, length)
    longest = 2**bits + math.sqrt(length) / 2  # rho
    assert 81 * window**2 + 2**slack < p and ((2 << bits) + 1) ** 2 < p, "|y|^2 + s = (t + 1)^2 - 1"
    assert 9 * window * longest + 2**rest + 2**square < p, "<y, rho> + tolerance = t^2 + s'"
    assert (2**score - 1) ** 2 < 2**square and (2**score) ** 2 - 1 < 2**slack
    assert 2 * certificate.tolerance(bits, length) < 2**rest
    most = (
        longest + 1 + certificate.tolerance(bits, length) / longest
    )  # the root of t^2 = (t + 1) |rho| + tolerance, at most
    assert most <= certificate.bound(bits, length) < 2**31
    assert math.sqrt(2) * 2**bits <= certificate.reach(bits, length) <= window / certificate.alpha


class Unsettled(FLTrust):
    """Nothing is divided, so that there is room in a small field."""

    def settle(self, total: Any, public: Public) -> Any:
        return total[: public.reference.shape[0]]


def test_too_few_bits_to_prove_trust_are_refused() -> None:
    """With 10 bits a score of a million parameters would be proven to 1: any update would be trusted."""
    committee, shapes = mpcjax.simulate(parties=3), {"params": 10**6, "peers": 100}
    certificate = Trust(peers=100)
    least = certificate.least_bits(10**6 + 16)
    assert (
        certificate.tolerance(least, 10**6) <= 4**least / 32
        and certificate.tolerance(least - 1, 10**6) > 4 ** (least - 1) / 64
    )
    with pytest.raises(ValueError, match=f"fraction_bits=10: legal are whole numbers from {least} to 2"):
        mpcjax.estimate("fltrust", committee=committee, fraction_bits=10, **shapes)
    with pytest.raises(ValueError, match=r"in the field of 31 bits, and what is checked about them needs 1\d"):
        mpcjax.estimate(Unsettled(), committee=mpcjax.simulate(parties=3, field=31), params=100, peers=10)


@pytest.mark.parametrize("peers", [3, 1000, 5000])
def test_the_quotient_takes_no_bits_from_the_messages(peers: int) -> None:
    """No coordinate of an update is larger than its score, so that none of their sums' quotient is larger than 1."""
    setup = Setup(Shamir(F61, 3, 1), FLTrust(), peers, 1000)
    assert setup.bits == setup.certificate.fraction_bits(F61, setup.message_length, peers)


def test_who_was_given_another_reference_is_left_out_before_a_test_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the word of the peer itself: its tests would open <y, rho - rho'>, which tells its update."""

    def heard(self: Any, said: Any, label: str, alike: int) -> Any:
        assert alike == said.shape[1] - 2
        return jnp.ones((said.shape[0],), bool), said.at[1, -1].set(~said[1, -1])

    monkeypatch.setattr(Simulated, "_roll_call", heard)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 5)), jnp.float32)
    report = mpcjax.aggregate(x, Unsettled(), committee=mpcjax.simulate(3), reference=np.ones(5, np.float32)).report
    assert np.asarray(report.well_dealt).tolist() == np.asarray(report.accepted).tolist() == [True, False, True, True]
