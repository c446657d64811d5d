"""One round: the material of its phases, then these in turn, on any fabric.

The simulator compiles every phase on its own (so that each can be timed, and a failed check stops the round before the
next); inside a user's `jit` all phases are traced into one program; on the threaded fabric the same functions run eagerly
on one-row arrays.
"""

from __future__ import annotations

from typing import Any

from mpcjax._collector import collecting_later
from mpcjax.fabric import Fabric
from mpcjax.offline import Demand, Stock
from mpcjax.phases import ALL, State, starting
from mpcjax.planning import demands
from mpcjax.rules import Public
from mpcjax.setup import Setup
from mpcjax.standing import Standing, fresh_standing, prepared, run_phase, runtime_of, standing_of


def run_offline(setup: Setup, fabric: Fabric, seed: Any, names: tuple[str, ...] = ALL) -> tuple[list[Stock], Standing]:
    """Verified material for the online phases `names`; where these take none, nothing happens."""
    standing = fresh_standing(setup.scheme.parties)
    with collecting_later():
        each = list(demands(setup, names))
    rt = runtime_of("offline", setup, fabric, seed, None, standing)
    stock = prepared(rt, sum(each, Demand()))
    return stock.split(each), standing_of(rt, standing)


def run_round(setup: Setup, fabric: Fabric, seed: Any, updates: Any, public: Public) -> tuple[State, Standing]:
    """The whole round on any fabric, in the current trace (or eagerly, where a failed check raises)."""
    stocks, standing = run_offline(setup, fabric, seed)
    state = starting(updates, public)
    for name, stock in zip(ALL, stocks, strict=True):
        state, standing = run_phase(name, setup, fabric, seed, stock, state, standing)
    return state, standing
