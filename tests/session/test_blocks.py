"""Parameters in blocks: the value, the verdicts on peers and the books are those of all at once; lies in any block are caught."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax import blocks, secret, simulator
from mpcjax.api import setup_of
from mpcjax.certificates import Certificate, Range
from mpcjax.fabric import Simulated
from mpcjax.fields import F61
from mpcjax.offline import Demand
from mpcjax.phases import ALL, COMBINED, GROUPED, JUDGED, LAST
from mpcjax.planning import plan
from mpcjax.rules import RULES, Public, Rule, require_coordinatewise
from mpcjax.rules.centered_clipping import CenteredClipping
from mpcjax.session import run_offline
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir
from mpcjax.standing import Standing, run_phase
from mpcjax.weighing import AGAIN
from tests.session._agreement import Agreement

PEERS, LENGTH, BLOCK = 5, 8, 3  # blocks of 2: four, as lanes are equally long
KEY = np.arange(8, dtype=np.uint32)


@dataclasses.dataclass(frozen=True)
class Energy(Rule):
    """The square of what twice the sum of all that coordinates are off the center is off the center and reference.

    Peers send every number twice. Of a zero `local` makes what is not legal.
    """

    name = "energy"
    coordinatewise = True
    takes = ("weights", "center", "reference")

    def message_length(self, length: int) -> int:
        return 2 * length

    def certificate(self, peers: int) -> Certificate:
        return Range(1.0, 10)

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        moved = update - public.center
        return jnp.repeat(jnp.where(moved == 0, 9.0, jnp.clip(moved, -1, 0.75)), 2)

    def combine(self, messages: Any, public: Public) -> Any:
        total = messages.reshape(messages.shape[0], -1, 2).sum(2).sum(0)
        for known in (public.center, public.reference):
            total = total if known is None else total - secret.public(known, bits=4, bound=1)
        return total * total

    def finish(self, combined: Any, public: Public) -> Any:
        return combined / jnp.maximum(jnp.sum(public.weights), 1) + public.center


def updates() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(PEERS, LENGTH)).astype(np.float32)


def rounded(rule: Any, x: np.ndarray, block: int | None = BLOCK, tamper: Any = None, **more: Any) -> Any:
    center = {"center": np.linspace(-1, 1, LENGTH, dtype=np.float32)} if isinstance(rule, Agreement) else {}
    committee = mpcjax.simulate(3, block=block, tamper=tamper, **more)
    return mpcjax.aggregate(jnp.asarray(x), rule, committee=committee, key=KEY, **center)


ORDERS = [
    pytest.param(RULES[name](), marks=pytest.mark.long, id=name)
    for name in ("median", "trimmed_mean", "mean_around_median")
]


@pytest.mark.parametrize("rule", [pytest.param(Agreement(), id="agreement"), *ORDERS])
def test_the_same_bits_as_all_at_once(rule):
    x = updates()
    x[4, 2] = np.nan
    together, apart = (rounded(rule, x, block) for block in (None, BLOCK))
    np.testing.assert_array_equal(np.asarray(together.value), np.asarray(apart.value))
    for part in ("verified", "accepted", "finite", "well_dealt", "certified"):
        np.testing.assert_array_equal(
            np.asarray(getattr(together.report, part)), np.asarray(getattr(apart.report, part))
        )
    assert list(apart.report.excluded) == [4] and np.any(np.asarray(apart.value) != 0)
    assert apart.report.cost.fraction_bits == together.report.cost.fraction_bits
    assert together.report.rounds < apart.report.rounds < 2.5 * together.report.rounds  # four blocks in two lanes
    if not isinstance(rule, Agreement):
        assert apart.report.cost == mpcjax.estimate(
            rule, LENGTH, peers=PEERS, committee=mpcjax.simulate(3, block=BLOCK)
        )


@pytest.mark.parametrize("length", [7, pytest.param(9, marks=pytest.mark.long)])
def test_what_fills_up_the_last_block_fails_nothing(length):
    """Half a block, or all of one: a zero there would have all peers withdraw. Several numbers of a parameter stay together."""
    x = np.random.default_rng(1).normal(size=(PEERS, length)).astype(np.float32)
    x[3, 1] = np.inf
    public = {name: np.linspace(-1, 0.5, length, dtype=np.float32) for name in ("center", "reference")}
    public["weights"] = np.linspace(0.5, 1, PEERS, dtype=np.float32)
    together, apart = (
        mpcjax.aggregate(x, Energy(), committee=mpcjax.simulate(3, block=block), key=KEY, fraction_bits=6, **public)
        for block in (None, 3 if length == 9 else 2)
    )
    assert list(apart.report.excluded) == [3]
    np.testing.assert_array_equal(np.asarray(together.value), np.asarray(apart.value))


def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], bytes, Any, Any]]:
    """Of every walk: the phases, the seed, and the states it begins and ends with."""
    found, walk = [], simulator._walk

    def watched(arrays, clock, programs, seed, state, scratch=None):
        start = jax.tree_util.tree_map(np.array, state)
        state, standing = walk(arrays, clock, programs, seed, state, scratch)
        found.append((tuple(programs)[1:], np.asarray(seed).tobytes(), start, jax.tree_util.tree_map(np.array, state)))
        return state, standing

    monkeypatch.setattr(simulator, "_walk", watched)
    return found


def test_what_is_dealt_again_is_what_was_dealt_and_no_other_seed_is_used_twice(one_lane, monkeypatch):
    """Material and masks of the second pass are not those of the first: that would show what they hide."""
    walks = recorded(monkeypatch)
    rounded(Agreement(), updates())
    seeds = {names: [seed for found, seed, *_ in walks if found == names] for names in (JUDGED, AGAIN, COMBINED, LAST)}
    assert [len(found) for found in seeds.values()] == [4, 4, 4, 1] and seeds[AGAIN] == seeds[JUDGED]
    assert len({*seeds[JUDGED], *seeds[COMBINED], *seeds[LAST]}) == 9
    dealt = {seed: state["message"] for names, seed, _, state in walks if names == JUDGED}
    for names, seed, _, state in walks:
        if names == AGAIN:
            np.testing.assert_array_equal(state["message"], dealt[seed])
            assert np.any(state["message"])
    assert [names for names, *_ in walks][:4] == [JUDGED] * 4, "all are judged before any is combined"


def test_who_is_not_finite_somewhere_says_nothing_anywhere(one_lane, monkeypatch):
    x, walks = updates(), recorded(monkeypatch)
    x[4, LENGTH - 1] = np.inf
    rounded(Agreement(), x)
    judged = [state for names, _, _, state in walks if names == JUDGED]
    assert len(judged) == 4 and not any(state["finite"][4] or state["public"].accepted[4] for state in judged)


def test_who_withdraws_somewhere_withdraws_everywhere(one_lane, monkeypatch):
    """The committee is not told in which block a message fails."""
    x, walks = updates(), recorded(monkeypatch)
    x[2, 5] = 0
    result = mpcjax.aggregate(x, Energy(), committee=mpcjax.simulate(3, block=BLOCK), key=KEY, fraction_bits=6)
    judged = [state for names, _, _, state in walks if names == JUDGED]
    assert len(judged) == 4 and not any(state["certified"][2] for state in judged)
    assert set(result.report.excluded) == {2} and "certificate" in result.report.excluded[2]


def test_inside_of_jit_there_are_no_blocks_and_nothing_is_tried():
    """What is tried on plain numbers cannot be in a trace."""

    def value(x: Any) -> Any:
        return mpcjax.aggregate(x, Agreement(), committee=mpcjax.simulate(3, block=BLOCK), key=KEY).value

    require_coordinatewise.cache_clear()
    assert jax.eval_shape(value, updates()).shape == (LENGTH,)


def test_the_plan_is_what_the_blocks_send(one_lane):
    setup = Setup(Shamir(F61, 3, 1), Agreement(), PEERS, LENGTH, blocks=4)
    fabric, demands = Simulated(3), list[Demand]()

    def walk(programs: Any, seed: Any, state: Any, scratch: Any = None) -> Any:
        own, names = programs
        demands.extend(plan(own, names).demands)

        def run() -> Any:
            stocks, standing = run_offline(own, fabric, seed, names)
            found = state
            for name, stock in zip(names, stocks, strict=True):
                found, standing = run_phase(name, own, fabric, seed, stock, found, standing)
            return found

        zeros = jax.tree_util.tree_map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(run))
        return zeros, Standing(jnp.array(True), {}, jnp.zeros(3, bool))

    public, x = Public.of(PEERS, LENGTH), jnp.zeros((PEERS, LENGTH), jnp.float32)
    with mpcjax._compat.x64():
        blocks.in_blocks(
            setup, lambda *what: what, walk, jnp.asarray(KEY), x, public, lambda: jnp.zeros(()), lambda *_: None
        )
        planned = plan(setup, counting=True)
    sent = [(entry.phase, entry.label, entry.rounds, entry.sent) for entry in fabric.ledger.entries]
    assert sent == [(entry.phase, entry.label, entry.rounds, entry.sent) for entry in planned.entries]
    assert fabric.ledger.opened == list(planned.opened) == ["certificate"] * 4 + ["output"]
    assert sum(planned.demands, Demand()) == sum(demands, Demand())
    judged = plan(setup.part, JUDGED)
    assert sum(one.uploaded for one in planned.entries) == 4 * sum(one.uploaded for one in judged.entries) > 0
    assert planned.load is not None and planned.load.memory < plan(setup.at_once, counting=True).load.memory * 4
    assert "deal again" in dict(planned.load.phases)


def test_the_memory_is_that_of_one_block_a_lane():
    setup = Setup(Shamir(F61, 3, 1), Agreement(), PEERS, LENGTH, blocks=4)
    with mpcjax._compat.x64():
        loads = [
            plan(one, names, True).load for one, names in ((setup, ALL), (setup.part, JUDGED), (setup.part, COMBINED))
        ]
    whole, *parts = (load.memory for load in loads if load)
    assert 2 * max(parts) < whole < 2 * sum(parts) + 1000


def test_a_check_that_fails_in_one_lane_ends_the_round():
    class Lanes:
        setup = SimpleNamespace(lanes=[range(0, 4, 2), range(1, 4, 2)])

        def one_by_one(self, numbers: range) -> Any:
            for number in numbers:
                yield number, {"number": number}, Standing(jnp.array(number != 3), {}, jnp.array(False))

    lanes: Any = Lanes()
    _, last, standing = blocks._in_lanes(lanes, ("number",))
    assert not bool(standing.ok) and last == {"number": 3}


@dataclasses.dataclass(frozen=True)
class Disturbed:
    """Adds 1 to a word of `kind` and `phase` where a traced switch is on: what the first seat sends, or the first peer deals."""

    phase: str
    kind: str
    members: int = 1

    def arrays(self, members: tuple[int, ...], round: int | None, attempt: int) -> Any:
        return np.array(attempt == 0)

    def hook(self, field: Any, on: Any) -> Any:
        def tamper(message: Any, x: Any) -> Any:
            if (message.phase, message.kind) != (self.phase, self.kind) or x.dtype != field.dtype or not x.size:
                return x
            first = x[0] if self.kind == "broadcast" else x[: self.members, 0]
            moved = jnp.where(on, field.add(first, field.ones(())), first)
            return x.at[0].set(moved) if self.kind == "broadcast" else x.at[: self.members, 0].set(moved)

        return tamper


def only_in_block(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switches `Disturbed` on in one block of a round: whenever it is judged, dealt again or combined."""
    walk, order = simulator._walk, {}

    def switched(arrays, clock, programs, seed, state, scratch=None):
        names = tuple(programs)[1:]
        walked = order.setdefault(names, [])
        walked.append(0)
        on = arrays & np.array(names != LAST and len(walked) == number + 1)
        return walk(on, clock, programs, seed, state, scratch)

    monkeypatch.setattr(simulator, "_walk", switched)


