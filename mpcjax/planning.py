"""What a round will need and send, known before it runs: its phases are traced abstractly, one after the other."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import weighing
from mpcjax._collector import collecting_later
from mpcjax.fabric import Entry, Ledger, Simulated
from mpcjax.offline import Counter, Demand
from mpcjax.phases import ALL, COMBINED, GROUPED, JUDGED, LAST, Output, State, last_of, starting
from mpcjax.rules import Public
from mpcjax.setup import Setup
from mpcjax.spreading import over_devices
from mpcjax.standing import Standing, fresh_standing, prepared, run_phase, runtime_of
from mpcjax.work import Load, Work, counted, nbytes


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a round will need and send, known before it runs; exact. `load`: what it computes and holds, if that is counted."""

    demands: tuple[Demand, ...]
    entries: tuple[Entry, ...]
    opened: tuple[str, ...]
    bits: int
    load: Load | None = None


@dataclasses.dataclass(frozen=True)
class Step:
    """A phase or the making of its material, traced. In bytes: `given`, the state it takes, and `held`, what it adds.

    `state`: shapes of what the phase returns.
    """

    demand: Demand
    ledger: Ledger
    work: Work
    given: int
    held: int
    state: Any = None


def plan(setup: Setup, names: tuple[str, ...] = ALL, counting: bool = False) -> Plan:
    """For the phases `names` and their material. No array is touched. `counting`: with its load, which takes longer."""
    return _plan(setup, names, counting)  # one key for the same plan, however it is asked for


@lru_cache(maxsize=256)
@collecting_later()
def _plan(setup: Setup, names: tuple[str, ...], counting: bool) -> Plan:
    if setup.parts > 1 and names == ALL:
        return (_plan_in_blocks if setup.blocks > 1 else _plan_in_groups)(setup, counting)
    if names in LOCAL:
        return Plan((Demand(),), (), (), setup.bits)
    chain = _chain_of(setup, names)
    walked = {
        name: found for name, found in zip(chain, _walked(setup, chain, counting)[0], strict=True) if name in names
    }
    demands = tuple(step.demand for step in walked.values())
    made = _made(setup, sum(demands, Demand()), counting)
    entries = (*made.ledger.entries, *(entry for step in walked.values() for entry in step.ledger.entries))
    opened = tuple(what for step in walked.values() for what in step.ledger.opened)
    return Plan(demands, entries, opened, setup.bits, _load({"offline": made} | walked) if counting else None)


def demands(setup: Setup, names: tuple[str, ...]) -> Iterator[Demand]:
    """What each of the phases `names` takes, one by one: none is traced before it is asked for."""
    chain = names if names in LOCAL else _chain_of(setup, names)
    for name in names:
        yield Demand() if names in LOCAL else _walk(setup, chain, False).step(chain.index(name)).demand


def _chain_of(setup: Setup, names: tuple[str, ...]) -> tuple[str, ...]:
    """The chain that these phases are of."""
    chains = (LAST,) if setup.blocks > 1 else (_chain(setup), weighing.SCORED, weighing.CHAIN)
    return next(chain for chain in chains if set(names) <= set(chain))


def _chain(setup: Setup) -> tuple[str, ...]:
    """The phases of a round, or of a part of one and what follows."""
    return (*GROUPED, *last_of(setup.rule)) if setup.total else ALL


def state_after(setup: Setup, name: str) -> State:
    """Shapes of what a phase returns."""
    chain = _chain(setup)
    return _walk(setup, chain, False).step(chain.index(name)).state


def _plan_in_groups(setup: Setup, counting: bool) -> Plan:
    """What every group goes through as often as there are groups, and what follows for all."""
    weighted = setup.rule.weighted
    each = plan(setup.part, weighing.SCORED if weighted else GROUPED, counting)
    pieces = [(setup, names) for names in weighing.PIECES] if weighted else [(setup.part, last_of(setup.rule))]
    rest = [plan(own, names, counting) for own, names in pieces]
    again = tuple(dataclasses.replace(entry, uploaded=0.0) for entry in each.entries)  # a peer deals in one group
    return Plan(
        each.demands * setup.groups + sum((one.demands for one in rest), ()),
        each.entries + _of_lanes(setup, again)[len(again) :] + sum((one.entries for one in rest), ()),
        each.opened * setup.groups + sum((one.opened for one in rest), ()),
        setup.bits,
        _load_in_groups(setup, [one.load for one in (each, *rest) if one.load]) if counting else None,
    )


