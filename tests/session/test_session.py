"""The round: what it opens, what it copies, and that it is the same on both fabrics."""

from __future__ import annotations

import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax import fabric, forwarding
from mpcjax.certificates import Bits, Norm, Range, Signs
from mpcjax.errors import Abort
from mpcjax.fields import F61
from mpcjax.forwarding import Forwarding
from mpcjax.phases import PHASES, encoded, starting
from mpcjax.planning import plan
from mpcjax.rules import RULES, Public
from mpcjax.runtime import Runtime
from mpcjax.secret import Secret
from mpcjax.session import run_round
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir

PEERS, LENGTH = 4, 6


def setup_of(rule: str) -> Setup:
    return Setup(Shamir(F61, 3, 1), RULES[rule](), PEERS, LENGTH)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_opened_labels_are_the_declared_ones(rule):
    assert set(plan(setup_of(rule)).opened) <= {"certificate", *RULES[rule].reveals}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_phases_are_booked_in_order(rule):
    phases = list(dict.fromkeys(entry.phase for entry in plan(setup_of(rule)).entries))
    assert phases == [name for name in ("offline", *PHASES) if name in phases]
    assert {"offline", "deal", "open"} <= set(phases)


@pytest.mark.long
@pytest.mark.parametrize("rule", ["rsa", "centered_clipping"])
def test_the_same_bits_on_both_fabrics(rule):
    setup, seed = setup_of(rule), jnp.arange(8, dtype=jnp.uint32)
    updates = jnp.asarray(np.random.default_rng(0).normal(size=(PEERS, LENGTH)).astype(np.float32))
    public = Public(jnp.ones(PEERS, jnp.float32), jnp.ones(PEERS, bool), jnp.zeros(LENGTH, jnp.float32))

    def program(own: fabric.Fabric):
        state, standing = run_round(setup, own, seed, updates, public)
        return np.asarray(state["value"]), bool(standing.ok), own.ledger.entries

    simulated = fabric.Simulated(3)
    state, standing = jax.jit(lambda: run_round(setup, simulated, seed, updates, public))()
    assert bool(standing.ok)
    for value, ok, entries in fabric.run(3, program):
        assert ok
        np.testing.assert_array_equal(value, np.asarray(state["value"]))
        assert tuple(entries) == plan(setup).entries


def test_unchanged_arrays_are_handed_on():
    @Forwarding
    def phase(state):
        return {"same": state["x"], "new": state["x"] + 1}

    x = jnp.arange(5)
    for _ in range(2):
        out = phase({"x": x})
        assert out["same"] is x
        np.testing.assert_array_equal(np.asarray(out["new"]), np.arange(1, 6))


def test_an_array_that_is_there_twice_is_an_argument_once(monkeypatch):
    monkeypatch.setattr(forwarding, "LARGE", 16)
    phase = Forwarding(lambda state, z: {"same": state["claim"], "new": state["x"] + state["claim"] + z})
    x, z, abstract = jnp.arange(5), jnp.ones(()), jax.ShapeDtypeStruct((5,), int)
    for both in ((x, x), (x, x + 1), (x, x)):
        out = phase(dict(zip(("x", "claim"), both, strict=True)), z)
        assert out["same"] is both[1]
        np.testing.assert_array_equal(np.asarray(out["new"]), np.asarray(both[0] + both[1] + 1))
    for shape, arguments in ((abstract, 2), (jax.ShapeDtypeStruct((5,), int), 3)):
        traced, _ = phase.trace({"x": abstract, "claim": shape}, z)
        assert len(traced.jaxpr.jaxpr.invars) == arguments


def test_a_program_compiled_in_the_background_is_the_one_that_runs():
    compilations = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, _, **__: compilations.append(event) if event.endswith("backend_compile_duration") else None
    )
    phase = Forwarding(lambda state: {"same": state["x"], "new": jnp.cumsum(state["x"])})
    x = {"x": jnp.asarray(np.arange(5))}
    compilations.clear()
    with ThreadPoolExecutor(1) as pool:
        shapes = phase.begin(pool, x)
    assert phase.begun and len(compilations) == 1 and shapes["new"].shape == (5,)
    result = phase(x)["new"]
    assert len(compilations) == 1 and np.asarray(result).tolist() == [0, 1, 3, 6, 10]


def test_a_failed_compilation_is_tried_again():
    class Refuses(Executor):
        def submit(self, function, /, *args, **kwargs):
            future = Future()
            future.set_exception(RuntimeError("out of memory"))
            return future

    phase, x = Forwarding(lambda x: x + 1), jnp.arange(3)
    phase.begin(Refuses(), x)
    for _ in range(2):
        assert np.asarray(phase(x)).tolist() == [1, 2, 3]