@pytest.mark.parametrize("number", [pytest.param(0, marks=pytest.mark.long), 3])
def test_who_deals_badly_in_one_block_is_left_out_of_all(number, one_lane, monkeypatch):
    """And of the number of peers that the result is divided by."""
    absent = updates()
    absent[0] = np.nan
    expected = rounded(Agreement(), absent)
    only_in_block(number, monkeypatch)
    result = rounded(Agreement(), updates(), tamper=Disturbed("deal", "peers"))
    assert set(result.report.excluded) == {0} and not bool(result.report.well_dealt[0]) and not result.report.failed
    np.testing.assert_array_equal(np.asarray(result.value), np.asarray(expected.value))


@pytest.mark.parametrize("phase", ["verify certificates", "combine", "verify"])
@pytest.mark.parametrize("number", [0, 3])
def test_a_lie_in_one_block_alone_is_caught(phase, number, one_lane, monkeypatch):
    honest = rounded(Agreement(), updates())
    only_in_block(number, monkeypatch)
    result = rounded(Agreement(), updates(), tamper=Disturbed(phase, "broadcast"))
    assert len(result.report.failed) == 1 and bool(result.report.verified)
    np.testing.assert_array_equal(np.asarray(result.value), np.asarray(honest.value))


@pytest.mark.parametrize("phase", ["deal", "verify certificates", "combine", "verify", "open"])
def test_a_cheat_in_any_phase_is_caught_and_the_round_repeated(phase):
    cheat = mpcjax.attacks.Cheat(peers=tuple(range(PEERS)), phase=phase)
    result, honest = (rounded(Agreement(), updates(), tamper=tamper) for tamper in (cheat, None))
    np.testing.assert_array_equal(np.asarray(result.value), np.asarray(honest.value))
    assert len(result.report.failed) == 1 and bool(result.report.verified)


