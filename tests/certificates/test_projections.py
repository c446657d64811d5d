"""The derivation in `mpcjax.certificates.norm`, checked by simulation in NumPy: an implementation of its own.

One test projects x on a random vector with entries -1, 0, 0, 1 and passes in the window [-W, W). Long vectors, of norm at
least 9 W mod p, pass at most half of the time; short ones fail no more often than Hoeffding's bound says.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from mpcjax.certificates import Norm
from mpcjax.fields import F31, F61, Field

TRIALS = 8000
SLACK = 5 * 0.5 / math.sqrt(TRIALS)


def projections(rng: np.random.Generator, vector: list[int], p: int) -> np.ndarray:
    """R.x mod p, centred, for `TRIALS` random R."""
    total = np.zeros(TRIALS, np.int64)
    for x in vector:
        term = (rng.integers(0, 2, TRIALS) + rng.integers(0, 2, TRIALS) - 1) * np.int64(x % p)
        total = (total + term) % p
    return np.where(total > p // 2, total - p, total)


def long_vectors(p: int, w: int) -> dict[str, list[int]]:
    """Vectors of norm at least 9 W, each a different way to be so."""

    def just(count: int) -> list[int]:
        return [math.ceil(9 * w / math.sqrt(count))] * count

    return {
        "one at p / 2": [p // 2],
        "one at p / 3": [p // 3],
        "two at p / 3": [p // 3, p // 3],
        "p / 2 and its neighbour": [p // 2, p // 2 + 1],
        "one at p - 9 W": [p - 9 * w],
        "one just above 9 W": just(1),
        "two": just(2),
        "twenty-one of 2 W": [2 * w] * 21,
        "a hundred equal": just(100),
        "four hundred equal": just(400),
        "one of 2 W among many": [2 * w, *just(300)],
        "halves of halves": [9 * w >> k for k in range(12)],
        "p over powers of two": [p >> k for k in range(1, 30)],
        "all huge": [p // 3 + k for k in range(50)],
        "multiples of 2 W": [2 * w * k for k in range(1, 12)],
        "opposite signs": [2 * w, p - 2 * w] * 11,
    }


def is_long(vector: list[int], p: int, w: int) -> bool:
    return sum(min(x % p, -x % p) ** 2 for x in vector) >= 81 * w * w


@pytest.mark.parametrize("field", [F61, F31], ids=str)
def test_long_vectors_pass_at_most_half_of_the_time(field: Field) -> None:
    p, w = field.modulus, 2 ** Norm(1.0, 10).window(field)
    rng = np.random.default_rng(0)
    for name, vector in long_vectors(p, w).items():
        assert is_long(vector, p, w), name
        z = projections(rng, vector, p)
        assert np.mean((z >= -w) & (z < w)) <= 0.5 + SLACK, name


def test_half_is_reached() -> None:
    """A single huge entry is missed whenever its coefficient is 0: the bound of one half is sharp."""
    p, w = F61.modulus, 2 ** Norm(1.0, 10).window(F61)
    z = projections(np.random.default_rng(1), [p // 2], p)
    assert abs(np.mean((z >= -w) & (z < w)) - 0.5) <= SLACK


def test_random_long_vectors_pass_at_most_half_of_the_time() -> None:
    p, w = F61.modulus, 2 ** Norm(1.0, 10).window(F61)
    rng = np.random.default_rng(2)
    for _ in range(30):
        count, size = int(rng.integers(1, 60)), 2.0 ** rng.uniform(math.log2(w) - 2, 60)
        vector = [int(v * size) % p for v in rng.standard_normal(count)]
        while not is_long(vector, p, w):
            vector.append(2 * w)
        z = projections(rng, vector, p)
        assert np.mean((z >= -w) & (z < w)) <= 0.5 + SLACK


SHORT = {
    "one entry": [1000],
    "two": [700, 700],
    "equal": [50] * 400,
    "decaying": [1000 >> k for k in range(10)],
    "one among small": [900, *[20] * 400],
}


@pytest.mark.parametrize("name", SHORT)
def test_short_vectors_fail_no_more_often_than_the_bound(name: str) -> None:
    """P(|R.x| >= s |x|) <= 2 exp(-s^2), which at s = alpha leaves 2^-40 over all tests and peers."""
    vector, rng = SHORT[name], np.random.default_rng(3)
    z = np.abs(projections(rng, vector, F61.modulus)) / math.sqrt(sum(x * x for x in vector))
    for s in (0.9, 1.0, 1.2, 1.5, 2.0):
        bound = 2 * math.exp(-(s**2))
        assert np.mean(z >= s) <= bound + 5 * math.sqrt(bound / TRIALS)
    assert np.max(z) < Norm(1.0, 10).alpha


def test_the_numbers_of_the_derivation() -> None:
    """2 (b): the steps from 9 W to a probability below one half, and the tail in which Z itself wraps."""
    sigma = 9 / math.sqrt(2)  # of Z, in units of W
    assert sigma >= 6.36
    gauss, third_moment = 2 / math.sqrt(2 * math.pi), 2.0
    assert (gauss + 2 * 0.56 * third_moment) / sigma < 0.479
    assert 9**2 + 2**2 <= 85, "the last coordinate taken adds at most 2 W"
    for field in (F61, F31, Field(13)):
        p, w = field.modulus, 2 ** Norm(1.0, 10).window(field)
        assert 2 * math.exp(-((p / 2 - 2 * w) ** 2) / (170 * w * w)) < 0.001
    assert 0.479 + 0.001 < 0.5