def test_arrays_bound_to_a_device_are_taken():
    x = jax.device_put(np.ones((PEERS, LENGTH), np.float32), jax.devices()[0])
    result = mpcjax.aggregate(x, "rsa", committee=mpcjax.simulate(parties=3), key=b"k" * 32)
    np.testing.assert_allclose(np.asarray(result.value), 0.07 * PEERS, rtol=1e-6)


def test_a_cheat_is_caught_and_the_round_repeated():
    cheat = mpcjax.attacks.Cheat(peers=tuple(range(PEERS)), round=0, phase="open")
    committee = mpcjax.simulate(parties=3, threshold=1, tamper=cheat)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(PEERS, LENGTH)).astype(np.float32))
    honest = mpcjax.aggregate(x, "rsa", committee=mpcjax.simulate(parties=3, threshold=1), key=b"k" * 32)
    result = mpcjax.aggregate(x, "rsa", committee=committee, key=b"k" * 32)
    np.testing.assert_array_equal(np.asarray(result.value), np.asarray(honest.value))
    assert len(result.report.failed) == 1 and committee.history == list(result.report.failed)


@pytest.mark.parametrize(
    ("parties", "phase"), [(3, "open"), (5, "offline"), pytest.param(4, "offline", marks=pytest.mark.long)]
)
def test_giving_up_is_an_abort_that_names_the_check(parties: int, phase: str):
    peers = max(PEERS, parties)
    cheat = mpcjax.attacks.Cheat(peers=tuple(range(peers)), phase=phase, attempts=9)
    committee = mpcjax.simulate(parties=parties, tamper=cheat, attempts=2)
    with pytest.raises(Abort, match="2 committees in a row") as raised:
        mpcjax.aggregate(jnp.ones((peers, LENGTH)), "rsa", committee=committee)
    assert raised.value.phase == phase, "nothing goes on after it"
    assert len(committee.history) == 2


def test_inside_jit_a_cheat_leaves_nan():
    committee = mpcjax.simulate(parties=3, threshold=1, tamper=mpcjax.attacks.Cheat(peers=(0,), phase="open"))

    @jax.jit
    def step(x, key):
        result = mpcjax.aggregate(x, "rsa", committee=committee, key=key)
        return result.value, result.report.verified

    value, verified = step(jnp.ones((PEERS, LENGTH)), jnp.arange(8, dtype=jnp.uint32))
    assert not bool(verified) and np.isnan(np.asarray(value)).all()


@pytest.mark.parametrize(
    "certificate",
    [Norm(1.0, PEERS), Signs(), *(pytest.param(one, marks=pytest.mark.long) for one in (Range(1.0, 8), Bits()))],
    ids=lambda c: c.name,
)
def test_an_honest_peer_that_would_fail_withdraws_and_shows_nothing(certificate):
    """Whatever it holds, what is opened about it is the same; it is left out all the same."""

    class Sum(mpcjax.Rule):
        name = "sum"
        __hash__ = object.__hash__

        def certificate(self, peers):
            return certificate

        def combine(self, messages, public):
            return messages.sum(axis=0)

    setup, opened = Setup(Shamir(F61, 3, 1), Sum(), PEERS, LENGTH), []

    def listen(message, x):
        if message.phase == "verify certificates" and message.label.startswith("certificate"):
            opened.append(setup.scheme.reconstruct(x))
        return x

    @jax.jit
    def judged(updates):
        own = fabric.Simulated(3, listen)
        state, standing = run_round(setup, own, jnp.arange(8, dtype=jnp.uint32), updates, Public.of(PEERS, LENGTH))
        return opened.pop(), state["accepted"], standing.ok, state["value"]

    seen = []
    for size in (5.0, 3e9):
        updates = jnp.where(jnp.arange(PEERS)[:, None] == 2, size, jnp.where(jnp.arange(LENGTH) == 0, 1.0, 0.0))
        updates = jnp.ones((PEERS, LENGTH)).at[2].set(size) if certificate.name in ("signs", "bits") else updates * 0.9
        shown, accepted, ok, _ = judged(updates.astype(jnp.float32))
        assert bool(ok) and np.asarray(accepted).tolist() == [True, True, False, True]
        seen.append(np.asarray(shown))
    np.testing.assert_array_equal(seen[0], seen[1])


