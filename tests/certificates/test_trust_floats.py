"""What of FLTrust's messages is computed in floats: honest ones hold, the direction is exact, its fingerprint alike anywhere."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax.certificates import Trust, along_reference
from mpcjax.certificates.trust import SCORE_ERROR
from mpcjax.fields import F61, fixed
from mpcjax.rules import Public

PEERS, BITS = 8, 20
REFERENCE = np.array([4, 0, 0, -3, 0], np.float32)


def updates(length: int) -> np.ndarray[Any, Any]:
    """Of all directions and sizes: with the reference, against it, across, none at all, tiny and huge, and a single spike."""
    rng = np.random.default_rng(length)
    x = rng.normal(size=(PEERS, length))
    x[0], x[1], x[5] = 3 * x[-1], -x[-1], 0
    x[2], x[3] = x[2] * 1e-30, x[3] * 1e30
    x[4] = 0
    x[4, 0] = 1e-3
    return (x + [[0.3]] * PEERS * (np.arange(PEERS)[:, None] == 6)).astype(np.float32)


@pytest.mark.parametrize("spiked", [False, True])
@pytest.mark.parametrize("length", [1, 2, 17, 4096, 100_000])
def test_honest_messages_hold(length: int, spiked: bool) -> None:
    rule, x = mpcjax.rules.fltrust(), updates(length)
    reference = x[-1].copy()
    reference[0] *= 1e4 if spiked else 1  # all other coordinates have few bits in units of the largest
    public = Public.of(PEERS, length, reference=jnp.asarray(reference))
    certificate: Any = rule.certificate(PEERS)
    bits = certificate.fraction_bits(F61, rule.message_length(length), PEERS)
    with mpcjax._compat.x32():
        local = jax.jit(jax.vmap(rule.local, in_axes=(0, 0, None)))  # as in a round
        messages = local(jnp.asarray(x), jnp.arange(PEERS), public)
    integers = fixed.to_integers(messages, bits, certificate.inward)
    given = certificate.given(public, bits)
    assert np.all(given.holds(F61, integers, bits))
    assert np.max(np.abs(integers)) <= certificate.bound(bits, rule.message_length(length))
    unit = reference.astype(float) / np.linalg.norm(reference.astype(float))
    norms = np.linalg.norm(x.astype(float), axis=1)
    cosines = x.astype(float) @ unit / np.where(norms > 0, norms, 1)
    assert np.allclose(np.asarray(messages)[:, -1], np.maximum(cosines, 0), atol=2**-18)


def test_messages_that_rounding_to_nearest_would_make_too_long() -> None:
    """All coordinates are alike, and rounded up: an honest peer would be left out."""
    rule, bits = mpcjax.rules.fltrust(), 20
    length = next(n for n in range(5000, 6000) if 0.6 < (2.0**bits / math.sqrt(n)) % 1 < 0.9)
    public = Public.of(1, length, reference=jnp.ones(length, jnp.float32))
    message = rule.local(jnp.ones(length, jnp.float32), 0, public)[None]
    certificate: Any = rule.certificate(100)
    given = certificate.given(public, bits)
    assert given.holds(F61, fixed.to_integers(message, bits, given.inward), bits).tolist() == [True]
    assert given.holds(F61, fixed.to_integers(message, bits), bits).tolist() == [False]


@pytest.mark.parametrize("size", [1e-3, 1e32, 1e36, 3e37])
def test_updates_whose_length_float32_hardly_holds_are_trusted_as_others(size: float) -> None:
    """A score over so large a length is less than the least float32."""
    rule, length = mpcjax.rules.fltrust(), 100
    public = Public.of(1, length, reference=jnp.ones(length, jnp.float32))
    given: Any = rule.certificate(PEERS).given(public, 20)
    message = rule.local(jnp.full(length, size, jnp.float32).at[0].set(0), 0, public)[None]
    integers = fixed.to_integers(message, 20, given.inward)
    assert given.holds(F61, integers, 20).tolist() == [True]
    assert int(integers[0, -1]) == pytest.approx(2.0**20 * math.sqrt(0.99), abs=8)


@pytest.mark.parametrize("length", [4096, 10_000, 22_500, 10**6])
def test_scores_of_signs_are_as_exact_as_others(length: int) -> None:
    """All products that are added up are alike, and so are their errors; of a square length two sums could become one."""
    rule, rng = mpcjax.rules.fltrust(), np.random.default_rng(0)
    signs = rng.choice([-1.0, 1.0], length)
    x = np.array([signs * size for size in rng.uniform(0.3, 1, 4)], np.float32)
    x[:, 0] = signs[0]
    public = Public.of(4, length, reference=jnp.asarray(signs, jnp.float32))
    messages = jax.jit(jax.vmap(rule.local, in_axes=(0, None, None)))(jnp.asarray(x), 0, public)
    exact = x.astype(float) @ signs / np.linalg.norm(x.astype(float), axis=1) / math.sqrt(length)
    assert np.max(np.abs(np.asarray(messages[:, -1]) - exact)) < 2.0 ** -(SCORE_ERROR + 1)


def test_the_direction_is_exact_and_of_length_one() -> None:
    along = np.asarray(along_reference(jnp.asarray(REFERENCE)))
    assert along.tolist() == [1 << 23, 0, 0, -3 << 21, 0], "4 = 2^3 / 2, so 23 of 24 bits"
    certificate: Any = Trust(peers=PEERS).given(SimpleNamespace(reference=jnp.asarray(REFERENCE)), BITS)
    assert np.linalg.norm(certificate.direction) / 2.0**BITS == pytest.approx(1, abs=1e-6)
    assert not np.any(along_reference(jnp.zeros(3)))
    given = certificate.given(SimpleNamespace(reference=jnp.zeros(3)), 20)
    assert not np.any(given.direction) and given.holds(F61, jnp.zeros((1, 4), jnp.int32), 20).tolist() == [True]
    assert np.max(np.abs(np.asarray(certificate.direction) - REFERENCE / 5 * 2.0**BITS)) <= 0.5
    assert np.max(np.abs(along_reference(jnp.ones(10**6)))) ** 2 * 10**6 < 2**62


def test_another_reference_has_another_fingerprint() -> None:
    given = [
        Trust(peers=3).given(SimpleNamespace(reference=jnp.asarray(REFERENCE) + shift), 20)
        for shift in (0.0, 0.0, np.eye(5, dtype=np.float32)[4] * 1e-5, REFERENCE)
    ]
    assert np.array_equal(given[0].direction, given[3].direction), "of another length alone"
    marks = [np.asarray(one.fingerprint(F61)).tolist() for one in given]
    assert marks[0] == marks[1] and marks[0] not in marks[2:] and len(marks[0]) == 40 and 5 < sum(marks[0]) < 35


EXACT = {  # of floats: these round as IEEE 754 says, or not at all, and never add
    "abs", "bitcast_convert_type", "broadcast_in_dim", "convert_element_type", "custom_jvp_call", "div", "eq", "gt", "jit", "lt",
    "mul", "ne", "pjit", "reduce_max", "round", "select_n", "sqrt",
}  # fmt: skip


def on_floats(jaxpr: Any) -> set[str]:
    """The primitives that take floats, in all that is called."""
    found = set()
    for eqn in jaxpr.eqns:
        if any(jnp.issubdtype(v.aval.dtype, jnp.floating) for v in eqn.invars):
            found.add(eqn.primitive.name)
        for inner in eqn.params.values():
            found |= on_floats(inner.jaxpr) if isinstance(inner, jax.extend.core.ClosedJaxpr) else set()
    return found


def test_a_fingerprint_is_the_same_on_all_machines() -> None:
    """Or honest peers would be left out: an approximate 2^k, or a sum of floats in another order, is not on all the same."""

    def fingerprint(reference: Any) -> Any:
        given: Any = Trust(peers=PEERS).given(SimpleNamespace(reference=reference), 23)
        return given.fingerprint(F61)

    assert on_floats(jax.make_jaxpr(fingerprint)(jnp.ones(5, jnp.float32)).jaxpr) <= EXACT


def normal(x: Any) -> Any:
    """Without numbers that some machines take for zero."""
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, 0, x)


@pytest.mark.parametrize("size", [1, 1e-20, 2.0**-124, 2.0**126])
def test_the_direction_is_what_integers_say(size: float) -> None:
    reference = np.clip(np.random.default_rng(1).normal(size=1000), -1.9, 1.9).astype(np.float32) * np.float32(size)
    reference[::7] *= np.float32(2.0**-21)  # of these less is left than half a unit, or a few bits
    along, reference = np.asarray(along_reference(jnp.asarray(reference))), normal(reference)
    _, exponent = np.frexp(np.max(np.abs(reference)))
    assert along.tolist() == np.rint(np.ldexp(reference.astype(float), 24 - int(exponent))).astype(int).tolist()
    given: Any = Trust(peers=PEERS).given(SimpleNamespace(reference=jnp.asarray(reference)), 23)
    square = sum(v * v for v in along.tolist())
    doubled = [math.isqrt((4 * v * v << 46) // square) for v in along.tolist()]  # of |v| 2^23 / |along|, rounded down
    assert np.abs(given.direction).tolist() == [(twice + 1) // 2 for twice in doubled]
    assert np.all(np.sign(given.direction) * np.sign(along) >= 0)
