"""One phase of a round on any fabric, and where the round stands after it."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax import weighing
from mpcjax.fabric import Fabric
from mpcjax.offline import Demand, Stock, prepare
from mpcjax.phases import PHASES, State
from mpcjax.runtime import Runtime
from mpcjax.seeds import of_parties
from mpcjax.setup import Setup


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Standing:
    """Where a round stands: `ok`, the checks that failed (name to bool, true is passed), corrected or proven liars."""

    ok: Any
    checks: dict[str, Any]
    accused: Any

    @property
    def bare(self) -> Standing:
        """Without the checks: what a phase goes on from."""
        return dataclasses.replace(self, checks={})


def joined(a: Standing, b: Standing) -> Standing:
    names = {*a.checks, *b.checks}
    checks = {name: jnp.logical_and(a.checks.get(name, True), b.checks.get(name, True)) for name in sorted(names)}
    return Standing(a.ok & b.ok, checks, a.accused | b.accused)


def fresh_standing(parties: int) -> Standing:
    return Standing(jnp.array(True), {}, jnp.zeros((parties,), bool))


def run_phase(
    name: str, setup: Setup, fabric: Fabric, seed: Any, material: Any, state: State, standing: Standing
) -> tuple[State, Standing]:
    """One online phase on `fabric`, with the verdicts of the phases before it."""
    rt = runtime_of(name, setup, fabric, seed, material, standing)
    with fabric.ledger.in_phase(name):
        if name in ("deal", *weighing.AGAIN):
            state = {**state, "seed": seed}
        state = (PHASES | weighing.PHASES)[name](rt, setup, state)
    return state, standing_of(rt, standing)


def runtime_of(name: str, setup: Setup, fabric: Fabric, seed: Any, material: Any, standing: Standing) -> Runtime:
    stream = of_parties(seed, fabric.rows).child(name)
    rt = Runtime(setup.scheme, fabric, stream, material, setup.spread)
    rt.verdicts.append(("before", standing.ok))
    rt.accused = standing.accused
    return rt


def standing_of(rt: Runtime, before: Standing) -> Standing:
    checks = dict(before.checks)
    for name, ok in rt.verdicts[1:]:
        checks[name] = checks.get(name, True) & ok
    return Standing(rt.verified, checks, rt.accused)


def prepared(rt: Runtime, demand: Demand) -> Stock:
    if demand == Demand():
        return Stock({})
    with rt.fabric.ledger.in_phase("offline"):
        return prepare(rt, demand)
