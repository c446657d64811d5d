"""A round of a coordinate-wise rule in blocks of parameters, two at a time, so that memory does not grow with their number.

What such a rule computes on a message is many times as large as the message. So first every block is dealt, checked and
judged: who fails in one is left out of all. Then every block is combined and verified; when all are, the output is opened
as a whole. Each block has its own material, coins and verification, and the result is bit for bit that of all at once.

Members keep the shares that they were sent. The simulator has memory for those of one block a lane, and computes the others
anew, as in `passes`: nothing is sent twice.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.grouping import Begin, Groups, Walk, beginning, judged_of_all, seeds_of
from mpcjax.lanes import side_by_side
from mpcjax.phases import COMBINED, JUDGED, LAST, Output, State, encoded, starting
from mpcjax.planning import combined, plan
from mpcjax.rules import Public, Rule
from mpcjax.setup import Setup
from mpcjax.standing import Standing, joined
from mpcjax.weighing import AGAIN, PER_PEER

BLOCK_BYTES = 10**9  # that a block may need, as predicted
SMALL = 8 * 10**6  # bytes of shares of messages that need no blocks, and no prediction
TRIED = 256  # parameters that the prediction is made of


def number_of_blocks(setup: Setup, block: int | None) -> int:
    """In how many blocks the rule of a round handles its parameters, `block` of them at a time if that is given."""
    if not blocky(setup.rule):
        return 1
    if block is None:
        shares = setup.scheme.parties * setup.peers * setup.message_length * setup.scheme.field.nbytes
        if shares <= SMALL:
            return 1
        tried = dataclasses.replace(setup, length=min(TRIED, setup.length))
        load = plan(tried, counting=True).load
        assert load is not None, "counting"
        block = max(1, BLOCK_BYTES * tried.length // load.memory)
    least = -(-setup.length // block)
    return least + least % 2 if least > 1 else 1  # one lane has as many as the other


def blocky(rule: Rule) -> bool:
    """Whether the rule's parameters may be handled block by block, and its peers not group by group."""
    return rule.coordinatewise and not (rule.additive or rule.weighted or rule.shuffles or rule.settles)


def in_blocks(
    setup: Setup,
    compiled: Callable[..., dict[str, Any]],
    walk: Walk,
    seed: Any,
    updates: Any,
    public: Public,
    scratch: Callable[[], Any],
    begin: Begin,
) -> tuple[State, Standing]:
    """The round of `updates [n, d]`, by arguments as those of `in_groups`."""
    seeds = seeds_of(setup, seed, setup.blocks + 1)
    judging = Blocks(setup, compiled(setup.part, JUDGED), walk, seeds[: setup.blocks], updates, public, scratch)
    programs, last_program = (
        (compiled(setup.part, AGAIN), compiled(setup.part, COMBINED)),
        compiled(setup, LAST),
    )
    _begin_all(setup, begin, judging, programs, last_program)
    judging.fits = _all_of(_fitting(setup.part, judging.start(number)) for number in range(setup.blocks))
    found, last, standing = _in_lanes(judging, (*PER_PEER, "public"))
    if not bool(standing.ok):
        return last, standing
    judged = _in_all(found, public)
    # other seeds than before: what was drawn there is used up
    found, last, then = _in_lanes(Combining(judging, programs, seeds[setup.blocks :], judged), ("output",))
    standing = joined(standing, then)
    if not bool(standing.ok):
        return last, standing
    shares = jnp.concatenate([one["output"].shares for one in found], axis=1)[:, : setup.length]
    output = Output(shares, found[0]["output"].scale)
    state, opened = walk(last_program, seeds[-1], {**judged, "output": output})
    return state, joined(standing, opened)