@pytest.mark.parametrize(
    ("phase", "walked"), [("verify certificates", [JUDGED]), ("verify", [JUDGED] * 4 + [AGAIN, COMBINED])]
)
def test_nothing_follows_a_failed_check(phase, walked, one_lane, monkeypatch):
    """No other block is dealt or combined, and nothing is opened."""
    walks = recorded(monkeypatch)
    with pytest.raises(mpcjax.Abort) as caught:
        rounded(Agreement(), updates(), tamper=Disturbed(phase, "broadcast"), attempts=1)
    assert caught.value.phase == phase and [names for names, *_ in walks] == walked


def test_how_many_blocks():
    def count(rule: Any, peers: int, length: int, block: int | None = None) -> int:
        return setup_of(rule, mpcjax.simulate(5, block=block), peers, length).blocks

    with mpcjax._compat.x64():
        median = RULES["median"]()
        assert [count(median, 25, length) for length in (400, 10_000, 100_000)] == [1, 8, 62]
        assert count(median, 25, 10_000, block=10_000) == 1 and count(median, 25, 10, block=3) == 4
        assert count(RULES["krum"](), 25, 100_000) == count(RULES["bulyan"](), 25, 100, block=3) == 1
        assert count(CenteredClipping(), 25, 100_000, block=3) == 1
        assert setup_of(median, mpcjax.simulate(5), 25, 10_000, at_once=True).blocks == 1
        part = setup_of(median, mpcjax.simulate(5), 25, 10_000).part
        assert plan(part, GROUPED, True).load.memory < 1.1 * blocks.BLOCK_BYTES