def _plan_in_blocks(setup: Setup, counting: bool) -> Plan:
    """What every block goes through twice, before and after all are judged, and the opening of all."""
    each = [plan(setup.part, names, counting) for names in (JUDGED, COMBINED)]
    last = plan(setup, LAST, counting)
    return Plan(
        sum((one.demands * setup.blocks for one in each), ()) + last.demands,
        sum((_of_lanes(setup, one.entries) for one in each), ()) + last.entries,
        sum((one.opened * setup.blocks for one in each), ()) + last.opened,
        setup.bits,
        _load_in_blocks(setup, [one.load for one in (*each, last) if one.load]) if counting else None,
    )


def _of_lanes(setup: Setup, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """What all parts send, where each sends this: two lanes, the same rounds."""
    first = len(setup.lanes[0])
    beside = tuple(dataclasses.replace(entry, rounds=0) for entry in entries)
    return entries * first + beside * (setup.parts - first)


LOCAL = (weighing.AGAIN, weighing.SUM, weighing.PROJECT)  # that take nothing and send nothing
SELDOM = ("exclude", "reject")  # only where a peer has cheated


def _load(steps: dict[str, Step]) -> Load:
    """Of a round in which nobody cheats. The material of all phases is held all the time."""
    made, *online = (step for name, step in steps.items() if name not in SELDOM)
    memory = max(online[0].given + made.held, *(made.given + step.given + step.held for step in online))
    return Load(tuple((name, step.work) for name, step in steps.items() if name not in SELDOM), memory)


def _load_in_groups(setup: Setup, loads: list[Load]) -> Load:
    """Groups deal into the memory that the one before has left; a weighted rule's messages are computed up to three times."""
    each, *rest = loads
    message = setup.scheme.parties * setup.part.peers * setup.message_length * setup.scheme.field.nbytes
    updates = 4 * setup.everyone * setup.length
    phases = [(name, work * setup.groups) for name, work in each.phases]
    lanes = len(setup.lanes)
    phases.append(("deal", Work(fresh=-message * (setup.groups - lanes))))
    memory = each.memory * lanes
    if setup.rule.weighted:
        chain = dict(zip(weighing.CHAIN, _walked(setup, weighing.CHAIN, True)[0], strict=True))
        again = _walked(setup.part, weighing.AGAIN, True)[0][0].work + Work(fresh=-message)
        phases.append(("deal again", again * (2 * (setup.groups - lanes))))
        phases += [(name, chain[name].work) for name in (*weighing.SUM, *weighing.PROJECT)]
        memory = max(memory, lanes * (message + max(step.held for step in chain.values())))
    phases += [phase for load in rest for phase in load.phases]
    return Load(tuple(phases), updates + memory)


def _load_in_blocks(setup: Setup, loads: list[Load]) -> Load:
    """Every block is dealt twice, into the memory that the one before has left."""
    *each, last = loads
    scheme, part = setup.scheme, setup.part
    message = scheme.parties * part.peers * part.message_length * scheme.field.nbytes
    again = _walked(part, weighing.AGAIN, True)[0][0].work
    phases = [(name, work * setup.blocks) for load in each for name, work in load.phases]
    lanes = len(setup.lanes)
    phases += [("deal again", again * setup.blocks), ("deal", Work(fresh=-message * (setup.blocks - lanes) * 2))]
    results = scheme.parties * setup.length * scheme.field.nbytes
    memory = max(last.memory, 4 * setup.peers * setup.length + results + lanes * max(load.memory for load in each))
    return Load(tuple(phases) + last.phases, memory)


def _walked(setup: Setup, chain: tuple[str, ...], counting: bool = False) -> tuple[tuple[Step, ...], State]:
    """All phases of a chain, traced abstractly, and the state they end in."""
    walk = _walk(setup, chain, counting)
    return tuple(walk.step(number) for number in range(len(chain))), walk.state


@lru_cache(maxsize=256)
def _walk(setup: Setup, chain: tuple[str, ...], counting: bool) -> Walk:
    return Walk(setup, chain, counting)


class Walk:
    """The phases of a chain traced abstractly, one by one: what each takes and sends, and the `state` reached."""

    def __init__(self, setup: Setup, chain: tuple[str, ...], counting: bool):
        self.setup, self.chain, self.counting = setup, chain, counting
        self.state = (
            _weighed(setup) if chain == weighing.CHAIN else _combined(setup) if setup.blocks > 1 else _start(setup)
        )
        spread = over_devices(setup.spread, shared=0)
        self._standing: Any = jax.eval_shape(spread(lambda: fresh_standing(setup.scheme.parties)))
        self._updates = nbytes(self.state.get("updates"))
        self._steps: list[Step] = []
        self._one_at_a_time = threading.Lock()

    def step(self, number: int) -> Step:
        """That phase of the chain, for which those before it are traced."""
        with self._one_at_a_time:
            while len(self._steps) <= number:
                self._steps.append(self._next(self.chain[len(self._steps)]))
            return self._steps[number]

    def _next(self, name: str) -> Step:
        setup, scheme = self.setup, self.setup.scheme
        fabric, counter = Simulated(scheme.parties), Counter(scheme.field, scheme.parties)

        def abstract(seed: Any, state: State, standing: Standing) -> tuple[State, Standing]:
            return run_phase(name, setup, fabric, seed, counter, state, standing)

        kept = self._updates if "updates" not in self.state else 0  # the caller's array is there all the time
        given = kept + nbytes((self.state, self._standing))
        traced = counted if self.counting else _shapes
        spread = over_devices(setup.spread)
        (self.state, self._standing), work, held = traced(spread(abstract), SEED, self.state, self._standing)
        return Step(counter.demand, fabric.ledger, work, given, held, self.state)


def _shapes(function: Any, *args: Any) -> tuple[Any, Work, int]:
    """`counted`, without counting."""
    return jax.eval_shape(function, *args), Work(), 0


def _made(setup: Setup, demand: Demand, counting: bool) -> Step:
    """The making of material; `given`: the bytes that it has in the end, which all phases find beside their state."""
    fabric = Simulated(setup.scheme.parties)
    standing = fresh_standing(setup.scheme.parties)

    def abstract(seed: Any) -> Any:
        return prepared(runtime_of("offline", setup, fabric, seed, None, standing), demand)

    stock, work, held = (counted if counting else _shapes)(abstract, SEED)
    return Step(demand, fabric.ledger, work, nbytes(stock), held)


SEED = jax.ShapeDtypeStruct((8,), np.uint32)


def combined(setup: Setup) -> Output:
    """Shapes of what all blocks were combined to."""
    one: Output = state_after(setup.part, "verify")["output"]
    return Output(jax.ShapeDtypeStruct((setup.scheme.parties, setup.length), setup.scheme.field.dtype), one.scale)


def _combined(setup: Setup) -> State:
    bits = {key: jax.ShapeDtypeStruct((setup.peers,), bool) for key in weighing.PER_PEER}
    return {**bits, "public": _start(setup)["public"], "output": combined(setup)}


def _weighed(setup: Setup) -> State:
    return weighing.abstract(setup, _walked(setup.part, weighing.SCORED)[1])


def _start(setup: Setup) -> Any:
    """The shapes of what the first phase takes; on a mesh, where messages are encoded before, of all devices."""
    each, length = ((), setup.length) if setup.spread.axis is None else ((setup.spread.devices,), setup.spread.local)

    def shape(dtype: Any, *axes: int) -> Any:
        return jax.ShapeDtypeStruct((*each, *axes), dtype)

    peers, vector = setup.peers, shape(jnp.float32, length)
    reference = vector if "reference" in setup.rule.needs else None
    public = Public(shape(jnp.float32, peers), shape(bool, peers), vector, reference)
    if not each:
        return starting(shape(jnp.float32, peers, length), public, shape(jnp.int32))
    whole = jax.ShapeDtypeStruct((peers, setup.message_length), jnp.int32)
    sums = jax.eval_shape(lambda message: setup.certificate.sums(setup.scheme.field, message), whole)
    own = {"finite": shape(bool, peers), "fits": shape(bool, peers), "sums": tuple(shape(x.dtype, peers) for x in sums)}
    return {"integers": shape(jnp.int32, peers, length), "public": public, **own}
