"""The programs of one peer, for every phase: as a member of the committee, and as one that only deals."""

from __future__ import annotations

import dataclasses
import threading
import time
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax._collector import collecting_later
from mpcjax.fabric import Cut
from mpcjax.phases import ALL, starting
from mpcjax.rules import Public
from mpcjax.seeds import keys_of
from mpcjax.segments import Traced
from mpcjax.session import run_offline
from mpcjax.setup import Setup
from mpcjax.standing import run_phase

OFFLINE = "offline"
SEED = np.zeros(8, np.uint32)


@dataclasses.dataclass(frozen=True)
class Programs:
    """`told`: what peers without a seat wait for, by phase. Place in the committee and keys are arguments of all."""

    setup: Setup
    phases: dict[str, Traced]
    told: dict[str, frozenset[str]]
    _compiled: set[bool] = dataclasses.field(default_factory=set, init=False, compare=False)
    _lock: Any = dataclasses.field(default_factory=threading.Lock, init=False, compare=False)

    def compile(self, member: bool) -> float:
        """Ahead of the first round, once; seconds it took. Who calls it while another thread does waits for that.

        With JAX's compilation cache other processes find it done.
        """
        start = time.perf_counter()
        with self._lock:
            if member not in self._compiled:
                for traced in self.phases.values():
                    for segment in (traced.of_member if member else traced.of_peer).segments():
                        segment.compile()
                self._compiled.add(member)
        return time.perf_counter() - start


@lru_cache(maxsize=16)
@collecting_later()
def programs(setup: Setup) -> Programs:
    """Traces all phases for one member and one peer. No array is touched, nothing is compiled."""
    scheme = setup.scheme
    keys, seat = jax.tree.map(_shape, keys_of(SEED, 0, 0)), jax.ShapeDtypeStruct((1,), np.int32)

    def fabric(seat: Any) -> Cut:
        return Cut(scheme.parties, setup.peers, seat)

    traced = {OFFLINE: Traced(lambda keys, seat: run_offline(setup, fabric(seat), keys), keys, seat)}
    stocks, standing = traced[OFFLINE].result
    state = starting(
        jax.ShapeDtypeStruct((1, setup.length), np.float32), _public(setup), jax.ShapeDtypeStruct((), np.int32)
    )
    for name, stock in zip(ALL, stocks, strict=True):

        def phase(keys: Any, seat: Any, stock: Any, state: Any, standing: Any, name: str = name) -> Any:
            return run_phase(name, setup, fabric(seat), keys, stock, state, standing)

        traced[name] = Traced(phase, keys, seat, stock, state, standing)
        state, standing = traced[name].result
    told = {
        name: frozenset(mark.label for mark in one.of_peer.marks() if mark.kind == "told")
        for name, one in traced.items()
    }
    return Programs(setup, traced, told)


def _public(setup: Setup) -> Any:
    reference = np.zeros(setup.length, np.float32) if "reference" in setup.rule.needs else None
    return jax.tree.map(_shape, Public.of(setup.peers, setup.length, reference=reference))


def _shape(x: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(jnp.shape(x), jnp.result_type(x))