def _begin_all(setup: Setup, begin: Begin, blocks: Blocks, programs: tuple[dict[str, Any], ...], last: Any) -> None:
    seed, start, scratch = blocks.seeds[0], blocks.start(0), jax.eval_shape(blocks.scratch)
    begin(blocks.programs, seed, start, scratch)
    begin(programs[0], seed, start, scratch)
    begin(programs[1], seed, {**judged_of_all(setup, start["public"]), "message": scratch})
    begin(last, seed, {**judged_of_all(setup, blocks.public), "output": combined(setup)})


class Blocks(Groups):
    """The blocks of a round, judged one by one. `fits`: whose messages do in all of them."""

    fits: Any = True

    @functools.cached_property
    def finite(self) -> Any:
        """Whose updates are, as a whole."""
        return jnp.all(jnp.isfinite(self.updates), axis=1)

    def start(self, number: int) -> State:
        """Who has a number that is not finite, or a message that does not fit, in one block has so in all: nobody learns where.

        The last blocks are filled up with the last parameter: of any other number, even of zero, `local` may make what fails.
        """
        size = self.setup.part.length
        own = np.minimum(number * size + np.arange(size), self.setup.length - 1)
        center, reference = (None if x is None else x[own] for x in (self.public.center, self.public.reference))
        public = dataclasses.replace(self.public, center=center, reference=reference)
        state = starting(jnp.where(self.finite[:, None], self.updates[:, own], jnp.nan), public)
        return {**state, "fits": jnp.broadcast_to(self.fits, self.finite.shape)}


class Combining(Blocks):
    """The blocks once more, combined and verified under the verdict on all of them."""

    def __init__(self, judging: Blocks, programs: tuple[dict[str, Any], ...], seeds: list[Any], judged: State):
        super().__init__(
            judging.setup, programs[1], judging.walk, seeds, judging.updates, judging.public, judging.scratch
        )
        self.again, self.dealt, self.judged, self.fits = programs[0], judging.seeds, judged, judging.fits

    def step(self, number: int, scratch: Any) -> tuple[State, Standing]:
        start = self.start(number)  # what `local` makes of an update may depend on what was public when it was dealt
        message, _ = self.walk(self.again, self.dealt[number], start, scratch)
        public = dataclasses.replace(
            self.judged["public"], center=start["public"].center, reference=start["public"].reference
        )
        return self.walk(self.programs, self.seeds[number], {**self.judged, **message, "public": public})


def _in_lanes(blocks: Blocks, names: tuple[str, ...]) -> tuple[list[State], State, Standing]:
    """What is called `names` in the state of every block; a state in which a check failed, if one did; and the standing."""

    def lane(numbers: range) -> tuple[dict[int, State], State, Standing]:
        found, state, standing = dict[int, State](), State(), beginning()
        for number, state, standing in blocks.one_by_one(numbers):
            found[number] = {name: state[name] for name in names} if bool(standing.ok) else {}
        return found, state, standing

    lanes = side_by_side(lane, blocks.setup.lanes)
    found = dict(pair for lane in lanes for pair in lane[0].items())
    failed = next((lane[1] for lane in lanes if not bool(lane[2].ok)), lanes[0][1])
    return [found[number] for number in sorted(found)], failed, functools.reduce(joined, [lane[2] for lane in lanes])


def _in_all(found: list[State], public: Public) -> State:
    """What holds of a peer if it does in all blocks."""
    verdicts = {key: _all_of(one[key] for one in found) for key in PER_PEER}
    accepted = _all_of(one["public"].accepted for one in found)
    weights = jnp.where(accepted, found[0]["public"].weights, 0)
    return {**verdicts, "public": dataclasses.replace(public, weights=weights, accepted=accepted)}


def _all_of(found: Iterable[Any]) -> Any:
    return functools.reduce(jnp.logical_and, found)


@functools.partial(jax.jit, static_argnums=0)
def _fitting(setup: Setup, state: State) -> Any:
    """Which peers withdraw from no message of a block, as each finds out for itself before it deals."""
    return encoded(setup, state)[1]["fits"]
