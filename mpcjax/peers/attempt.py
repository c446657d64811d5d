"""One attempt at a round: a peer goes through its programs, with a seat on the committee or without."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax._compat import x64_scope
from mpcjax.errors import Abort
from mpcjax.peers.outcome import Outcome
from mpcjax.peers.programs import OFFLINE, Programs
from mpcjax.peers.wire import Again, Wire
from mpcjax.phases import ALL, starting
from mpcjax.rules import Public
from mpcjax.seeds import Keys


@dataclasses.dataclass(frozen=True)
class Task:
    """What a peer brings to a round: its `update [d]` float32, what all know, and its randomness for this attempt."""

    update: Any
    public: Public
    keys: Keys


@x64_scope
def attempt(programs: Programs, wire: Wire, task: Task) -> Outcome | None:
    """A member's outcome; None from a peer without a seat, which has dealt and now waits for what the members say.

    Raises `Abort`, `Lost`, `Stopped`.
    """
    number = wire.links.me
    state = starting(task.update[None], task.public, np.int32(number))
    if wire.seat is None:
        stocks, standing = programs.phases[OFFLINE].result  # of which a peer needs nothing
        programs.phases[ALL[0]].run_as_peer(wire, task.keys, np.zeros(1, np.int32), stocks[0], state, standing)
        return None
    seat = np.array([wire.seat], np.int32)
    stocks, standing = programs.phases[OFFLINE].run(wire, task.keys, seat)
    said: dict[str, Any] = {}
    for name, stock in zip(ALL, stocks, strict=True):
        if _needless(name, state):
            continue
        given = (task.keys, seat, stock, state, standing)
        if name != ALL[0]:
            state, standing = programs.phases[name].run(wire, *given)
            continue
        try:
            found = programs.phases[name].run(wire, *given)
        except Again:
            found = None  # once more outside of this clause: the exception holds the arrays of the first pass
        if found is None:
            wire.again()
            found = programs.phases[name].run(wire, *given)
        state, standing = found
        _require_dealers(wire, state["well"])
        said = {"fits": state["fits"], "false": wire.false(state["well"])}
    if not bool(standing.ok):  # every check stops at once; a result that is not verified must not leave this place
        raise Abort("product", phase=ALL[-1])
    return Outcome.of(state, said, standing.accused)


def _require_dealers(wire: Wire, well: Any) -> None:
    """A member can say of honest peers that they did not deal, or not well. All members see the same bits."""
    if np.sum(well) < wire.least:
        raise Abort(
            "dealing",
            phase=ALL[0],
            round=wire.talk.when[0],
            remedy=f"{np.sum(well)} peers are said to have dealt well, {wire.least} are honest: repeat the round with another "
            "committee",
        )


def _needless(name: str, state: Any) -> bool:
    """Whether a phase has nothing to do, because nobody cheated; all members see the same bits."""
    if name == "exclude":
        return bool(jnp.all(state["well"]))
    return name == "reject" and bool(jnp.all(state["public"].accepted))
