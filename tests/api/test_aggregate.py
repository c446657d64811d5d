"""The contract of `mpcjax.aggregate`, over every rule."""

from __future__ import annotations

import functools

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax.rules import GramRule, OrderRule
from tests.api._reference import REFERENCES

PEERS, LENGTH = 8, 30
COMMITTEE = mpcjax.simulate(parties=3, threshold=1)
KEY = np.arange(8, dtype=np.uint32)
# Others that compute on inner products take long to compile: end to end they are in tests/rules.
ALL = [
    name
    for name, rule in sorted(mpcjax.rules.RULES.items())
    if name == "multi_krum" or not issubclass(rule, (GramRule, OrderRule))
]
LESS = [pytest.param(rule, marks=pytest.mark.long if rule == "multi_krum" else ()) for rule in ALL]


def updates(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.1, size=(PEERS, LENGTH)).astype(np.float32)


def extras(rule: str, x: np.ndarray) -> dict:
    return {"reference": x[: PEERS // 2].mean(0)} if rule == "fltrust" else {}


def as_tree(x: np.ndarray) -> dict:
    lead = x.shape[:-1]
    return {"dense": {"kernel": jnp.asarray(x[..., :24].reshape(*lead, 4, 6)), "bias": jnp.asarray(x[..., 24:])}}


def flat(tree: dict) -> np.ndarray:
    return np.concatenate([np.asarray(tree["dense"]["kernel"]).ravel(), np.asarray(tree["dense"]["bias"])])


def tolerance(rule: str, bits: int, x: np.ndarray) -> float:
    """The error that the rule's docstring states, and float32 rounding of the result."""
    rounding = 2.0**-22 * np.abs(x).max()
    if rule in ("rsa", "sign_majority"):
        return rounding
    if rule == "fltrust":
        return float(np.linalg.norm(x.mean(0)) * (2.0**-bits + PEERS * 2.0**-20)) * 4 + rounding
    return 2.0 ** -(bits + 1) + rounding


@pytest.mark.parametrize("rule", LESS)
def test_equals_the_independent_reference(rule):
    x = updates()
    result = mpcjax.aggregate(
        as_tree(x), rule, committee=COMMITTEE, key=KEY, **{k: as_tree(v) for k, v in extras(rule, x).items()}
    )
    expected = REFERENCES[rule](x.astype(np.float64), **extras(rule, x))
    assert bool(result.report.verified) and result.report.excluded == {}
    assert jax.tree.structure(result.value) == jax.tree.structure(as_tree(x))
    np.testing.assert_allclose(
        flat(result.value), expected, rtol=0, atol=tolerance(rule, result.report.cost.fraction_bits, x)
    )


@pytest.mark.parametrize("rule", LESS)
def test_a_bad_peer_is_left_out_and_named(rule):
    x = updates(1)
    good = np.delete(x, [2, 5], axis=0)
    bad = x.copy()
    bad[2, 7], bad[5, 0] = np.nan, np.inf
    extra = extras(rule, x)
    result = mpcjax.aggregate(jnp.asarray(bad), rule, committee=COMMITTEE, key=KEY, **extra)
    assert set(result.report.excluded) == {2, 5} and "not finite" in result.report.excluded[2]
    # RSA's ties need the peers' own numbers, but no tie occurs in random data
    expected = REFERENCES[rule](good.astype(np.float64), **extra)
    np.testing.assert_allclose(
        np.asarray(result.value), expected, rtol=0, atol=tolerance(rule, result.report.cost.fraction_bits, x)
    )


@pytest.mark.parametrize(
    "rule", ["rsa", *(pytest.param(rule, marks=pytest.mark.long) for rule in ("centered_clipping", "fltrust"))]
)
def test_inside_jit_and_scan_it_gives_the_same(rule):
    x = jnp.asarray(updates(2))
    extra = extras(rule, updates(2))
    eager = mpcjax.aggregate(x, rule, committee=COMMITTEE, key=KEY, round=3, **extra)

    @jax.jit
    def step(x, key):
        result = mpcjax.aggregate(x, rule, committee=COMMITTEE, key=key, round=3, **extra)
        return result.value, result.report.verified

    value, verified = step(x, jnp.asarray(KEY))
    assert bool(verified) and value.dtype == jnp.float32
    # what `local` computes in float32 may round its last bits otherwise in another program; FLTrust's messages are long sums
    last_bits = 1e-7 if rule == "fltrust" else 0
    np.testing.assert_allclose(np.asarray(value), np.asarray(eager.value), rtol=0, atol=last_bits)

    def body(carry, i):
        result = mpcjax.aggregate(x + carry, rule, committee=COMMITTEE, key=KEY, round=i, **extra)
        return result.value, result.report.verified

    last, fine = jax.lax.scan(body, jnp.zeros(LENGTH), jnp.arange(3))
    assert bool(fine.all()) and np.isfinite(np.asarray(last)).all()
    assert not jax.config.jax_enable_x64


@pytest.mark.parametrize("rule", LESS)
def test_inside_jit_no_array_of_int64_is_a_constant(rule):
    """JAX 0.7 cuts such constants to 32 bits where 64-bit types are off, as in a user's program: the scan above fails."""
    x, extra = jnp.asarray(updates()), extras(rule, updates())
    program = jax.make_jaxpr(lambda x: mpcjax.aggregate(x, rule, committee=COMMITTEE, key=KEY, **extra).value)(x)
    assert [(c.shape, c.dtype) for c in constants(program) if c.ndim and c.dtype == np.int64] == []


def constants(program):
    """Of a closed jaxpr and all those within it."""
    found = list(program.consts)
    for eqn in program.jaxpr.eqns:
        for value in jax.tree.leaves(eqn.params, is_leaf=lambda v: isinstance(v, jax.extend.core.ClosedJaxpr)):
            found += constants(value) if isinstance(value, jax.extend.core.ClosedJaxpr) else []
    return found


@pytest.mark.parametrize("argument", ["weights", "center", "reference"])
def test_public_arguments_may_be_arrays_that_a_jit_closes_over(argument):
    x = jnp.asarray(updates(2))
    known = {argument: jnp.abs(x[:, 0]) if argument == "weights" else x[0]}
    rule = {"weights": "mean", "center": "rsa", "reference": "fltrust"}[argument]
    aggregate = functools.partial(mpcjax.aggregate, rule=rule, committee=COMMITTEE, key=KEY)
    assert jax.eval_shape(lambda x: aggregate(x, **known).value, x).shape == x.shape[1:]
    bad = {argument: known[argument].at[1].set(jnp.nan)}
    with pytest.raises(ValueError, match=argument):
        jax.eval_shape(lambda x: aggregate(x, **bad).value, x)


def test_a_program_that_takes_a_report_is_compiled_once():
    traced = []

    @jax.jit
    def use(report):
        traced.append(report)
        return report.verified

    for seed in (1, 2):
        assert use(mpcjax.aggregate(jnp.asarray(updates(seed)), "rsa", committee=COMMITTEE).report)
    assert len(traced) == 1


@pytest.mark.long
def test_a_corrected_liar_is_named_and_the_committee_goes_on():
    """All peers sit on the robust committee: who lied once must sit again, and is corrected again."""
    cheat = mpcjax.attacks.Cheat(peers=(1,), phase="open")
    committee = mpcjax.simulate(parties=4, threshold=1, tamper=cheat)
    for round in (0, 1):
        result = mpcjax.aggregate(jnp.ones((4, 3)), "rsa", committee=committee, key=KEY, round=round)
        np.testing.assert_allclose(np.asarray(result.value), 0.07 * 4)
        assert bool(result.report.verified) and result.report.liars == (1,)
        assert "peer 1 sent wrong shares" in str(result.report)


def test_weights():
    x, w = updates(3), np.array([1, 2, 0, 4, 1, 1, 1, 1], np.float32)
    result = mpcjax.aggregate(jnp.asarray(x), "mean", committee=COMMITTEE, weights=w)
    np.testing.assert_allclose(np.asarray(result.value), REFERENCES["mean"](x.astype(np.float64), w), rtol=0, atol=1e-5)


def test_a_longer_update_than_the_bound_is_left_out():
    x = updates(4)
    x[3] *= 1e4
    result = mpcjax.aggregate(jnp.asarray(x), mpcjax.rules.mean(limit=5.0), committee=COMMITTEE)
    assert set(result.report.excluded) == {3} and "certificate" in result.report.excluded[3]
    np.testing.assert_allclose(
        np.asarray(result.value), REFERENCES["mean"](np.delete(x, 3, 0).astype(np.float64)), rtol=0, atol=1e-5
    )


def test_estimate_is_what_is_counted():
    x = jnp.asarray(updates(5))
    params = {"w": jnp.zeros((5, 6))}
    cost = mpcjax.estimate("rsa", params, peers=PEERS, committee=COMMITTEE)
    report = mpcjax.aggregate(x, "rsa", committee=COMMITTEE).report
    assert cost == report.cost and cost.rounds == report.rounds
    assert "votes per coordinate" in str(cost) and "rsa" in str(cost)


def unhashable() -> mpcjax.Rule:
    rule = mpcjax.rules.rsa()
    object.__setattr__(rule, "lam", np.ones(2))
    return rule


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(peers="8"), "peers='8'"),
        (dict(params=-1), "params=-1.*number of its parameters"),
        (dict(rates=3), "calibrate"),
    ],
)
def test_wrong_estimates_say_what_is_legal(arguments, message):
    given = dict(rule="mean", params=30, peers=PEERS, committee=COMMITTEE) | arguments
    with pytest.raises(ValueError, match=message):
        mpcjax.estimate(**given)


