"""A round of an additive rule in groups of peers, one after the other, so that memory does not grow with their number.

Every group deals, is checked and judged, and is added up before the next one deals; then the sum is opened. What a group
learns of those before it is who was accepted. Each group has its own material, coins and verification, under the
certificate that all peers together would have: the result is bit for bit that of one group. Rounds add up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax import prg
from mpcjax.phases import GROUPED, LAST, Output, State, starting
from mpcjax.rules import Public, Rule
from mpcjax.session import Standing
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir
from mpcjax.weighing import PER_PEER

Walk = Callable[..., tuple[State, Standing]]
GROUP_BYTES = 1_000_000_000  # of shares of messages that are handled at a time


def number_of_groups(
    scheme: Shamir, peers: int, length: int, rule: Rule | None, group: int | None, devices: int = 1
) -> int:
    """In how many groups `rule` (by default an additive one) handles its peers, `group` of them at a time if that is given.

    A weighted rule goes through its groups three times, so by default it takes all peers at once up to twice the bytes. In
    robust mode, where a secret sum is made of triples, it always does. `devices`: over how many vectors are spread.
    """
    length = length if rule is None else rule.message_length(length)
    each = -(-scheme.parties * length * scheme.field.nbytes // devices)
    if rule is not None and rule.shuffles:
        return 1  # an order is one of all peers
    if rule is not None and not rule.additive:
        few = group is None and peers * each <= 2 * GROUP_BYTES
        if few or scheme.robust or not rule.weighted:
            return 1
    return -(-peers // max(1, min(group or GROUP_BYTES // each, peers)))


def in_groups(
    setup: Setup,
    compiled: Callable[..., dict[str, Any]],
    walk: Walk,
    seed: Any,
    updates: Any,
    public: Public,
    scratch: Any,
) -> tuple[State, Standing]:
    """The round of `updates [n, d]`; `walk(programs, seed, state, scratch)` runs what `compiled(setup, names)` gives.

    `scratch`: the memory that all groups deal into.
    """
    part, found, total = setup.part, [], None
    *seeds, last_seed = seeds_of(setup, seed, 1)
    standing = beginning()
    for state, standing in one_by_one(setup, compiled(part, GROUPED), walk, seeds, updates, public, scratch):
        if not bool(standing.ok):
            return state, standing
        output = state.pop("output")
        total = output if total is None else _added(setup, total, output)
        found.append({key: state[key] for key in (*PER_PEER, "public")})
    state, last = walk(compiled(part, LAST), last_seed, {**of_all(setup, found, public), "output": total})
    return state, joined(standing, last)


def seeds_of(setup: Setup, seed: Any, more: int) -> list[Any]:
    """A seed for every group, and `more` for what is done for all of them."""
    stream = prg.Stream.from_seed(seed)
    return [stream.child("group", number).at("of", setup.groups).key() for number in range(setup.groups + more)]


def beginning() -> Standing:
    """Before the first group."""
    return Standing(jnp.array(True), {}, jnp.array(False))


def one_by_one(
    setup: Setup,
    programs: dict[str, Any],
    walk: Walk,
    seeds: list[Any],
    updates: Any,
    public: Public,
    scratch: Any,
) -> Iterator[tuple[State, Standing]]:
    """Every group in turn goes through `programs`, until a check fails: its state, and the standing so far.

    All groups deal into the same memory, at first `scratch`: the `message` of a state is gone when the next state is asked
    for. (New memory costs more than the shares.)
    """
    part, standing = setup.part, beginning()
    for number, own_seed in enumerate(seeds):
        state, one = walk(programs, own_seed, group_of(part.peers, number, updates, public), scratch)
        standing = joined(standing, one)
        yield state, standing
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


def joined(a: Standing, b: Standing) -> Standing:
    names = {*a.checks, *b.checks}
    checks = {name: jnp.logical_and(a.checks.get(name, True), b.checks.get(name, True)) for name in sorted(names)}
    return Standing(a.ok & b.ok, checks, a.accused | b.accused)
