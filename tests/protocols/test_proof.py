"""Proofs by the peers: right values for honest ones, and no way around the challenges for others."""

from __future__ import annotations

import math
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import protocols
from mpcjax.fields import F31, F61, kernels
from mpcjax.prg import Stream
from mpcjax.protocols import Form, Statement, prove, random_form, value, verify
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.protocols._play import SEED, compiled, reveal, values

PROOF = sys.modules["mpcjax.protocols.proof"]
PEERS = 3
LENGTH, LEVELS = 97, 4  # a vector, and in how many levels it is proven
P = F61.modulus


@pytest.fixture(autouse=True)
def short_vectors_too(monkeypatch: pytest.MonkeyPatch) -> None:
    lower(monkeypatch)


def lower(patch: pytest.MonkeyPatch) -> None:
    """Lengths from which vectors are proven, and cut otherwise."""
    for name in ("SHORT", "ROBUST_SHORT"):
        patch.setattr(PROOF, name, 2)
    for module in (PROOF, sys.modules["mpcjax.protocols.folding"]):
        patch.setattr(module, "MANY", 60)
        patch.setattr(module, "FEW", 16)


def proven(forms: list[Any], shift: Any = None) -> Any:
    """A program that takes vectors of the peers, `[rows, n, d]` each, and proves a form of each side by side."""

    def program(rt: Runtime, *shares: Any) -> Any:
        peers = protocols.dealers(rt, Stream.from_seed(SEED).child("peers").per_row("peer", range(PEERS)))
        public = Stream.from_seed(SEED).child("public")
        chosen = [make(rt, public, x.shape[-1]) for make, x in zip(forms, shares, strict=True)]
        known = [rt.scheme.reconstruct(x) for x in shares]
        statements = [Statement(v, x, f) for v, x, f in zip(known, shares, chosen, strict=True)]
        proofs = prove(rt, peers, statements)
        results = [value(rt, *args) for args in zip(chosen, shares, proofs, strict=True)]
        verify(rt)
        return [(form.weights(rt.field, x.shape[-1]), *r) for form, x, r in zip(chosen, shares, results, strict=True)]

    return program


def tensor(rt: Runtime, public: Stream, length: int) -> Form:
    return random_form(rt.scheme, public, f"tensor {length}", length)


def shifted(rt: Runtime, public: Stream, length: int) -> Form:
    return Form(shift=public.uniform(f"shift {length}", rt.field, (length,))[0])


@pytest.mark.parametrize(
    "scheme", [Shamir(F61, 3, 1), pytest.param(Shamir(F61, 4, 1), marks=pytest.mark.long), Shamir(F61, 3, 0)], ids=repr
)
def test_values_are_right_and_honest_peers_pass(scheme: Shamir) -> None:
    """Long, short and odd lengths side by side, levels of 4, 16 and other numbers of pieces."""
    lengths, forms = (97, 3, 2, 40), [tensor, shifted, tensor, shifted]
    if scheme.robust:  # where every product is a triple and openings are decoded, which takes long to compile
        lengths, forms = lengths[3:], forms[3:]
    inputs = values(F61, *((PEERS, length) for length in lengths))
    shapes = [x.shape for x in inputs]
    found, verified = compiled(scheme, proven(forms), shapes)(jax.random.key(0), None, *inputs)
    assert bool(verified)
    public = Stream.from_seed(SEED).child("public")
    for x, (weights, got, tests), make in zip(inputs, found, forms, strict=True):
        moved = x.astype(object)
        if make is shifted:
            moved = moved + np.asarray(public.uniform(f"shift {x.shape[1]}", F61, (x.shape[1],))[0]).astype(object)
        expected = np.sum(np.asarray(weights).astype(object) * moved**2, axis=1) % P
        assert np.array_equal(reveal(scheme, got), expected)
        assert len(tests) == len(PROOF.levels(scheme, x.shape[1]))
        assert all(np.array_equal(reveal(scheme, test), [0] * PEERS) for test in tests)