class Loud(mpcjax.rules.FLTrust):
    """Of an update that begins with 1 the message fails: it is as long as nothing that is trusted."""

    def local(self, update, peer, public):
        own = super().local(update, peer, public)
        return jnp.where(update[0] == 1, update.sum(), own)


@pytest.mark.parametrize("rule", [mpcjax.rules.mean(limit=1.0), Loud()], ids=lambda rule: rule.certificate(3).name)
def test_who_withdraws_deals_what_belongs_to_a_message_of_zeros(rule):
    """Sums over the message that it keeps back would tell its length, or its trust score, in the helpers beside the zeros."""
    setup = Setup(Shamir(F61, 3, 1), rule, PEERS, LENGTH)
    reference = jnp.ones(LENGTH, jnp.float32) if "reference" in rule.needs else None
    public = Public.of(PEERS, LENGTH, reference=reference)
    updates = jnp.full((PEERS, LENGTH), 0.25, jnp.float32).at[2].set(jnp.arange(1, LENGTH + 1, dtype=jnp.float32))
    integers, own = jax.jit(encoded, static_argnums=0)(setup, starting(updates, public))
    certificate = setup.certificate.given(public, setup.bits)
    found = certificate.helpers(F61, integers, setup.bits, own["sums"])
    expected = certificate.helpers(F61, integers, setup.bits)
    assert own["fits"].tolist() == [True, True, False, True]
    assert len(own["sums"]) and not any(int(one[2]) for one in own["sums"])
    np.testing.assert_array_equal(found, expected)
    assert not np.any(integers[2]) and np.any(np.asarray(found)[2] != np.asarray(found)[0])


def test_the_bound_of_a_projection_is_what_the_certificate_lets_through():
    """With few fractional bits a message may be longer than 1: FLTrust must not count on 1."""
    bits, length = 3, 1000
    rule, seen = mpcjax.rules.fltrust().of_means(), []
    bound = rule.certificate(PEERS).bound(bits, length)

    def projected(messages, direction, *, bits, bound):
        seen.append(bound)
        raise StopIteration

    rt = Runtime(Shamir(F61, 3, 1), fabric.Simulated(3), None, None)
    messages = Secret(rt, F61.zeros((3, PEERS, length)), bits, bound)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StopIteration):
        patch.setattr(sys.modules["mpcjax.rules.fltrust"], "project", projected)
        rule.combine(messages, Public.of(PEERS, length, reference=jnp.ones(length)))
    assert seen[0] >= bound / 2**bits > 2


class PlainSum(mpcjax.Rule):
    """The obvious rule, which does not look at who is accepted."""

    name = "sum"
    __hash__ = object.__hash__

    def certificate(self, peers):
        return Signs()

    def local(self, update, peer, public):
        return jnp.where(update < 0, -1.0, 1.0)

    def combine(self, messages, public):
        return messages.sum(axis=0)


def test_a_rejected_message_reaches_no_rule():
    """A peer deals 1001 where a sign is due; a rule that forgets to leave it out gets zeros."""

    class Lie:
        def arrays(self, members, round, attempt):
            return np.zeros(1)

        def hook(self, field, arrays):
            def tamper(message, x):
                chosen = message.kind == "peers" and message.label.startswith("message")
                return x.at[:, 2].set(field.add(x[:, 2], 1000)) if chosen else x

            return tamper

    committee = mpcjax.simulate(parties=3, threshold=1, tamper=Lie())
    result = mpcjax.aggregate(jnp.ones((PEERS, LENGTH)), PlainSum(), committee=committee)
    assert set(result.report.excluded) == {2}
    np.testing.assert_array_equal(np.asarray(result.value), PEERS - 1)


@pytest.mark.parametrize("part", ["local", "finish"])
def test_a_wrong_shape_is_refused_before_the_round(part):
    wrong = type("Wrong", (PlainSum,), {part: lambda self, x, *rest: x[:-1], "__hash__": object.__hash__})()
    with pytest.raises(ValueError, match=rf"'sum': {part} returned shape \(5,\), legal is \(6,\)"):
        plan(Setup(Shamir(F61, 3, 1), wrong, PEERS, LENGTH))


def test_fewer_fractional_bits_keep_the_range():
    certificate = Range(1.0, 12)
    for bits in (certificate.fraction_bits(F61, LENGTH, PEERS), 5):
        inside, outside = (1 << bits) - 1, 1 << bits
        messages = jnp.asarray([[inside, -outside], [outside, 0]], jnp.int32)
        assert certificate.holds(F61, messages, bits).tolist() == [True, False]
        assert certificate.helpers(F61, messages, bits).shape[-1] == 2 * (bits + 1)
