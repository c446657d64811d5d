"""A case: a protocol program whose right answer is known, played under an attack, and its outcome judged."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import mpcjax.protocols  # noqa: F401 - loads the modules whose constants are lowered below
from mpcjax.checks import CATALOGUE
from mpcjax.fabric import Simulated
from mpcjax.offline import count
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.tamper.attack import Additive, Hook, Sent, switched_off, switches
from tests.tamper.material import dealt

PEERS = 3


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a program found: `accepted [n]` peers (or None), `residual`: outputs minus the right ones, any shape.

    `verified`: whether the parties would go on with the outputs, where that is not the runtime's last word.
    """

    residual: Any
    accepted: Any = None
    verified: Any = None


@dataclasses.dataclass(frozen=True)
class Case:
    """`program(rt, key, given)` on `scheme`; `online`: its material is dealt by the test.

    `key` seeds the peers' inputs. `defaults` makes what the peers do otherwise, `given`: a pytree, honest by default.
    """

    name: str
    scheme: Shamir
    program: Callable[[Runtime, Any, Any], Answer]
    online: bool = True
    defaults: Callable[[], Any] = dict

    def __str__(self) -> str:
        scheme = self.scheme
        return f"{self.name}-e{scheme.field.exponent}-m{scheme.parties}-t{scheme.threshold}"


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Outcome:
    """Of one run: `verified`, `wrong` (an output differs from the right one), who was accepted, accused; a leak."""

    verified: Any
    wrong: Any
    accepted: Any
    accused: Any
    leaked: Any


@contextmanager
def small_paths() -> Iterator[None]:
    """Lower the sizes from which the protocols take their paths for large inputs."""
    opening, proof = sys.modules["mpcjax.protocols.opening"], sys.modules["mpcjax.protocols.proof"]
    before = opening.BULK, proof.SHORT, proof.ROBUST_SHORT
    opening.BULK, proof.SHORT, proof.ROBUST_SHORT = 4, 2, 2
    try:
        yield
    finally:
        opening.BULK, proof.SHORT, proof.ROBUST_SHORT = before


def play(case: Case, attack: Additive | None, off: Any, key: Any, given: Any) -> tuple[Outcome, list[Sent]]:
    """One run on the simulated fabric, in the current trace. `key`: raw `jax.random` key data `[2]`."""
    scheme = case.scheme
    hook = Hook(scheme.field, attack)
    fabric = Simulated(scheme.parties, hook)
    seed, inputs, material = (jax.random.fold_in(key, k) for k in range(3))
    parties = Stream.from_seed(jax.random.bits(seed, (8,), jnp.uint32)).per_row("party", fabric.rows)
    with small_paths(), switched_off(switches(off)):
        stock: Any = dealt(scheme, material, demand(case)) if case.online else None
        rt = Runtime(scheme, fabric, parties, stock)
        hook.verified = lambda: rt.verified
        answer = case.program(rt, inputs, given)
    accepted = jnp.ones((PEERS,), bool) if answer.accepted is None else answer.accepted
    verified = rt.verified if answer.verified is None else answer.verified
    return Outcome(verified, jnp.any(answer.residual != 0), accepted, rt.accused, hook.leaked), hook.sent


@cache
def demand(case: Case) -> Any:
    key = jax.random.key_data(jax.random.key(0))
    with small_paths():
        return count(lambda rt: case.program(rt, key, case.defaults()), case.scheme)[0]


@cache
def messages(case: Case) -> tuple[Sent, ...]:
    """Every message the program sends, from a dry run."""
    found: list[Sent] = []

    def dry(key: Any) -> None:
        found.extend(play(case, None, np.zeros(len(CATALOGUE), bool), key, case.defaults())[1])

    jax.eval_shape(dry, jax.ShapeDtypeStruct((2,), jnp.uint32))
    return tuple(found)


@cache
def compiled(case: Case) -> Any:
    """`(attacks, off, keys, given) -> outcomes`, a batch of runs. Compiled in haste: it runs for seconds only."""

    def run(attack: Additive, off: Any, key: Any, given: Any) -> Outcome:
        return play(case, attack, off, key, given)[0]

    haste = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    return jax.jit(jax.vmap(run, in_axes=(0, None, 0, 0)), compiler_options=haste)
