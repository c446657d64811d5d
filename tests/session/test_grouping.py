"""Peers in groups: the value, the verdicts on peers and the books are those of one group."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import threading
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax import simulator
from mpcjax._compat import x64
from mpcjax.certificates import Signs
from mpcjax.errors import BoundError, OrderError
from mpcjax.fabric import Entry, Simulated
from mpcjax.fields import F61
from mpcjax.lanes import Clock, side_by_side
from mpcjax.phases import GROUPED, Output, last_of, starting
from mpcjax.planning import plan
from mpcjax.protocols import open_output
from mpcjax.rules import RULES, Public
from mpcjax.session import run_offline
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir
from mpcjax.standing import Standing, joined, run_phase
from tests.session._squared import Squared

PEERS, LENGTH, GROUP = 7, 6, 3  # groups of 3, 3 and 1: the last is filled up
SLOW = ("adaptive_clipping", "bucketing", "minimum_diameter_averaging", "nearest_neighbour_mixing")  # to compile
KEY = np.arange(8, dtype=np.uint32)


def updates() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(PEERS, LENGTH)).astype(np.float32)


def extras(rule: str) -> dict:
    return {
        "mean": {"weights": np.arange(1.0, PEERS + 1)}, "fltrust": {"reference": np.ones(LENGTH, np.float32)}
    }.get(rule, {"center": updates()[0]})  # fmt: skip


@pytest.mark.parametrize(
    "rule", ["rsa", *(pytest.param(rule, marks=pytest.mark.long) for rule in ("mean", "fltrust", Squared()))], ids=str
)  # one for each certificate; the mean has weights, RSA counts peers, the others settle
def test_the_same_bits_as_all_at_once(rule):
    x = updates()
    x[4, 2] = np.nan
    together, apart = (
        mpcjax.aggregate(given, rule, committee=mpcjax.simulate(3, group=group), key=KEY, **extras(rule))
        for given, group in ((jnp.asarray(x), None), (x, GROUP))  # of an array of numpy's groups are read where it lies
    )
    np.testing.assert_array_equal(np.asarray(together.value), np.asarray(apart.value))
    for part in ("verified", "accepted", "finite", "well_dealt", "certified"):
        np.testing.assert_array_equal(
            np.asarray(getattr(together.report, part)), np.asarray(getattr(apart.report, part))
        )
    assert list(apart.report.excluded) == [4] and np.any(np.asarray(apart.value) != 0)
    assert apart.report.cost.fraction_bits == together.report.cost.fraction_bits
    once = 1.2 if rule == "fltrust" else 1.5  # what takes most rounds of it is done once
    assert once * together.report.rounds < apart.report.rounds < 2 * together.report.rounds  # three groups in two lanes
    assert apart.report.upload_bytes == together.report.upload_bytes  # every peer deals once
    assert apart.report.cost == mpcjax.estimate(rule, LENGTH, peers=PEERS, committee=mpcjax.simulate(3, group=GROUP))


class Reached(Exception):
    """With the updates as they are handed on."""


@pytest.mark.parametrize("group", [None, GROUP])
def test_in_groups_an_array_of_numpys_is_not_copied(group, monkeypatch):
    def reached(*given: Any) -> None:
        raise Reached(next(each for each in given if getattr(each, "shape", None) == (PEERS, LENGTH)))

    monkeypatch.setattr(simulator, "eager", reached)
    for x in (
        updates().reshape(PEERS, 2, 3),
        {"layer": updates()},
        updates().astype(np.float64),
        jnp.asarray(updates()),
    ):
        with pytest.raises(Reached) as raised:
            mpcjax.aggregate(
                x, "rsa", committee=mpcjax.simulate(3, group=group), center=jax.tree.map(lambda leaf: leaf[0], x)
            )
        (found,) = raised.value.args
        leaf = jax.tree.leaves(x)[0]
        lent = group is not None and isinstance(leaf, np.ndarray) and leaf.dtype == np.float32
        assert (isinstance(found, np.ndarray) and np.shares_memory(found, leaf)) == lent
        np.testing.assert_array_equal(found, updates())


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, marks=pytest.mark.long if rule in SLOW else ()) for rule in sorted(RULES)]
)
def test_an_additive_rule_is_the_sum_over_groups(rule):
    """And no rule is declared additive that is not; `center` and `reference` do not enter `combine` of those that are."""
    chosen, x = RULES[rule](), updates() / 10
    public = Public.of(PEERS, LENGTH, weights=jnp.arange(1.0, PEERS + 1) / PEERS, reference=jnp.asarray(x.mean(0)))
    x = np.stack([chosen.local(jnp.asarray(one), peer, public) for peer, one in enumerate(np.nan_to_num(x))])

    def combined(rows: slice) -> np.ndarray:
        part = Public(public.weights[rows], public.accepted[rows], public.center, public.reference)
        return np.asarray(chosen.combine(jnp.asarray(x[rows]), part))

    parts = sum(combined(slice(first, first + GROUP)) for first in range(0, PEERS, GROUP))
    assert np.allclose(parts, combined(slice(None)), atol=1e-5) == chosen.additive


@pytest.mark.parametrize("rule", [RULES["rsa"](), Squared()], ids=str)
def test_the_plan_is_what_the_groups_send(rule):
    whole = Setup(Shamir(F61, 3, 1), rule, PEERS, LENGTH, groups=3)
    part, seed, following = whole.part, jnp.arange(8, dtype=jnp.uint32), last_of(rule)

    def sent(names: tuple[str, ...]) -> tuple[Entry, ...]:
        own = Simulated(3)

        def run() -> None:
            stocks, standing = run_offline(part, own, seed, names)
            state = starting(jnp.zeros((part.peers, LENGTH), jnp.float32), Public.of(part.peers, LENGTH))
            if names == following:
                state |= {name: jnp.ones(PEERS, bool) for name in ("finite", "well", "certified")}
                state["output"] = Output(jnp.zeros((3, whole.summed_length), jnp.uint64), 0, PEERS)
            for name, stock in zip(names, stocks, strict=True):
                state, standing = run_phase(name, part, own, seed, stock, state, standing)

        jax.eval_shape(run)
        return tuple(own.ledger.entries)

    with x64():
        each, last, planned = sent(GROUPED), sent(following), plan(whole).entries
        beside = tuple(dataclasses.replace(entry, rounds=0) for entry in each)  # the second lane
        assert [(e.label, e.rounds, e.sent) for e in planned] == [
            (e.label, e.rounds, e.sent) for e in each * 2 + beside + last
        ]
        assert sum(entry.uploaded for entry in planned) == sum(entry.uploaded for entry in each)
        assert part.certificate == whole.certificate and part.bits == whole.bits


@pytest.mark.parametrize(
    ("rule", "phase"),
    [*(("rsa", phase) for phase in ("deal", "verify certificates", "open")),
     *((Squared(), phase) for phase in ("settle", "verify settled", "open"))],
    ids=str,
)  # fmt: skip
def test_a_cheat_in_any_group_is_caught_and_the_round_repeated(rule, phase):
    cheat = mpcjax.attacks.Cheat(peers=tuple(range(PEERS)), phase=phase)
    committee = mpcjax.simulate(3, tamper=cheat, group=GROUP)
    result = mpcjax.aggregate(jnp.asarray(updates()), rule, committee=committee, key=KEY)
    honest = mpcjax.aggregate(jnp.asarray(updates()), rule, committee=mpcjax.simulate(3), key=KEY)
    np.testing.assert_array_equal(np.asarray(result.value), np.asarray(honest.value))
    assert len(result.report.failed) == 1 and bool(result.report.verified)


def test_a_check_that_fails_in_one_group_stops_the_round(one_lane, monkeypatch):
    """Nothing of a later group is dealt, and no sum is opened."""
    walked = []
    walk = simulator._walk

    def second_fails(arrays, clock, programs, seed, state, scratch=None):
        walked.append(tuple(programs))
        state, standing = walk(arrays, clock, programs, seed, state, scratch)
        if len(walked) < 2:
            return state, standing
        clock.stop("verify")
        return state, Standing(jnp.array(False), {"king": jnp.array(False)}, standing.accused)

    monkeypatch.setattr(simulator, "_walk", second_fails)
    committee = mpcjax.simulate(3, group=GROUP, attempts=1)
    with pytest.raises(mpcjax.Abort, match="king") as caught:
        mpcjax.aggregate(jnp.asarray(updates()), "rsa", committee=committee, key=KEY)
    assert caught.value.phase == "verify"
    assert walked == [("offline", *GROUPED)] * 2


@pytest.mark.parametrize("raises", [False, True])
def test_what_fails_in_one_lane_stops_the_other(raises, monkeypatch):
    walked, failed, walk = [], threading.Event(), simulator._walk

    def first_fails(arrays, clock, programs, seed, state, scratch=None):
        walked.append(int(state["first"]))
        if walked[-1] != 0:
            failed.wait(300)
            return walk(arrays, clock, programs, seed, state, scratch)
        state, standing = walk(arrays, clock, programs, seed, state, scratch)
        failed.set()
        if raises:
            raise OSError("no memory")
        return state, Standing(jnp.array(False), {"king": jnp.array(False)}, standing.accused)

    monkeypatch.setattr(simulator, "_walk", first_fails)
    committee = mpcjax.simulate(3, group=1, attempts=1)
    with pytest.raises(OSError if raises else mpcjax.Abort, match="no memory" if raises else "king"):
        mpcjax.aggregate(jnp.asarray(updates()), "rsa", committee=committee, key=KEY)
    assert set(walked) <= {0, 1, 2, 3} and len(walked) <= 3, "at most what had begun when the first one failed"


def test_phases_that_overlap_share_the_time():
    clock, both = Clock(), threading.Barrier(2)

    def lane(phase):
        with clock.runs(phase):
            both.wait()
            time.sleep(0.05)
            both.wait()

    start = time.perf_counter()
    side_by_side(lane, ["deal", "combine"])
    assert sum(clock.seconds.values()) <= time.perf_counter() - start
    assert min(clock.seconds.values()) > 0.02


def test_the_settings_of_the_caller_hold_in_all_lanes():
    device = jax.devices()[0]
    with jax.default_device(device), x64():
        found = side_by_side(lambda _: (jax.config.jax_default_device, jnp.zeros(1, jnp.uint64).dtype), range(2))
    assert found == [(device, np.uint64)] * 2


def test_by_default_a_gigabyte_of_shares_at_a_time():
    committee = mpcjax.simulate(5)
    assert committee.groups(100, 1_000_000) == 10 and committee.groups(25, 1_000_000) == 1
    assert committee.groups(97, 1_000_000) == 8  # no even ones
    assert committee.groups(3, 10**9) == 3


@dataclasses.dataclass(frozen=True)
class Disturbed:
    """Adds 1 to what is sent in `phase` (of `kind`) where a traced switch is on: the first row, or a peer's first share."""

    phase: str
    kind: str = "broadcast"

    def arrays(self, members: tuple[int, ...], round: int | None, attempt: int) -> Any:
        return np.array(attempt == 0)

    def hook(self, field: Any, on: Any) -> Any:
        def tamper(message: Any, x: Any) -> Any:
            if (message.phase, message.kind) != (self.phase, self.kind) or x.dtype != field.dtype or not x.size:
                return x
            first = x[0] if self.kind == "broadcast" else x[0, 0]
            moved = jnp.where(on, field.add(first, field.ones(())), first)
            return x.at[0].set(moved) if self.kind == "broadcast" else x.at[0, 0].set(moved)

        return tamper


