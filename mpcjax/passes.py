"""A round of a weighted rule (`Rule.score`, `Rule.weigh`) in groups of peers, in three passes over them.

First every group deals, is checked and judged, and scored, as in `grouping`; then all peers are weighed. In the second
pass the weighted messages are added up; the sum is reduced to degree t and thereby fixed. A public coin then draws
directions, and the third pass gives every message along them, of which the sum is verified. (See `protocols.parted`.)

Members keep the shares they were sent from pass to pass. The simulator has memory for those of one group a lane, and
computes the others anew: nothing is sent twice, in the books or otherwise. A lane turns round after every pass, so that
the group it holds comes first in the next. The result is bit for bit that of all peers at once.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.grouping import Begin, Groups, Walk, beginning, of_all, seeds_of
from mpcjax.lanes import side_by_side
from mpcjax.phases import Output, State
from mpcjax.planning import plan
from mpcjax.rules import Public
from mpcjax.setup import Setup
from mpcjax.standing import Standing, joined
from mpcjax.weighing import AGAIN, PER_PEER, PIECES, PROJECT, REDUCE, SCORED, SETTLE, SUM

Compiled = Callable[..., dict[str, Any]]
Local = dict[tuple[str, ...], dict[str, Any]]  # programs of the phases that send nothing


def in_passes(
    setup: Setup,
    compiled: Compiled,
    walk: Walk,
    seed: Any,
    updates: Any,
    public: Public,
    scratch: Callable[[], Any],
    begin: Begin,
) -> tuple[State, Standing]:
    """The round of `updates [n, d]`, by arguments as those of `in_groups`.

    What follows the groups is traced before they deal, and compiles when reached.
    """
    seeds = seeds_of(setup, seed, len(PIECES))
    of_groups, of_pieces = seeds[: setup.groups], seeds[setup.groups :]
    groups = Groups(setup, compiled(setup.part, SCORED), walk, of_groups, updates, public, scratch)
    begin(groups.programs, of_groups[0], groups.start(0), jax.eval_shape(scratch))
    for names in PIECES:
        plan(setup, names)  # refuses here, not in the midst of a round, what cannot be traced
    # made here, for all lanes: two that ask for a program at the same time would compile it twice
    local = {names: compiled(setup.part, names) for names in (AGAIN, SUM, PROJECT)}
    lanes = side_by_side(functools.partial(_scored, groups, local), setup.lanes)
    standing = functools.reduce(joined, [lane[1] for lane in lanes])
    if not bool(standing.ok):
        return next(lane[2] for lane in lanes if not bool(lane[1].ok)), standing
    found = dict(pair for lane in lanes for pair in lane[0].items())
    parts, kept = [found[number] for number in sorted(found)], [lane[3] for lane in lanes]
    judged = [one["public"] for one in parts]
    state = {**of_all(setup, parts, public), "scores": _scores(setup, [one["scores"] for one in parts])}
    before = {REDUCE: _summed, SETTLE: _projected}
    for names, own_seed in zip(PIECES, of_pieces, strict=True):
        if names in before:
            state = before[names](setup, kept, judged, state)
        state, one = walk(compiled(setup, names), own_seed, state)
        standing = joined(standing, one)
        if not bool(standing.ok):
            break
    return state, standing


def _scored(groups: Groups, local: Local, numbers: range) -> tuple[dict[int, State], Standing, State, Messages]:
    """The first pass of a lane: what it found of its groups, how it stands, its last state, and its messages."""
    found, standing, state, message = dict[int, State](), beginning(), State(), None
    for number, state, standing in groups.one_by_one(numbers):
        if bool(standing.ok):
            found[number] = {key: state[key] for key in (*PER_PEER, "public", "scores")}
            message = state["message"]
    return found, standing, state, Messages(groups, local, numbers, message)


class Messages:
    """The shares of all messages of a lane, as if they were kept: those of one group are, the others are computed anew."""

    def __init__(self, groups: Groups, local: Local, numbers: range, last: Any):
        self.groups, self.local, self.numbers = groups, local, numbers
        self.shares, self.group = last, numbers[-1]

    def order(self) -> range:
        """The groups of the lane, from the one that is held to the other end."""
        return self.numbers if self.group == self.numbers[0] else self.numbers[::-1]

    def visit(self, names: tuple[str, ...], number: int, state: State) -> State:
        """The state after the local phases `names` of a group, that take its `message`."""
        groups, seed = self.groups, self.groups.seeds[number]
        if number != self.group:
            # what `local` makes of an update may depend on what was public when the group dealt
            again, _ = groups.walk(self.local[AGAIN], seed, groups.start(number), self.shares)
            self.shares, self.group = again["message"], number
        state, _ = groups.walk(self.local[names], seed, {**state, "message": self.shares})
        return state


def _summed(setup: Setup, lanes: list[Messages], judged: list[Public], state: State) -> State:
    """The second pass: adds the local sums `total [rows, d]` of degree 2t."""
    weights = state["weights"]
    size, field = setup.part.peers, setup.scheme.field
    padded = jnp.pad(weights.shares, ((0, 0), (0, size * setup.groups - setup.peers)))

    def added_up(kept: Messages) -> Any:
        total = field.zeros((setup.scheme.parties, setup.length))
        for number in kept.order():
            own = dataclasses.replace(weights, shares=padded[:, number * size : (number + 1) * size])
            total = kept.visit(SUM, number, {"public": judged[number], "weights": own, "total": total})["total"]
        return total

    return {**state, "total": functools.reduce(field.add, side_by_side(added_up, lanes))}


def _projected(setup: Setup, lanes: list[Messages], judged: list[Public], state: State) -> State:
    """The third pass: adds the messages along the public directions, `projected [rows, R, n]`."""

    def along(kept: Messages) -> dict[int, Any]:
        start = {"directions": state["directions"]}
        return {n: kept.visit(PROJECT, n, {**start, "public": judged[n]})["projected"] for n in kept.order()}

    found = dict(pair for lane in side_by_side(along, lanes) for pair in lane.items())
    parts = [found[number] for number in sorted(found)]
    return {**state, "projected": jnp.concatenate(parts, axis=2)[:, :, : setup.peers]}


def _scores(setup: Setup, parts: list[Output]) -> Output:
    shares = jnp.concatenate([part.shares for part in parts], axis=1)[:, : setup.peers]
    return dataclasses.replace(parts[0], shares=shares)