@pytest.mark.parametrize("params", [1e6, {"w": 3.0}])
def test_a_number_of_parameters_is_whole(params):
    with pytest.raises(ValueError, match=r"params.* is .*legal are arrays"):
        mpcjax.estimate("mean", params, peers=PEERS, committee=COMMITTEE)


WRONG = {
    "empty": (lambda: dict(updates={}), "empty pytree"),
    "integer leaf": (lambda: dict(updates={"w": jnp.ones((8, 2), jnp.int32)}), r"\['w'\].*int32.*float32"),
    "scalar leaf": (lambda: dict(updates={"w": jnp.float32(1)}), r"\['w'\].*leading axis"),
    "ragged": (
        lambda: dict(updates=[jnp.ones((8, 2)), jnp.ones((7, 2))]),
        r"\[1\].*7.*8.*one tree per peer.*jnp.stack",
    ),
    "a vector per peer": (lambda: dict(updates=[jnp.ones(30)] * 8), "30 peers with 8 parameters.*jnp.stack"),
    "no parameters": (lambda: dict(updates=jnp.ones((8, 0))), "no parameters"),
    "unknown rule": (lambda: dict(rule="median_of_means"), "centered_clipping"),
    "misspelt rule": (lambda: dict(rule="medain"), "did you mean 'median'"),
    "swapped": (lambda: dict(updates="mean", rule=jnp.ones((8, 30))), "the updates come first, then the rule"),
    "no committee": (lambda: dict(committee=None), "mpcjax.simulate"),
    "too few peers": (
        lambda: dict(updates=jnp.ones((4, 4)), committee=mpcjax.simulate(5)),
        "4 peers cannot fill a committee of 5",
    ),
    "no committee of two": (lambda: dict(updates=jnp.ones((2, 4))), "2 peers: at least 3"),
    "no peers": (lambda: dict(updates={"w": jnp.ones((0, 4))}), r"\['w'\] has no rows"),
    "needless weights": (lambda: dict(weights=np.ones(8)), "takes no weights=.*it takes center="),
    "needless center": (lambda: dict(rule="mean", center=jnp.ones(30)), "takes no center="),
    "center not finite": (lambda: dict(center=jnp.ones(30).at[7].set(jnp.inf)), r"center\[7\] is inf"),
    "class": (lambda: dict(rule=mpcjax.rules.rsa), r"call it.*RSA\(\)"),
    "unhashable rule": (lambda: dict(rule=unhashable()), "frozen=True"),
    "fractional round": (lambda: dict(round=1.5), r"round=1.5"),
    "negative round": (lambda: dict(round=-1), r"round=-1"),
    "round in words": (lambda: dict(round="1"), r"round='1'"),
    "true round": (lambda: dict(round=True), r"round=True"),
    "weights in words": (lambda: dict(rule="mean", weights="abc"), r"weights='abc': legal.*\(8,\)"),
    "weights shape": (lambda: dict(rule="mean", weights=np.ones(3)), r"legal is \(8,\)"),
    "negative weight": (lambda: dict(rule="mean", weights=-np.ones(8)), r"weights\[0\]=-1"),
    "zero weights": (lambda: dict(rule="mean", weights=np.zeros(8)), "all weights are zero"),
    "key of jax.random": (lambda: dict(key=jax.random.key(0)), "uint32"),
    "short key": (lambda: dict(key=b"secret"), "6 bytes"),
    "center shape": (lambda: dict(center=jnp.ones(3)), r"center has shape \(3,\).*\(30,\), which alone is legal"),
    "masked": (lambda: dict(updates=np.ma.masked_array(np.ones((8, 30), np.float32), True)), r"masked array.*filled"),
    "bytes the other way": (lambda: dict(updates=np.ones((8, 30), ">f4")), r"dtype >f4.*astype\('float32'\)"),
    "complex": (lambda: dict(updates=np.ones((8, 30), "c8")), "complex64: .*make real numbers of it"),
    "missing reference": (lambda: dict(rule="fltrust"), "reference="),
    "needless reference": (lambda: dict(rule="rsa", reference=jnp.ones(30)), "takes no reference"),
    "fraction bits": (lambda: dict(fraction_bits=99), "fraction_bits=99"),
    "norm bound": (lambda: dict(rule=mpcjax.rules.mean(limit=1e12)), "norm bound 1e"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_wrong_arguments_say_what_is_legal(case):
    change, message = WRONG[case]
    arguments = dict(updates=jnp.asarray(updates()), rule="centered_clipping", committee=COMMITTEE) | change()
    with pytest.raises(ValueError, match=message):
        mpcjax.aggregate(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(parties=4, threshold=2), "honest majority"),
        (dict(parties=1), "parties"),
        (dict(parties=2), "at least 3 members"),
        (dict(parties=5, threshold=-1), "threshold=-1"),
        (dict(parties=5, threshold=0), "threshold=0: legal are 1 to 2.*every member would see"),
        (dict(parties=5.0), "parties=5.0"),
        (dict(parties=5, field=60), "legal Mersenne"),
        (dict(parties=9, field=3), "non-zero points"),
        (dict(parties=5, attempts=0), "attempts=0"),
        (dict(parties=5, attempts="3"), "attempts='3'"),
        (dict(parties=5, tamper="cheat"), "tamper='cheat': legal is.*Cheat"),
    ],
)
def test_wrong_committees_say_what_is_legal(arguments, message):
    with pytest.raises(ValueError, match=message):
        mpcjax.simulate(**arguments)


def test_there_is_no_derivative():
    """Through shares it would be zero, silently."""

    def total(x):
        return mpcjax.aggregate(x, "rsa", committee=COMMITTEE, key=np.arange(8, dtype=np.uint32)).value.sum()

    with pytest.raises(TypeError, match=r"has no derivative.*stop_gradient"):
        jax.grad(total)(jnp.asarray(updates()))
    assert not jax.grad(lambda x: total(jax.lax.stop_gradient(x)))(jnp.asarray(updates())).any()


def test_inside_jit_a_key_is_required():
    with pytest.raises(ValueError, match="inside jit"):
        jax.jit(lambda x: mpcjax.aggregate(x, "rsa", committee=COMMITTEE).value)(jnp.asarray(updates()))
