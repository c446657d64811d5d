"""Weighted rules in groups of peers: the value is that of one group, the shares of all passes are the same, lies are caught."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax import passes, simulator
from mpcjax.certificates import Certificate, Dealt, Equation, Norm
from mpcjax.errors import BoundError
from mpcjax.fabric import Simulated
from mpcjax.fields import F61
from mpcjax.forwarding import Forwarding
from mpcjax.planning import plan
from mpcjax.prg import Stream
from mpcjax.rules import RULES, Public, Rule
from mpcjax.runtime import Runtime
from mpcjax.session import run_offline
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir
from mpcjax.standing import Standing, run_phase
from mpcjax.weighing import AGAIN, PROJECT, SCORED, SUM

PEERS, LENGTH, GROUP = 7, 6, 3  # groups of 3, 3 and 1: the last is filled up
KEY = np.arange(8, dtype=np.uint32)
OF_MEANS = RULES["fltrust"]().of_means()  # what is weighed by the committee


@dataclasses.dataclass(frozen=True)
class Fourth(Rule):
    """Every message times the fourth power of its norm: products in both of its parts, and little to compile."""

    name = "fourth"
    factor: int = 1

    def certificate(self, peers: int) -> Certificate:
        return Norm(2.0, peers)

    def score(self, messages: Any, public: Public) -> Any:
        return (messages * messages).sum(1)

    def weigh(self, scores: Any, public: Public) -> Any:
        return scores * scores * self.factor


class Anything(Certificate):
    """Accepts every message, of whole numbers."""

    def fraction_bits(self, field: Any, length: int, peers: int) -> int:
        return 0

    def bound(self, bits: int, length: int) -> int:
        return 16

    def equations(self, rt: Runtime, agreed: Any, second: Stream, dealt: Dealt) -> list[Equation]:
        return [Equation(rt.field.zeros(()))]


@dataclasses.dataclass(frozen=True)
class Trusting(Fourth):
    name = "trusting"

    def certificate(self, peers: int) -> Certificate:
        return Anything()


def updates() -> np.ndarray:
    """One peer's update is not finite, another's longer than the certificate allows."""
    x = np.random.default_rng(0).normal(size=(PEERS, LENGTH)).astype(np.float32) / 2
    x[4, 2], x[1] = np.nan, 5.0
    return x


def rounded(rule: Any, group: int | None, x: np.ndarray, tamper: Any = None, **more: Any) -> Any:
    more = {"fraction_bits": 4} | more if isinstance(rule, Fourth) else {"reference": np.ones(LENGTH, np.float32)}
    committee = mpcjax.simulate(3, group=group, tamper=tamper)
    return mpcjax.aggregate(jnp.asarray(x), rule, committee=committee, key=KEY, **more)


@pytest.mark.parametrize("rule", [Fourth(), pytest.param(OF_MEANS, marks=pytest.mark.long)], ids=["fourth", "fltrust"])
def test_the_same_bits_as_all_at_once(rule):
    together, apart = (rounded(rule, group, updates()) for group in (None, GROUP))
    np.testing.assert_array_equal(np.asarray(together.value), np.asarray(apart.value))
    assert np.any(np.asarray(apart.value) != 0)
    for part in ("verified", "accepted", "finite", "well_dealt", "certified"):
        np.testing.assert_array_equal(
            np.asarray(getattr(together.report, part)), np.asarray(getattr(apart.report, part))
        )
    assert set(apart.report.excluded) == ({4} if rule is OF_MEANS else {1, 4})
    assert apart.report.cost.fraction_bits == together.report.cost.fraction_bits
    assert apart.report.upload_bytes == together.report.upload_bytes  # every peer deals once
    sums = [one.report.cost.phases for one in (together, apart)]
    assert sums[0]["combine"]["rounds"] < sum(sums[1][name]["rounds"] for name in ("weigh", "reduce")) + 10


@pytest.mark.parametrize("rule", [Fourth(), OF_MEANS], ids=["fourth", "fltrust"])
def test_the_plain_form_is_the_sum_by_the_weights(rule):
    x = np.nan_to_num(updates())
    public = Public.of(PEERS, LENGTH, reference=jnp.ones(LENGTH))
    weights = rule.weigh(rule.score(jnp.asarray(x), public), public)
    np.testing.assert_allclose(rule.combine(jnp.asarray(x), public), np.asarray(weights) @ x, rtol=1e-5)
    assert rule.weighted and not rule.additive


def test_the_plan_is_what_the_passes_send(one_lane):
    setup = Setup(Shamir(F61, 3, 1), Fourth(), PEERS, LENGTH, 4, groups=3)
    fabric, walked = Simulated(3), []

    def walk(programs: Any, seed: Any, state: Any, scratch: Any = None) -> Any:
        own, names = programs
        walked.append(names)

        def run() -> Any:
            stocks, standing = run_offline(own, fabric, seed, names)
            found = state
            for name, stock in zip(names, stocks, strict=True):
                found, standing = run_phase(name, own, fabric, seed, stock, found, standing)
            return found

        zeros = jax.tree_util.tree_map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(run))
        return zeros, Standing(jnp.array(True), {}, jnp.zeros(3, bool))

    public = Public.of(PEERS, LENGTH)
    updates = jnp.zeros((PEERS, LENGTH), jnp.float32)
    passes.in_passes(setup, lambda *what: what, walk, jnp.asarray(KEY), updates, public, lambda: None, lambda *_: None)
    sent = [(entry.phase, entry.label, entry.rounds, entry.sent) for entry in fabric.ledger.entries]
    planned = plan(setup).entries
    assert sent == [(entry.phase, entry.label, entry.rounds, entry.sent) for entry in planned]
    assert sum(entry.uploaded for entry in planned) == sum(entry.uploaded for entry in plan(setup.part, SCORED).entries)
    # every pass begins with the group that is still there
    assert [names for names in walked if names in (AGAIN, SUM, PROJECT)] == [
        *(SUM, AGAIN, SUM, AGAIN, SUM),
        *(PROJECT, AGAIN, PROJECT, AGAIN, PROJECT),
    ]


PLACES = (  # offline three parties send nothing but keys
    ("deal", ""), ("verify certificates", ""), ("score", "multiply"), ("weigh", "multiply"),
    ("reduce", "combination"), ("reduce", "coin"), ("verify", ""), ("open", ""),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Lie:
    """The first seat adds 1 to all it sends at one of `PLACES`, in the first attempt. All are equal: compiled once."""

    place: tuple[str, str] = dataclasses.field(compare=False)

    def arrays(self, members: tuple[int, ...], round: int | None, attempt: int) -> Any:
        return np.array([attempt == 0 and place == self.place for place in PLACES])

    def hook(self, field: Any, arrays: Any) -> Any:
        def tamper(message: Any, x: Any) -> Any:
            for k, (phase, label) in enumerate(PLACES):
                here = message.phase == phase and message.label.startswith(label) and message.kind != "peers"
                if here and x.dtype == field.dtype:
                    x = x.at[0].set(jnp.where(arrays[k], field.add(x[0], field.ones(())), x[0]))
            return x

        return tamper


@pytest.mark.parametrize("place", PLACES, ids="-".join)
def test_a_lie_in_any_phase_is_caught_and_the_round_repeated(place):
    result = rounded(Fourth(), GROUP, updates(), Lie(place))
    np.testing.assert_array_equal(np.asarray(result.value), np.asarray(rounded(Fourth(), GROUP, updates()).value))
    assert len(result.report.failed) == 1 and bool(result.report.verified)
    if place[1] in ("multiply", "combination"):
        assert result.report.failed[0][1] == "product"


@pytest.mark.parametrize(
    ("place", "phase"), [(("score", "multiply"), "verify"), (("weigh", "multiply"), "verify"), (("reduce", "coin"), "reduce")]
)  # fmt: skip
def test_nothing_follows_a_failed_check(place, phase, one_lane, monkeypatch):
    walked, walk = [], simulator._walk

    def watched(arrays, seconds, programs, *rest):
        walked.append(tuple(programs)[1:])
        return walk(arrays, seconds, programs, *rest)

    monkeypatch.setattr(simulator, "_walk", watched)
    committee = mpcjax.simulate(3, group=GROUP, tamper=Lie(place), attempts=1)
    with pytest.raises(mpcjax.Abort) as caught:
        mpcjax.aggregate(jnp.asarray(updates()), Fourth(), committee=committee, key=KEY, fraction_bits=4)
    assert caught.value.phase == phase
    if place[0] == "score":
        assert walked == [SCORED]
    elif place[0] == "reduce":
        assert PROJECT not in walked and walked[-1] == ("reduce",)


@dataclasses.dataclass(frozen=True)
class Bent:
    """Adds 1 to the first number that the first peer of a group deals: to one member's share, or to all of them."""

    members: int

    def arrays(self, members: tuple[int, ...], round: int | None, attempt: int) -> Any:
        return np.array(True)

    def hook(self, field: Any, on: Any) -> Any:
        def tamper(message: Any, x: Any) -> Any:
            if (message.phase, message.kind, message.label) != ("deal", "peers", "message"):
                return x
            first = x[: self.members, 0, 0]
            return x.at[: self.members, 0, 0].set(jnp.where(on, field.add(first, field.ones(())), first))

        return tamper


