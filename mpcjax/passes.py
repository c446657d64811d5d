"""A round of a weighted rule (`Rule.score`, `Rule.weigh`) in groups of peers, in three passes over them.

First every group deals, is checked and judged, and scored, as in `grouping`; then all peers are weighed. In the second
pass the weighted messages are added up; the sum is reduced to degree t and thereby fixed. A public coin then draws
directions, and the third pass gives every message along them, of which the sum is verified. (See `protocols.parted`.)

Members keep the shares they were sent from pass to pass. The simulator has memory for those of one group, and computes
the others anew: nothing is sent twice, in the books or otherwise. It turns round after every pass, so that the group it
holds comes first in the next. The result is bit for bit that of all peers at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from mpcjax.grouping import Walk, beginning, group_of, joined, of_all, one_by_one, seeds_of
from mpcjax.phases import Output, State
from mpcjax.rules import Public
from mpcjax.session import Standing
from mpcjax.setup import Setup
from mpcjax.weighing import AGAIN, PER_PEER, PIECES, PROJECT, REDUCE, SCORED, SETTLE, SUM

Compiled = Callable[..., dict[str, Any]]


def in_passes(
    setup: Setup, compiled: Compiled, walk: Walk, seed: Any, updates: Any, public: Public, scratch: Any
) -> tuple[State, Standing]:
    """The round of `updates [n, d]`; `walk(programs, seed, state, scratch)` runs what `compiled(setup, names)` gives."""
    seeds = seeds_of(setup, seed, len(PIECES))
    of_groups, of_pieces = seeds[: setup.groups], seeds[setup.groups :]
    found, message, standing = [], None, beginning()
    for state, standing in one_by_one(setup, compiled(setup.part, SCORED), walk, of_groups, updates, public, scratch):
        if not bool(standing.ok):
            return state, standing
        message = state["message"]
        found.append({key: state[key] for key in (*PER_PEER, "public", "scores")})
    kept = Messages(setup, compiled, walk, of_groups, updates, public, message)
    judged = [one["public"] for one in found]
    state = {**of_all(setup, found, public), "scores": _scores(setup, [one["scores"] for one in found])}
    before = {REDUCE: _summed, SETTLE: _projected}
    for names, own_seed in zip(PIECES, of_pieces, strict=True):
        if names in before:
            state = before[names](kept, judged, state)
        state, one = walk(compiled(setup, names), own_seed, state)
        standing = joined(standing, one)
        if not bool(standing.ok):
            break
    return state, standing


class Messages:
    """The shares of all messages, as if they were kept: those of one group are, the others are computed anew."""

    def __init__(
        self, setup: Setup, compiled: Compiled, walk: Walk, seeds: list[Any], updates: Any, public: Public, last: Any
    ):
        self.setup, self.compiled, self.walk, self.seeds = setup, compiled, walk, seeds
        self.updates, self.public = updates, public
        self.shares, self.group = last, setup.groups - 1

    def order(self) -> list[int]:
        """All groups, from the one that is held to the other end."""
        numbers = list(range(self.setup.groups))
        return numbers if self.group == 0 else numbers[::-1]

    def visit(self, names: tuple[str, ...], number: int, state: State) -> State:
        """The state after the local phases `names` of a group, that take its `message`."""
        part, seed = self.setup.part, self.seeds[number]
        if number != self.group:
            # what `local` makes of an update may depend on what was public when the group dealt
            start = group_of(part.peers, number, self.updates, self.public)
            again, _ = self.walk(self.compiled(part, AGAIN), seed, start, self.shares)
            self.shares, self.group = again["message"], number
        state, _ = self.walk(self.compiled(part, names), seed, {**state, "message": self.shares})
        return state


def _summed(kept: Messages, judged: list[Public], state: State) -> State:
    """The second pass: adds the local sums `total [rows, d]` of degree 2t."""
    setup, weights = kept.setup, state["weights"]
    size, field = setup.part.peers, setup.scheme.field
    padded = jnp.pad(weights.shares, ((0, 0), (0, size * setup.groups - setup.peers)))
    total = field.zeros((setup.scheme.parties, setup.length))
    for number in kept.order():
        own = dataclasses.replace(weights, shares=padded[:, number * size : (number + 1) * size])
        total = kept.visit(SUM, number, {"public": judged[number], "weights": own, "total": total})["total"]
    return {**state, "total": total}


def _projected(kept: Messages, judged: list[Public], state: State) -> State:
    """The third pass: adds the messages along the public directions, `projected [rows, R, n]`."""
    found = dict[int, Any]()
    for number in kept.order():
        one = kept.visit(PROJECT, number, {"public": judged[number], "directions": state["directions"]})
        found[number] = one["projected"]
    parts = [found[number] for number in sorted(found)]
    return {**state, "projected": jnp.concatenate(parts, axis=2)[:, :, : kept.setup.peers]}


def _scores(setup: Setup, parts: list[Output]) -> Output:
    shares = jnp.concatenate([part.shares for part in parts], axis=1)[:, : setup.peers]
    return dataclasses.replace(parts[0], shares=shares)
