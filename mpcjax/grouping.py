"""A round of an additive rule in groups of peers, two at a time, so that memory does not grow with their number.

Every group deals, is checked and judged, and is added up before the next one of its lane deals; then the sum of all is
opened. What a group may learn of others is who was accepted. Each group has its own material, coins and verification,
under the certificate that all peers together would have: of the same messages the result is bit for bit that of one group. (The
last bit of what `local` computes in float32 may depend on how many peers are compiled together.) The rounds of a lane add up.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import prg
from mpcjax.lanes import side_by_side
from mpcjax.phases import GROUPED, Output, State, last_of, starting
from mpcjax.planning import state_after
from mpcjax.rules import Public, Rule
from mpcjax.setup import AT_ONCE, Setup
from mpcjax.sharing import Shamir
from mpcjax.standing import Standing, joined
from mpcjax.weighing import PER_PEER

Walk = Callable[..., tuple[State, Standing]]
Begin = Callable[..., None]
GROUP_BYTES = 520_000_000  # of shares of messages of a group


def number_of_groups(
    scheme: Shamir, peers: int, length: int, rule: Rule | None, group: int | None, devices: int = 1
) -> int:
    """In how many groups `rule` (by default an additive one) handles its peers, `group` of them at a time if that is given.

    Up to a gigabyte there is one. A weighted rule goes through its groups three times, so by default it takes all peers at
    once up to twice that; in robust mode, where a secret sum is made of triples, it always does. `devices`: over how many
    vectors are spread.
    """
    length = length if rule is None else rule.message_length(length)
    each = -(-scheme.parties * length * scheme.field.nbytes // devices)
    if rule is not None and (rule.shuffles or not (rule.additive or (rule.weighted and not scheme.robust))):
        return 1  # an order is one of all peers
    if rule is not None and rule.settles and not rule.additive:
        return 1  # the sum by secret weights is made and opened in one go
    once = 2 if rule is None or rule.additive else 4
    if group is None and peers * each <= once * GROUP_BYTES:
        return 1
    least = -(-peers // max(1, min(group or GROUP_BYTES // each, peers)))
    return least if group else next((more for more in range(least, least + least // 4 + 1) if even(peers, more)), least)


def even(peers: int, groups: int) -> bool:
    """Whether no group has to be filled up and no lane has more of them than another."""
    return peers % groups == 0 and groups % AT_ONCE == 0


def in_groups(
    setup: Setup,
    compiled: Callable[..., dict[str, Any]],
    walk: Walk,
    seed: Any,
    updates: Any,
    public: Public,
    scratch: Callable[[], Any],
    begin: Begin,
) -> tuple[State, Standing]:
    """The round of `updates [n, d]`; `walk(programs, seed, state, scratch)` runs what `compiled(setup, names)` gives.

    `scratch()`: memory that all groups of a lane deal into. `begin`, of the same arguments as `walk` or their shapes, has
    programs compiled in the background.
    """
    *seeds, last_seed = seeds_of(setup, seed, 1)
    groups = Groups(setup, compiled(setup.part, GROUPED), walk, seeds, updates, public, scratch)
    last = compiled(setup.part, last_of(setup.rule))
    begin(groups.programs, seed, groups.start(0), jax.eval_shape(scratch))
    begin(last, seed, {**judged_of_all(setup, public), "output": state_after(setup.part, "verify")["output"]})

    def added_up(numbers: range) -> tuple[dict[int, State], Output | None, State, Standing]:
        found, total, state, standing = dict[int, State](), None, State(), beginning()
        for number, state, standing in groups.one_by_one(numbers):
            if bool(standing.ok):
                output = state.pop("output")
                total = output if total is None else _added(setup, total, output)
                found[number] = {key: state[key] for key in (*PER_PEER, "public")}
        return found, total, state, standing

    lanes = side_by_side(added_up, setup.lanes)
    standing = functools.reduce(joined, [lane[3] for lane in lanes])
    if not bool(standing.ok):
        return next(lane[2] for lane in lanes if not bool(lane[3].ok)), standing
    found = dict(pair for lane in lanes for pair in lane[0].items())
    total = functools.reduce(functools.partial(_added, setup), [lane[1] for lane in lanes if lane[1] is not None])
    together = of_all(setup, [found[number] for number in sorted(found)], public)
    state, opened = walk(last, last_seed, {**together, "output": total})
    return state, joined(standing, opened)


def seeds_of(setup: Setup, seed: Any, more: int) -> list[Any]:
    """A seed for every group (or block), and `more` for what else is done."""
    stream = prg.Stream.from_seed(seed)
    return [stream.child("group", number).at("of", setup.parts).key() for number in range(setup.parts + more)]


def beginning() -> Standing:
    """Before the first group."""
    return Standing(jnp.array(True), {}, jnp.array(False))


class Groups:
    """The groups of a round, to go through `programs`, each from its own seed."""

    def __init__(
        self,
        setup: Setup,
        programs: dict[str, Any],
        walk: Walk,
        seeds: list[Any],
        updates: Any,
        public: Public,
        scratch: Callable[[], Any],
    ):
        self.setup, self.programs, self.walk, self.seeds = setup, programs, walk, seeds
        self.updates, self.public, self.scratch = updates, public, scratch
        self._over = threading.Event()  # a check has failed or something was raised: no other group begins

    def start(self, number: int) -> State:
        """What the first phase of a group takes."""
        return group_of(self.setup.part.peers, number, self.updates, self.public)

    def step(self, number: int, scratch: Any) -> tuple[State, Standing]:
        """A group goes through the programs."""
        return self.walk(self.programs, self.seeds[number], self.start(number), scratch)

    def one_by_one(self, numbers: range) -> Iterator[tuple[int, State, Standing]]:
        """The groups of a lane in turn, until a check fails in any: the state of each, and the standing of the lane so far.

        They deal into the same memory: the `message` of a state is gone when the next state is asked for. (New memory costs
        more than the shares.)
        """
        standing, scratch = beginning(), self.scratch()
        for number in numbers:
            if self._over.is_set():
                return
            going_on = False
            try:
                state, one = self.step(number, scratch)
                standing = joined(standing, one)
                going_on = bool(standing.ok)
            finally:
                if not going_on:
                    self._over.set()
            yield number, state, standing
            if not going_on:
                return
            scratch = state.pop("message", None)


def group_of(size: int, number: int, updates: Any, public: Public) -> State:
    """Peers `number * size` and on, filled up to `size` with peers that count for nothing."""
    first, last = number * size, min((number + 1) * size, updates.shape[0])

    def rows(x: Any) -> Any:
        missing = size - (last - first)
        return jnp.pad(x[first:last], ((0, missing), *((0, 0),) * (x.ndim - 1))) if missing else x[first:last]

    public = dataclasses.replace(public, weights=rows(public.weights), accepted=rows(public.accepted))
    return starting(rows(updates), public, np.int32(first))


def _added(setup: Setup, total: Output, more: Output) -> Output:
    return dataclasses.replace(total, shares=setup.scheme.field.add(total.shares, more.shares))


def of_all(setup: Setup, found: list[State], public: Public) -> State:
    """What the groups found out about their peers, for all peers."""

    def rows(parts: list[Any]) -> Any:
        return jnp.concatenate(parts)[: setup.peers]

    weights, accepted = (rows([getattr(one["public"], part) for one in found]) for part in ("weights", "accepted"))
    public = dataclasses.replace(public, weights=weights, accepted=accepted)
    return {"public": public, **{key: rows([one[key] for one in found]) for key in PER_PEER}}


def judged_of_all(setup: Setup, public: Public) -> State:
    """Shapes of what is known of all peers when they are judged."""
    return {"public": public, **{key: jax.ShapeDtypeStruct((setup.peers,), bool) for key in PER_PEER}}