def only_in_group(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switches `Bent` on in one group of a round, in all of its passes."""
    walk, seeds = simulator._walk, []

    def switched(arrays, seconds, programs, seed, state, scratch=None):
        key = np.asarray(seed).tobytes()
        if key not in seeds:
            seeds.append(key)
        return walk(arrays & np.array(seeds.index(key) == number), seconds, programs, seed, state, scratch)

    monkeypatch.setattr(simulator, "_walk", switched)


@pytest.mark.long
@pytest.mark.parametrize("number", [0, *(pytest.param(k, marks=pytest.mark.long) for k in (1, 2))])
def test_a_bad_dealing_leaves_its_peer_out_of_all_passes(number, one_lane, monkeypatch):
    absent = updates()
    absent[number * GROUP] = np.nan
    expected = rounded(Fourth(), None, absent)
    only_in_group(number, monkeypatch)
    result = rounded(Fourth(), GROUP, updates(), Bent(1))
    assert set(result.report.excluded) == {1, 4, number * GROUP} and not bool(result.report.well_dealt[number * GROUP])
    assert not result.report.failed
    np.testing.assert_array_equal(np.asarray(result.value), np.asarray(expected.value))


@pytest.mark.long
def test_what_was_dealt_is_what_counts_in_all_passes():
    """A proper dealing of another message: where a pass took what the peer meant, nothing would verify."""
    x = np.random.default_rng(1).integers(-3, 4, (PEERS, LENGTH)).astype(np.float32)
    result = rounded(Trusting(), GROUP, x, Bent(3), fraction_bits=0)
    assert bool(jnp.all(result.report.accepted)) and not result.report.failed
    x[::GROUP, 0] += 1
    np.testing.assert_array_equal(np.asarray(result.value), (x**2).sum(1) ** 2 @ x)


@pytest.mark.parametrize("tamper", [None, Bent(1), Bent(3)], ids=["honest", "bad", "other"])
def test_the_shares_computed_anew_are_those_of_the_first_pass(tamper, one_lane, monkeypatch):
    kept, anew, walk = {}, {}, simulator._walk

    def recorded(arrays, seconds, programs, seed, state, scratch=None):
        state, standing = walk(arrays, seconds, programs, seed, state, scratch)
        key = np.asarray(seed).tobytes()
        if "deal" in programs:
            kept[key] = np.array(state["message"]), np.asarray(state["public"].accepted)
        if "deal again" in programs:
            anew.setdefault(key, []).append(np.array(state["message"]))
        return state, standing

    monkeypatch.setattr(simulator, "_walk", recorded)
    rounded(Fourth(), GROUP, updates(), tamper)
    first, middle, last = ([*anew.get(key, [])] for key in kept)
    assert [len(first), len(middle), len(last)] == [1, 2, 1]
    for key, again in anew.items():
        shares, accepted = kept[key]
        for one in again:
            np.testing.assert_array_equal(one[:, accepted], shares[:, accepted])
            np.testing.assert_array_equal(one, again[0])
            assert np.any(one)


def test_the_sum_over_groups_is_refused_where_it_could_overflow():
    for group in (None, GROUP):
        committee = mpcjax.simulate(3, group=group)
        with pytest.raises(BoundError, match=r"weighted sum over groups|matrix product"):
            mpcjax.estimate(Fourth(1 << 45), LENGTH, peers=PEERS, committee=committee)
        with pytest.raises(ValueError, match=r"fraction_bits=4: legal are whole numbers from 0 to 3 "):
            mpcjax.estimate(Fourth(1 << 28), LENGTH, peers=PEERS, committee=committee, fraction_bits=4)
        assert mpcjax.estimate(Fourth(1 << 20), LENGTH, peers=PEERS, committee=committee, fraction_bits=4).rounds


def test_when_groups_are_used():
    committee, rule = mpcjax.simulate(5), OF_MEANS
    assert [committee.groups(peers, 1_000_000, rule) for peers in (52, 53, 100, 500)] == [1, 5, 10, 39]
    assert committee.groups(100, 1_000_000, RULES["krum"]()) == 1
    assert committee.groups(50, 1_000_000, RULES["rsa"]()) == 4
    assert mpcjax.simulate(7, threshold=2, group=GROUP).groups(500, 1_000_000, rule) == 1  # robust
    assert mpcjax.simulate(5, group=GROUP).groups(PEERS, LENGTH, rule) == 3


@dataclasses.dataclass(frozen=True)
class Wrong(Fourth):
    """A score for every coordinate."""

    def score(self, messages: Any, public: Public) -> Any:
        return messages


def test_a_score_or_weights_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="score returned"):
        mpcjax.estimate(Wrong(), LENGTH, peers=PEERS, committee=mpcjax.simulate(3, group=GROUP), fraction_bits=4)


class Misshapen(Fourth):
    """What is wrong with it shows when all groups are through."""

    def finish(self, combined: Any, public: Public) -> Any:
        return combined[:-1]


def test_what_cannot_be_traced_is_refused_before_any_group_deals(monkeypatch):
    ran: list[Forwarding] = []
    monkeypatch.setattr(Forwarding, "__call__", lambda self, *_: ran.append(self))
    with pytest.raises(ValueError, match="finish returned"):
        rounded(Misshapen(), GROUP, updates())
    assert not ran


def test_a_rule_needs_combine_or_both_parts():
    @dataclasses.dataclass(frozen=True)
    class Half(Rule):
        name = "half"

        def certificate(self, peers: int) -> Certificate:
            return Anything()

        def score(self, messages: Any, public: Public) -> Any:
            return messages.sum(1)

    with pytest.raises(TypeError, match="Half says not how to combine messages: define combine, or score and weigh"):
        Half()
