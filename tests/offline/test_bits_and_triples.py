"""Random bits and triples: what they claim to be, and enough of them."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.errors import Abort
from mpcjax.fabric import Simulated
from mpcjax.fields import F61, Field
from mpcjax.offline import Demand, prepare
from mpcjax.offline.preprocess import _bits, spares
from mpcjax.prg import Stream
from mpcjax.runtime import Material, Runtime
from mpcjax.sharing import Shamir
from tests.sharing._haste import hasty
from tests.tamper.material import uniform

SEED = np.arange(8, dtype=np.uint32)  # an argument of programs: a constant would be folded


@pytest.mark.parametrize(
    ("scheme", "demand"),
    [
        (Shamir(F61, 3, 1), Demand(random=2, double=3, bit=300, triple=20)),
        pytest.param(Shamir(Field(5), 3, 1), Demand(bit=200, triple=20), marks=pytest.mark.long),
        pytest.param(Shamir(Field(3), 3, 1), Demand(bit=40), marks=pytest.mark.long),
    ],
    ids=str,
)
def test_prepared_material_is_what_it_claims(scheme: Shamir, demand: Demand) -> None:
    """In the fields of 31 and 7 elements every 31st or 7th candidate for a bit has the square 0 and is thrown away."""

    def make(seed: Any) -> Any:
        streams: Any = Stream.from_seed(seed).per_row("party", range(scheme.parties))
        rt = Runtime(scheme, Simulated(scheme.parties), streams, None)  # type: ignore[arg-type]
        return prepare(rt, demand), rt.verified

    stock, verified = hasty(make)(SEED)
    assert bool(verified)
    for kind, parts in stock.arrays.items():
        assert all(part.shape == (scheme.parties, getattr(demand, kind)) for part in parts)
    bits = secrets(scheme, stock.arrays["bit"][0])
    assert set(bits) == {0, 1}
    assert abs(np.mean(bits) - 0.5) < 5 * 0.5 / math.sqrt(len(bits))
    if demand.triple:
        a, b, c = (secrets(scheme, part) for part in stock.arrays["triple"])
        assert np.array_equal(a * b % scheme.field.modulus, c)
        assert len(set(zip(a, b, strict=True))) > demand.triple // 2, "they differ"


def secrets(scheme: Shamir, shares: Any) -> np.ndarray:
    assert np.all(scheme.consistent(shares))
    return np.asarray(scheme.reconstruct(shares)).astype(object)


class Candidates(Material):
    """Random sharings of the given secrets in turn; honest sharings of zero."""

    def __init__(self, scheme: Shamir, values: Any):
        self.scheme, self.values, self.keys = scheme, values, iter(jax.random.split(jax.random.key(0), 20))

    def take(self, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
        field, t = self.scheme.field, self.scheme.threshold
        count = math.prod(shape)
        values, degree = {"random": (self.values, t), "zero": ([0], 2 * t)}[kind]
        value = jnp.asarray(np.resize(values, count).astype(field.dtype)).reshape(shape)
        return (self.scheme.share(value, uniform(field, next(self.keys), (degree, *shape))),)


def bits_of(scheme: Shamir, values: Any, amount: int) -> np.ndarray:
    rt = Runtime(scheme, Simulated(scheme.parties), None, Candidates(scheme, values))  # type: ignore[arg-type]
    return secrets(scheme, _bits(rt, amount))


@pytest.mark.parametrize("exponent", [3, 5, 7])
def test_a_bit_is_the_sign_of_its_candidate_and_exactly_half_are_one(exponent: int, no_spares: None) -> None:
    """Every non-zero a once: b = 1 for the squares, 0 for the others (of a and -a one is a square, as p = 3 mod 4)."""
    scheme = Shamir(Field(exponent), 3, 1)
    p = scheme.field.modulus
    every = np.arange(1, p)
    bits = bits_of(scheme, every, p - 1)
    assert np.array_equal(bits == 1, np.isin(every, every**2 % p))
    assert np.sum(bits) == (p - 1) // 2


@pytest.fixture
def no_spares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["mpcjax.offline.preprocess"], "spares", lambda amount, failure: 0)


def test_candidates_that_are_zero_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["mpcjax.offline.preprocess"], "spares", lambda amount, failure: 4)
    scheme = Shamir(Field(3), 3, 1)
    assert bits_of(scheme, [0, 1, 6, 0, 3, 0, 2, 0], 4).tolist() == [1, 0, 0, 1]  # squares mod 7: 1, 2, 4


def test_too_few_good_candidates_abort(no_spares: None) -> None:
    with pytest.raises(Abort, match="bit square"):
        bits_of(Shamir(Field(3), 3, 1), [0, 1, 2], 3)


@pytest.mark.parametrize("exponent", [3, 5, 7, 13])
@pytest.mark.parametrize("amount", [1, 2, 10, 300])
def test_spares_are_enough_by_the_exact_binomial_tail(exponent: int, amount: int) -> None:
    p = (1 << exponent) - 1
    spare = spares(amount, 1 / p)
    assert tail(amount + spare, Fraction(1, p), spare) <= Fraction(1, 2**40)
    fewer = next(k for k in range(spare + 1) if tail(amount + k, Fraction(1, p), k) <= Fraction(1, 2**40))
    assert spare <= 1.6 * fewer + 4, "and not many more than needed"


def tail(trials: int, failure: Fraction, allowed: int) -> Fraction:
    """P(more than `allowed` of `trials` fail), exactly."""
    good = sum(
        math.comb(trials, k) * failure**k * (1 - failure) ** (trials - k) for k in range(min(allowed, trials) + 1)
    )
    return 1 - good


@pytest.mark.parametrize(("amount", "exponent"), [(1, 61), (10**8, 61), (0, 3)])
def test_no_spares_where_zero_never_occurs(amount: int, exponent: int) -> None:
    assert spares(amount, 1 / ((1 << exponent) - 1)) == 0


@pytest.mark.parametrize("amount", [1, 1000, 10**6])
def test_spares_for_many_bits_in_31_bits(amount: int) -> None:
    """Poisson bound of the tail: (mean)^(k + 1) / (k + 1)! for more than k zeros."""
    spare = spares(amount, 1 / (2**31 - 1))
    mean = (amount + spare) / (2**31 - 1)
    assert mean ** (spare + 1) / math.factorial(spare + 1) <= 2**-40
    assert spare <= 10