@pytest.mark.long
def test_who_proves_what_holds_of_another_vector_fails() -> None:
    """A prover that makes every linear test hold, by one coefficient a level, is left with a wrong product."""
    scheme, length, wrong = Shamir(F61, 3, 1), 97, 0
    honest, state = PROOF.coefficients, {}

    def adaptive(field: Any, x: Any, count: int, weights: Any, shift: Any) -> Any:
        terms = honest(field, x, count, weights, shift)
        level = state.setdefault("level", 0)
        factor = state["form"].factors[level]
        if level:
            want = PROOF._at(field, state["sent"], state["v"])
            gap = field.sub(want, field.dot(terms[:, :count], factor))
        else:
            gap = jnp.asarray([1, 0, 0], field.dtype)  # peer 0 claims one more than the truth
        fixed = field.add(terms[:, 0], field.mul(gap, field.inv(factor[0])))
        state["sent"], state["level"] = terms.at[:, 0].set(fixed), level + 1
        return state["sent"]

    def challenged(rt: Runtime, amount: int) -> Any:
        state["v"] = protocols.challenge(rt, amount)[0]
        return state["v"][None]

    def remembered(rt: Runtime, public: Stream, length: int) -> Form:
        state.clear()
        state["form"] = tensor(rt, public, length)
        return state["form"]

    inputs = values(F61, (PEERS, length))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PROOF, "coefficients", adaptive)
        patch.setattr(PROOF, "challenge", challenged)
        run = compiled(scheme, proven([remembered]), [inputs[0].shape])
        for seed in range(8):
            ((_, _, tests),), verified = run(jax.random.key(seed), None, *inputs)
            shown = np.array([reveal(scheme, test) for test in tests])
            assert bool(verified) and not shown[:-1].any() and not shown[-1, 1:].any()
            wrong += bool(shown[-1, 0])
    assert wrong == 8


@pytest.fixture(scope="module")
def lied() -> list[Any]:
    """What comes of it where the first peer adds 1 to a coefficient of one level, for all levels: compiled once."""
    honest, lies = PROOF.coefficients, []

    def coefficients(field: Any, x: Any, count: int, weights: Any, shift: Any) -> Any:
        terms = honest(field, x, count, weights, shift)
        return terms.at[0, 0].set(field.add(terms[0, 0], lies.pop(0)))

    def program(rt: Runtime, x: Any, lie: Any) -> Any:
        lies[:] = list(rt.scheme.reconstruct(lie))
        found = proven([tensor])(rt, x)
        assert not lies
        return found

    with pytest.MonkeyPatch.context() as patch:
        lower(patch)
        patch.setattr(PROOF, "coefficients", coefficients)
        run = compiled(Shamir(F61, 3, 1), program, [(PEERS, LENGTH), (LEVELS,)])
        inputs = values(F61, (PEERS, LENGTH))
        return [run(jax.random.key(0), None, *inputs, lie) for lie in np.eye(LEVELS, dtype=np.uint64)]


@pytest.mark.parametrize("level", range(LEVELS))
def test_a_wrong_coefficient_at_any_level_shows(lied: list[Any], level: int) -> None:
    """Each level is tied to the one before by a test of its own; the first says what the value is, which then is wrong."""
    scheme, inputs = Shamir(F61, 3, 1), values(F61, (PEERS, LENGTH))
    ((weights, got, tests),), verified = lied[level]
    shown = np.array([reveal(scheme, test) for test in tests])
    right = np.sum(np.asarray(weights).astype(object) * inputs[0].astype(object) ** 2, axis=1) % P
    assert bool(verified) and len(shown) == 4 and shown[:, 0].any() and not shown[:, 1:].any()
    assert list(reveal(scheme, got) != right) == [level == 0, False, False]


