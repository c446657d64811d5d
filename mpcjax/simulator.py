"""Running a round with all parties in this process: compiled phase by phase, repeated with new committees on an abort.

This protects nobody from the owner of the process: it computes what the parties would compute, and sees all of it.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import committee as committees
from mpcjax import devices, prg
from mpcjax._collector import collecting_later
from mpcjax._compat import program_options
from mpcjax.blocks import in_blocks, number_of_blocks
from mpcjax.errors import Abort
from mpcjax.fabric import Simulated
from mpcjax.fields import Field
from mpcjax.forwarding import Forwarding
from mpcjax.grouping import in_groups, number_of_groups
from mpcjax.lanes import Clock
from mpcjax.offline import Stock
from mpcjax.passes import in_passes
from mpcjax.phases import ALL, State, starting
from mpcjax.planning import demands, plan
from mpcjax.rules import Public, Rule
from mpcjax.session import run_offline, run_round
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir
from mpcjax.spreading import WHOLE, Spread, over_devices
from mpcjax.standing import Standing, fresh_standing, joined, run_phase

OFFLINE = "offline"
SCRATCH = (5,)  # the argument of a phase whose memory it may keep
_beginning = threading.Lock()  # one thread traces, others wait and find the programs begun
_compiling = ThreadPoolExecutor(max_workers=os.cpu_count())  # what is needed first is compiled first


class Committee:
    """A committee simulated in this process. Made by `mpcjax.simulate`.

    `caught`: peers proven to have sent wrong shares; they are never drawn again. `history`: committees whose round was
    aborted, with the name of the failed check.
    """

    def __init__(
        self,
        scheme: Shamir,
        tamper: Any = None,
        attempts: int = 5,
        group: int | None = None,
        block: int | None = None,
        mesh: Any = None,
    ):
        self.scheme, self.tamper, self.attempts, self.group, self.block = scheme, tamper, attempts, group, block
        self.mesh = mesh
        self.caught: set[int] = set()
        self.history: list[tuple[tuple[int, ...], str]] = []

    @property
    def parties(self) -> int:
        return self.scheme.parties

    @property
    def threshold(self) -> int:
        return self.scheme.threshold

    @property
    def field(self) -> Field:
        return self.scheme.field

    def groups(self, peers: int, length: int, rule: Rule | None = None) -> int:
        """In how many groups `rule` (by default an additive one) handles its peers."""
        return number_of_groups(self.scheme, peers, length, rule, self.group, self.spread(length).devices)

    def blocks(self, setup: Setup) -> int:
        """In how many blocks the rule of a round handles its parameters."""
        return number_of_blocks(setup, self.block)

    def spread(self, length: int) -> Spread:
        """How vectors of `length` are cut for the devices of the mesh, if there is one."""
        return WHOLE if self.mesh is None else Spread(devices.AXIS, self.mesh.shape[devices.AXIS], length)

    def __repr__(self) -> str:
        mode = "robust" if self.scheme.robust else "with abort"
        return f"Committee(parties={self.parties}, threshold={self.threshold}, field=2^{self.field.exponent}-1, {mode})"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a round: the final state and standing, and (eager) who sat, what failed before, seconds by phase.

    `stopped`: the phase whose check failed, if one did.
    """

    state: State
    standing: Standing
    members: tuple[int, ...] = ()
    failed: tuple[tuple[tuple[int, ...], str], ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()
    stopped: str = ""


def round_seed(key: Any, round: Any, attempt: int) -> Any:
    """256-bit seed of one attempt at one round: `key [8]` uint32, `round` an integer (may be traced)."""
    return prg.Stream.from_seed(key).child("attempt", attempt).at("round", round).key()


def traced(setup: Setup, committee: Committee, key: Any, round: Any, updates: Any, public: Public) -> Outcome:
    """The whole round in the current trace; no repetition, look at `standing.ok`."""
    hook = None
    if committee.tamper is not None:
        arrays = committee.tamper.arrays(tuple(range(committee.parties)), None, 0)
        hook = committee.tamper.hook(committee.field, arrays)
    fabric = Simulated(committee.parties, hook)
    return Outcome(*run_round(setup, fabric, round_seed(key, round, 0), updates, public))


def eager(setup: Setup, committee: Committee, key: Any, round: int, updates: Any, public: Public) -> Outcome:
    """Phase by phase; on a failed check nothing more is sent, and another committee repeats the round."""
    failed: list[tuple[tuple[int, ...], str]] = []
    accused: set[int] = set()
    phase = ""  # that the last attempt ended in
    for attempt in range(committee.attempts):
        seed = round_seed(key, round, attempt)
        members = committees.draw(np.asarray(seed).tobytes(), setup.peers, committee.parties, sorted(committee.caught))
        with _memory_named(setup):
            outcome = _attempt(setup, committee, members, round, attempt, seed, updates, public)
        liars = [members[j] for j in np.flatnonzero(np.asarray(outcome.standing.accused))]
        accused.update(liars)
        committee.caught.update(liars)
        if bool(outcome.standing.ok):
            return dataclasses.replace(outcome, members=members, failed=tuple(failed))
        phase = outcome.stopped
        check = next((name for name, ok in outcome.standing.checks.items() if not bool(ok)), "unknown")
        failed.append((members, check))
        committee.history.append((members, check))
    raise Abort(
        failed[-1][1],
        phase=phase,
        round=int(round),
        parties=sorted(accused),
        remedy=f"{len(failed)} committees in a row were disturbed: {[list(m) for m, _ in failed]}; use a larger committee "
        "(mpcjax.committee_size), or robust mode (threshold < parties / 3), which corrects and names the liars",
    )


@contextmanager
def _memory_named(setup: Setup) -> Iterator[None]:
    """`MemoryError` with what to do, where the device has too little memory."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        load = plan(setup, counting=True).load
        needed = f" about {load.memory / 1e9:.1f} GB, as predicted" if load else ""
        raise MemoryError(
            f"rule {setup.rule.name!r} of {setup.peers} peers and {setup.length:,} parameters in a committee of "
            f"{setup.scheme.parties} needs more memory than the device has:{needed}. Use a smaller committee, fewer peers or "
            "parameters, smaller parts (group= and block= of mpcjax.simulate, for rules that have them), or another rule: "
            "mpcjax.estimate(...).memory says what each needs"
        ) from error


def _attempt(
    setup: Setup,
    committee: Committee,
    members: tuple[int, ...],
    round: int,
    attempt: int,
    seed: Any,
    updates: Any,
    public: Public,
) -> Outcome:
    arrays = () if committee.tamper is None else committee.tamper.arrays(members, round, attempt)
    clock = Clock()
    walk, mesh = partial(_walk, arrays, clock), committee.mesh
    walk = walk if mesh is None else devices.on_mesh(walk, setup, mesh)
    programs = partial(compiled, tamper=committee.tamper, mesh=mesh)
    if setup.parts > 1:
        by_part = in_blocks if setup.blocks > 1 else in_passes if setup.rule.weighted else in_groups
        begin = _refuse_early if mesh is not None or _bound((updates, public)) else partial(_begin, arrays)
        scratch = partial(devices.scratch, setup.part, mesh)
        state, standing = by_part(setup, programs, walk, seed, updates, public, scratch, begin)
    else:
        state, standing = walk(programs(setup), seed, starting(updates, public))
    if mesh is not None and bool(standing.ok):
        state = devices.put_together(setup, mesh, state, public)
    return Outcome(state, standing, seconds=tuple(clock.seconds.items()), stopped=clock.stopped)


def _walk(
    arrays: Any, clock: Clock, programs: Programs, seed: Any, state: State, scratch: Any = None
) -> tuple[State, Standing]:
    """One program after the other, until a check fails.

    `scratch` is used up: an array like the shares of the messages, for the first phase to write them to.
    """
    _begin(arrays, programs, seed, state, scratch)

    def timed(name: str, *args: Any) -> Any:
        with clock.runs(name):
            state, standing = jax.block_until_ready(programs[name](*args))
        if not bool(jnp.all(standing.ok)):
            clock.stop(name)
        return state, standing

    stocks, standing = timed(OFFLINE, seed, arrays)
    for name, stock in zip(programs.online, stocks, strict=True):
        if not bool(jnp.all(standing.ok)):
            break  # what is opened later would rest on something unverified
        if name == "exclude" and bool(jnp.all(state["well"])):
            continue
        if name == "reject" and bool(jnp.all(state["public"].accepted)):
            continue
        state, after = timed(name, seed, arrays, stock, state, standing.bare, scratch)
        standing, scratch = joined(standing, after), None
    return state, standing


def _begin(arrays: Any, programs: Programs, seed: Any, state: State, scratch: Any = None) -> None:
    """On the first walk: trace all programs, and compile each in the background as soon as is known what it takes.

    Arrays that are bound to a device make other programs than their shapes tell: these compile when they are called.
    """
    with _beginning, collecting_later():
        if _bound((seed, arrays, state)):
            _refuse_early(programs)
        elif not programs[OFFLINE].begun:
            setup, standing = programs.setup, jax.eval_shape(lambda: fresh_standing(programs.setup.scheme.parties))
            for name, demand in zip(programs.online, demands(setup, programs.online), strict=True):
                stock = Stock.abstract(setup.scheme.field, setup.scheme.parties, demand)
                state, _ = programs[name].begin(_compiling, seed, arrays, stock, state, standing, scratch)
                scratch = None
            programs[OFFLINE].begin(_compiling, seed, arrays)


def _refuse_early(programs: Programs, *_: Any) -> None:
    """What cannot be traced, where nothing is compiled ahead: not in the midst of a round."""
    plan(programs.setup, programs.online)


def _bound(arrays: Any) -> bool:
    return any(getattr(leaf, "committed", False) for leaf in jax.tree_util.tree_leaves(arrays))


class Programs(dict[str, Forwarding]):
    """The program of each of the phases `online`, and of their material."""

    def __init__(self, setup: Setup, online: tuple[str, ...], program: Callable[[str], Forwarding]):
        super().__init__({name: program(name) for name in (OFFLINE, *online)})
        self.setup, self.online = setup, online


@lru_cache(maxsize=64)
def compiled(
    setup: Setup, names: tuple[str, ...] = ALL, *, tamper: Any, mesh: Any = None, here: bool = True
) -> Programs:
    """The jitted phases `names` of a setup, and the program for their material; shapes are static: each compiles once.

    `here`: for this machine, with what is known to shorten its compilation, and not to be lowered for another.
    """
    options = program_options(None if mesh is None else mesh.devices.flat[0].platform) if here else {}
    around = over_devices(setup.spread, mesh, shared=2)
    parties, field = setup.scheme.parties, setup.scheme.field

    def fabric(arrays: Any) -> Simulated:
        return Simulated(parties, None if tamper is None else tamper.hook(field, arrays))

    def material(seed: Any, arrays: Any) -> Any:
        return run_offline(setup, fabric(arrays), seed, names)

    def program(name: str) -> Forwarding:
        if name == OFFLINE:
            return Forwarding(material, around=around, options=options)

        def run(seed: Any, arrays: Any, stock: Any, state: State, standing: Standing, scratch: Any) -> Any:
            state = state if scratch is None else {**state, "scratch": scratch}
            return run_phase(name, setup, fabric(arrays), seed, stock, state, standing)

        return Forwarding(run, donated=SCRATCH, around=around, options=options)

    return Programs(setup, names, program)