@pytest.mark.parametrize("other", ["additive", "weighted", "shuffles", "settles"])
def test_what_goes_in_groups_or_needs_all_at_once_has_no_blocks(other):
    """Groups of peers and blocks of parameters at the same time are not made; every block would be shuffled in its own order."""
    rule: Any = SimpleNamespace(coordinatewise=True, additive=False, weighted=False, shuffles=False, settles=False)
    assert blocks.blocky(rule)
    setattr(rule, other, True)
    assert not blocks.blocky(rule)


@pytest.mark.parametrize("block", [0, -1, 2.5, "3", True])
def test_a_block_that_is_no_number_of_parameters(block):
    with pytest.raises(ValueError, match=r"block=.*the parameters handled at a time"):
        mpcjax.simulate(3, block=block)


def test_too_little_memory_says_what_to_do(monkeypatch):
    def full(*_: Any) -> Any:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 27887794056 bytes.")

    def broken(*_: Any) -> Any:
        raise jax.errors.JaxRuntimeError("INTERNAL: something else.")

    monkeypatch.setattr(simulator, "_attempt", full)
    with pytest.raises(MemoryError, match=r"rule 'agreement' of 5 peers and 8 parameters .* about 0\.0 GB.*block="):
        rounded(Agreement(), updates())
    monkeypatch.setattr(simulator, "_attempt", broken)
    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        rounded(Agreement(), updates())