def test_no_two_coefficients_have_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any level, peer or statement: equal noise would show t members the difference of two coefficients."""
    seen: list[np.ndarray] = []
    honest = PROOF.deal_with

    def listening(rt: Runtime, values: Any, noise: Any, label: str, known: Any) -> Any:
        jax.debug.callback(lambda noise: seen.append(np.asarray(noise).reshape(-1)), noise)
        return honest(rt, values, noise, label, known)

    monkeypatch.setattr(PROOF, "deal_with", listening)
    inputs = values(F61, (PEERS, 97), (PEERS, 40))
    run = compiled(Shamir(F61, 3, 1), proven([tensor, shifted]), [x.shape for x in inputs])
    jax.block_until_ready(run(jax.random.key(0), None, *inputs))
    jax.effects_barrier()
    drawn = np.concatenate(seen)
    assert len(seen) == 4 and len(np.unique(drawn)) == len(drawn)


@pytest.mark.parametrize("length", [97, 1000])
def test_the_fold_of_a_bad_dealing_is_bad(length: int) -> None:
    """So the dealing check may read the fold in place of all shares: one wrong share of one element shows."""
    scheme, rng = Shamir(F61, 5, 2), np.random.default_rng(0)
    shares = np.array(scheme.share(F61.zeros((length,)), F61.asarray(rng.integers(0, P, (2, length), np.uint64))))
    for place in (0, length // 2, length - 1):
        bent = shares.copy()
        bent[3, place] = (int(bent[3, place]) + 1) % P
        for given, fine in ((shares, True), (bent, False)):
            x: Any = jnp.asarray(given)
            for count in PROOF.levels(scheme, length):
                x = kernels.folded(F61, x, F61.asarray(int(rng.integers(0, P))), count)
            assert x.shape == (5, 1) and bool(scheme.consistent(x)[0]) == fine


@pytest.mark.parametrize("length", [1 << 12, 10**6, 1 << 32])
def test_the_error_is_what_the_text_says(length: int) -> None:
    """A wrong value, a fold of bad shares that looks good, a combination of errors that vanishes: over all levels."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (PROOF, sys.modules["mpcjax.protocols.folding"]):
            patch.setattr(module, "MANY", 1 << 16)
            patch.setattr(module, "FEW", 1 << 12)
        sizes = PROOF.levels(Shamir(F61, 3, 1), length)
    assert math.prod(sizes) >= length
    assert sum(2 * count - 2 for count in sizes) / P < 2**-52
    assert (sum(2 * count - 2 + count - 1 for count in sizes) + len(sizes)) / P * 2**10 < 2**-40, "for 1024 peers"


def test_smaller_fields_have_no_proofs() -> None:
    assert PROOF.levels(Shamir(F31, 3, 1), 10**6) == ()
    assert PROOF.levels(Shamir(F61, 3, 1), 2) == ()


@pytest.mark.parametrize("length", [1, 2, 3, 97, 100, 1000])
def test_their_sum_follows_from_the_factors(length: int) -> None:
    form = random_form(Shamir(F61, 3, 1), Stream.from_seed(SEED), "weights", length)
    for one in (form, PROOF.Form()):
        assert int(one.sum_of_weights(F61, length)) == int(F61.sum(one.weights(F61, length)))


def test_weights_are_a_tensor_product() -> None:
    scheme = Shamir(F61, 3, 1)
    form = random_form(scheme, Stream.from_seed(SEED), "weights", 97)
    assert PROOF.levels(scheme, 97) == tuple(map(len, form.factors)) == (4, 4, 3, 3)
    expected = np.ones(1, object)
    for factor, length in zip(reversed(form.factors), (3, 7, 25, 97), strict=True):
        expected = np.outer(np.asarray(factor).astype(object), expected).reshape(-1)[:length] % P
    assert np.array_equal(np.asarray(form.weights(F61, 97)).astype(object), expected)
    assert len(random_form(Shamir(F31, 3, 1), Stream.from_seed(SEED), "weights", 97).factors) == 1
