"""What a cut program is made of: compiled segments, marks, loops with marks in them."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax.fabric import Mark

Env = dict[Any, Any]


class Outside(abc.ABC):
    """What is done at a mark: send, wait, judge. Arrays in, arrays out, as `Mark` says."""

    @abc.abstractmethod
    def meet(self, mark: Mark, step: str, due: Any, *x: Any) -> Any:
        """`step`: which turns of which loops this is, in a loop; the mark's label is unique beside it.

        `due`: shape and dtype of the result, None where there is none. Without a seat, a result may be None, and what is
        told is not in `x`.
        """


@dataclasses.dataclass
class Segment:
    """Equations between two marks, as one compiled function of `given` that returns `kept`."""

    equations: list[Any]
    given: list[Any]
    kept: list[Any]

    def __post_init__(self) -> None:
        self.function = jax.jit(self._compute)

    def _compute(self, *args: Any) -> list[Any]:
        env = dict(zip(self.given, args, strict=True))
        for eqn in self.equations:
            _store(env, eqn, _compat.bind(eqn, *(_read(env, v) for v in eqn.invars)))
        return [_read(env, v) for v in self.kept]

    def run(self, env: Env, outside: Outside, step: str) -> None:
        env.update(zip(self.kept, self.function(*(env[v] for v in self.given)), strict=True))

    def compile(self) -> None:
        """Ahead of its first call, which then finds it."""
        shapes = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype, weak_type=v.aval.weak_type) for v in self.given]
        self.function.lower(*shapes).compile()


@dataclasses.dataclass
class Meeting:
    """A mark. `blind`: nothing is handed over there."""

    eqn: Any
    blind: bool = False

    @property
    def mark(self) -> Mark:
        return self.eqn.params["mark"]

    def run(self, env: Env, outside: Outside, step: str) -> None:
        given = () if self.blind else (_read(env, v) for v in self.eqn.invars)
        due = self.eqn.outvars[0].aval if self.eqn.outvars else None
        found = outside.meet(self.mark, step, due, *given)
        if found is not None:
            env[self.eqn.outvars[0]] = found


@dataclasses.dataclass
class Loop:
    """A scan whose body meets the outside."""

    eqn: Any
    body: Program

    def run(self, env: Env, outside: Outside, step: str) -> None:
        params, values = self.eqn.params, [_read(env, v) for v in self.eqn.invars]
        consts, carries = params["num_consts"], params["num_carry"]
        fixed, carry, tables = values[:consts], values[consts : consts + carries], values[consts + carries :]
        kept = []
        for k in range(params["length"]):
            found = self.body.run(outside, [*fixed, *carry, *(_row(table, k) for table in tables)], f"{step}.{k}")
            carry = found[:carries]
            kept.append(found[carries:])
        stacked = [jnp.stack(parts) for parts in zip(*kept, strict=True)]
        env.update(zip(self.eqn.outvars, [*carry, *stacked], strict=True))


Step = Segment | Meeting | Loop


@dataclasses.dataclass
class Program:
    """Steps, and what each leaves behind that nothing after it needs (`spent`)."""

    given: list[Any]
    consts: dict[Any, Any]
    steps: list[Step]
    results: list[Any]
    spent: list[list[Any]]

    def run(self, outside: Outside, args: list[Any], step: str = "") -> list[Any]:
        env: Env = {**self.consts, **dict(zip(self.given, args, strict=True))}
        for one, spent in zip(self.steps, self.spent, strict=True):
            one.run(env, outside, step)
            for v in spent:
                env.pop(v, None)
        return [_read(env, v) for v in self.results]

    def segments(self) -> Iterator[Segment]:
        for step in self.steps:
            if isinstance(step, Segment):
                yield step
            elif isinstance(step, Loop):
                yield from step.body.segments()

    def marks(self) -> Iterator[Mark]:
        for step in self.steps:
            if isinstance(step, Meeting):
                yield step.mark
            elif isinstance(step, Loop):
                yield from step.body.marks()


def is_literal(v: Any) -> bool:
    return hasattr(v, "val")


def _read(env: Env, v: Any) -> Any:
    return np.asarray(v.val, v.aval.dtype) if is_literal(v) else env[v]


def _store(env: Env, eqn: Any, found: Any) -> None:
    env.update(zip(eqn.outvars, found if eqn.primitive.multiple_results else [found], strict=True))


@jax.jit
def _row(table: Any, k: Any) -> Any:
    return jax.lax.dynamic_index_in_dim(table, k, keepdims=False)