def only_in_group(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switches `Disturbed` on in one group of a round."""
    walk, walked = simulator._walk, []

    def switched(arrays, seconds, programs, seed, state, scratch=None):
        walked.append(0)
        return walk(arrays & np.array(len(walked) == number + 1), seconds, programs, seed, state, scratch)

    monkeypatch.setattr(simulator, "_walk", switched)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_bad_dealing_in_a_group_leaves_its_peer_out(number, one_lane, monkeypatch):
    only_in_group(number, monkeypatch)
    committee = mpcjax.simulate(3, tamper=Disturbed("deal", "peers"), group=GROUP)
    result = mpcjax.aggregate(jnp.asarray(updates()), "rsa", committee=committee, key=KEY)
    bad = number * GROUP
    assert set(result.report.excluded) == {bad} and not bool(result.report.well_dealt[bad])
    signs = np.sign(np.delete(updates(), bad, axis=0)).sum(0)
    np.testing.assert_allclose(np.asarray(result.value), 0.07 * signs, rtol=1e-6)


def test_a_lie_in_the_last_group_alone_is_caught(one_lane, monkeypatch):
    only_in_group(2, monkeypatch)
    committee = mpcjax.simulate(3, tamper=Disturbed("verify certificates"), group=GROUP)
    result = mpcjax.aggregate(jnp.asarray(updates()), "rsa", committee=committee, key=KEY)
    assert len(result.report.failed) == 1 and bool(result.report.verified)
    np.testing.assert_allclose(np.asarray(result.value), 0.07 * np.sign(updates()).sum(0), rtol=1e-6)


def test_what_groups_found_is_joined():
    """A check that failed, or a member that was accused, in any group stays so."""
    yes, no, nobody = jnp.array(True), jnp.array(False), jnp.zeros(3, bool)
    start = Standing(yes, {}, no)
    fine = Standing(yes, {"king": yes}, nobody)
    bad = Standing(no, {"king": no, "product": yes}, nobody.at[1].set(True))
    for order in itertools.permutations([fine, bad, fine]):
        found = functools.reduce(joined, order, start)
        checks = {name: bool(ok) for name, ok in found.checks.items()}
        assert not found.ok and checks == {"king": False, "product": True}
        assert found.accused.tolist() == [False, True, False]
    assert bool(functools.reduce(joined, [fine, fine], start).ok)


@dataclasses.dataclass(frozen=True)
class Scaled(mpcjax.rules.Rule):
    """The sum of signs, scaled by so much that a few of them reach p / 2."""

    name = "scaled"
    additive = True

    def certificate(self, peers: int) -> Signs:
        return Signs()

    def combine(self, messages: Any, public: Public) -> Any:
        return messages.sum(0) * (1 << 58)


def test_the_sum_over_groups_is_refused_where_it_could_overflow():
    for group in (None, 2):
        with pytest.raises(BoundError, match=r"sum over groups|product"):
            mpcjax.estimate(Scaled(), LENGTH, peers=4, committee=mpcjax.simulate(3, group=group))
    assert mpcjax.estimate(Scaled(), LENGTH, peers=3, committee=mpcjax.simulate(3)).rounds


@dataclasses.dataclass(frozen=True)
class Shuffled(Scaled):
    name = "shuffled"
    shuffles = True


def test_an_order_of_the_peers_is_one_of_all_of_them():
    committee = mpcjax.simulate(3, group=2)
    assert committee.groups(8, LENGTH, Scaled()) == 4 and committee.groups(8, LENGTH, Shuffled()) == 1


@pytest.mark.parametrize("group", [0, -1, 2.5, "3", True])
def test_a_group_that_is_no_number_of_peers(group):
    with pytest.raises(ValueError, match="group="):
        mpcjax.simulate(3, group=group)


@dataclasses.dataclass(frozen=True)
class Weighed(mpcjax.rules.Rule):
    name = "weighed"

    def certificate(self, peers: int) -> Signs:
        return Signs()

    def score(self, messages: Any, public: Public) -> Any:
        return messages[:, 0]

    def weigh(self, scores: Any, public: Public) -> Any:
        return scores

    def settle(self, total: Any, public: Public) -> Any:
        return total * 2


def test_what_is_settled_and_no_sum_is_not_cut_into_groups():
    """A weighted rule opens its sum as it is made: in groups its `settle` would not be done."""
    assert mpcjax.simulate(3, group=2).groups(8, LENGTH, Weighed()) == 1


WRONGLY: dict[str, Any] = {
    "short": (lambda total: total[:2], r"settle returned \(2,\), it must return a Secret of shape \(6,\)"),
    "plain": (lambda total: jnp.zeros(LENGTH), "settle returned .*, it must return a Secret"),
    "opens": (lambda total: open_output(total.rt, total.shares, "sum"), "would open within rule 'squared': settle"),
    "too large": (lambda total: total * (1 << 58), "settle on secrets.*the field of 61 bits"),
}


@pytest.mark.parametrize("group", [None, GROUP])
@pytest.mark.parametrize("case", WRONGLY)
def test_what_settle_may_not_do_is_refused(case, group, monkeypatch):
    wrong, message = WRONGLY[case]
    monkeypatch.setattr(Squared, "settle", lambda self, total, public: wrong(total))
    with pytest.raises((ValueError, BoundError, OrderError), match=message):
        mpcjax.estimate(Squared(), LENGTH, peers=PEERS + len(WRONGLY), committee=mpcjax.simulate(3, group=group))


@pytest.mark.parametrize("mixed", [mpcjax.rules.bucketing, mpcjax.rules.nearest_neighbour_mixing])
def test_a_mixture_would_not_settle(mixed):
    with pytest.raises(ValueError, match="what 'squared' does in `settle` would not be done"):
        mixed(Squared())
    assert not mixed(RULES["fltrust"]()).rule.settles
