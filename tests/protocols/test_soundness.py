"""How often a wrong claim passes one try of `verify`: at most as often as its formula says, and that is needed.

Over the field of 31 elements with one try, thousands of runs are counted against the bound; the last tests play the best
strategies against a single challenge and meet its share of the bound, so that it cannot be stated lower.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import protocols
from mpcjax.fabric import Message, Simulated
from mpcjax.fields import Field
from mpcjax.prg import Stream
from mpcjax.protocols import verify
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.protocols._play import traced

F5 = Field(5)
P, SCHEME, RUNS = F5.modulus, Shamir(F5, 3, 1), 20_000
VERIFY = sys.modules["mpcjax.protocols.verify"]
Hook = Callable[[Message, Any], Any]


def stated(length: int) -> float:
    rt = Runtime(SCHEME, Simulated(3), None, None)  # type: ignore[arg-type]
    return VERIFY._error(rt, length)


def rates(program: Callable[..., Any], lies: list[list[int]], tamper: Any = None, length: int = 1) -> list[float]:
    """For each of the `lies`, the share of `RUNS` runs with random inputs in which everything verified."""
    run = traced(SCHEME, program, [(length,), (length,)], tamper)

    def one(key: Any, errors: Any) -> Any:
        x = jax.random.randint(jax.random.fold_in(key, 1), (2, length), 0, P).astype(jnp.uint32)
        return run(key, errors, x[0], x[1])[1]

    keys, program_of_all = jax.random.split(jax.random.key(7), RUNS), jax.jit(jax.vmap(one, in_axes=(0, None)))
    return [float(np.mean(program_of_all(keys, np.array(errors, np.uint32)))) for errors in lies]


def spread(probability: float) -> float:
    """Five standard deviations of a rate."""
    return 5 * math.sqrt(probability * (1 - probability) / RUNS)


def one_dot(rt: Runtime, x: Any, y: Any) -> None:
    protocols.dot(rt, x, y)
    verify(rt)


def multiples(rt: Runtime, x: Any, y: Any) -> None:
    protocols.multiply(rt, x[:, :1], y)
    verify(rt)


def several(rt: Runtime, x: Any, y: Any) -> None:
    protocols.multiply(rt, x, y)
    protocols.dot(rt, x, y)
    verify(rt)


@pytest.fixture(autouse=True)
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runtime, "repetitions", lambda self, error: 1)


@pytest.fixture
def known_coefficients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the first challenge: every claim enters with coefficient 1."""

    class Ones(Stream):
        def uniform(self, label: str, field: Any, shape: Any) -> Any:
            return field.ones((1, *shape))

    real = VERIFY.coin
    monkeypatch.setattr(VERIFY, "coin", lambda rt: Ones(real(rt)._keys))


def test_a_wrong_claim_passes_no_more_often_than_stated() -> None:
    """Six terms, three levels, an error in one claim or in both: it passes when a coefficient or a challenge is 0."""
    right, *wrong = rates(several, [[0, 0], [1, 0], [0, 5], [1, P - 1]], length=3)
    assert right == 1.0
    bound, plain = stated(6), 1 - (1 - 1 / P) ** 4  # the coefficient, and one challenge a level
    for found in wrong:
        assert found <= bound + spread(bound)
        assert abs(found - plain) <= spread(plain)


def test_a_wrong_multiple_passes_when_its_coefficient_is_zero() -> None:
    """Three multiples are one term and have a coefficient each: an error passes with that alone."""
    right, one, two = rates(multiples, [[0], [1], [P - 2]], length=3)
    assert right == 1.0
    bound, plain = stated(1), 1 / P
    for found in (one, two):
        assert found <= bound + spread(bound)
        assert abs(found - plain) <= spread(plain)


def added(label: str, errors: list[int]) -> Callable[[Field], Hook]:
    """Adds `errors` to what king k tells about values k, k + m, ... of the opening `label`."""

    def make(field: Field) -> Hook:
        def hook(message: Message, x: Any) -> Any:
            if not (message.label.startswith(f"{label}#") and message.label.endswith("from king")):
                return x
            flat = np.zeros(x.size, np.uint32)
            flat[: len(errors)] = [e % P for e in errors]
            return field.add(x, flat.reshape(x.shape))

        return hook

    return make


def test_the_best_lie_about_a_fold_has_all_the_roots_its_degree_allows(known_coefficients: None) -> None:
    """With z wrong by -3, terms wrong by 2 and 1 make the error (v - 1)(v - 2): it passes for two of p challenges."""
    (found,) = rates(one_dot, [[P - 3]], added("fold", [2, 1]), length=2)
    expected = 2 / P
    assert abs(found - expected) <= spread(expected)
    assert found <= stated(2) + spread(stated(2))


def test_the_best_lie_about_the_last_product(known_coefficients: None) -> None:
    """z wrong by 2, its masks by -3 and 1: (v - 1)(v - 2), where v = 1 comes twice as often (0 is replaced by it)."""
    (found,) = rates(one_dot, [[2]], added("last product", [P - 3, 1]))
    expected = 3 / P
    assert abs(found - expected) <= spread(expected)
    assert found <= stated(1) + spread(stated(1))


def test_errors_of_multiples_that_cancel_are_seen_by_their_coefficients() -> None:
    """+1 and -1 in two multiples of one factor: with equal coefficients they would pass every time."""
    (found,) = rates(multiples, [[0]], added("multiply", [1, P - 1]), length=3)
    assert abs(found - 1 / P) <= spread(1 / P)


@pytest.mark.parametrize("exponent", [3, 5, 7, 13, 31, 61])
@pytest.mark.parametrize("length", [1, 10, 10**8])
def test_enough_tries_are_made_in_every_field(exponent: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    rt = Runtime(Shamir(Field(exponent), 3, 1), Simulated(3), None, None)  # type: ignore[arg-type]
    error = VERIFY._error(rt, length)
    assert 0 < error < 1
    tries = rt.repetitions(error)
    assert tries * math.log2(error) <= -40
    assert tries == 1 or (tries - 1) * math.log2(error) > -40, "and no more than that"
