"""Running a jaxpr on secrets, equation by equation."""

from __future__ import annotations

import contextlib
import dataclasses
import linecache
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax import secret as ms
from mpcjax.jaxprs import kinds
from mpcjax.jaxprs.refusals import refuse
from mpcjax.jaxprs.spans import span_of
from mpcjax.jaxprs.table import ELEMENTWISE, WHOLE, thin
from mpcjax.jaxprs.values import Value, known
from mpcjax.rules.calling import NOT_THEIRS
from mpcjax.secret import Secret

SQUARES = ("mul", "square")  # what `reduce_sum` can add up without opening every product


@dataclasses.dataclass
class Run:
    """The policy: a factor of a product of secrets, a dividend, or what is under a root is rounded to `most` fractional bits
    where it has more. Quotients and roots get `bits`. Everything else is exact."""

    bits: int
    most: int
    done: dict[int, tuple[Secret, Secret]] = dataclasses.field(default_factory=dict)

    def rounded(self, x: Secret) -> Secret:
        """`x` as a factor; what is a factor twice is rounded once."""
        if x.scale <= self.most:
            return x
        if id(x) not in self.done:
            self.done[id(x)] = (x, ms.rescale(x, self.most))  # with x, for its id must not be given to another
        return self.done[id(x)][1]


def interpret(run: Run, jaxpr: Any, consts: Any, given: list[Value], place: str = "") -> list[Value]:
    """The results of a jaxpr. `place`: the line of the call, for functions that are not the user's."""
    theirs = not place or not _compat.file_of(jaxpr).startswith(NOT_THEIRS)
    equations, summed = _needed(jaxpr)
    env = dict(zip(jaxpr.constvars, map(_constant, consts), strict=True)) | dict(zip(jaxpr.invars, given, strict=True))
    for eqn in equations:
        here = (theirs and _line(eqn)) or place
        values = [_literal(v) if hasattr(v, "val") else env[v] for v in eqn.invars]
        try:
            found = _equation(run, eqn, values, here, any(v in summed for v in eqn.outvars))
        except Exception as error:
            _locate(error, here)
            raise
        env.update(zip(eqn.outvars, found, strict=True))
    return [_literal(v) if hasattr(v, "val") else env[v] for v in jaxpr.outvars]


def _needed(jaxpr: Any) -> tuple[list[Any], set[Any]]:
    """The equations that the results depend on; and the variables that are used once, by a sum."""
    users: dict[Any, list[str]] = {v: ["result"] for v in jaxpr.outvars if not hasattr(v, "val")}
    equations = []
    for eqn in reversed(jaxpr.eqns):
        if eqn.effects or any(v in users for v in eqn.outvars):  # what has effects is not left out, but refused
            equations.append(eqn)
            for v in eqn.invars:
                if not hasattr(v, "val"):
                    users.setdefault(v, []).append(eqn.primitive.name)
    return equations[::-1], {v for v, names in users.items() if names == ["reduce_sum"]}


def _nothing(var: Any) -> Value:
    """An array without numbers is public."""
    return known(np.zeros(var.aval.shape, var.aval.dtype))


def _constant(x: Any) -> Value:
    return known(x) if _compat.is_concrete(x) else Value(x, np.shape(x))


def _literal(literal: Any) -> Value:
    return known(np.asarray(literal.val, literal.aval.dtype))


def _equation(run: Run, eqn: Any, values: list[Value], place: str, summed: bool) -> list[Value]:
    name = eqn.primitive.name
    if (inner := _compat.called(eqn)) is not None:
        return interpret(run, *inner, values, place)
    if not any(value.secret for value in values):
        return _of_public(eqn, values) if eqn.outvars else []  # of who is accepted nothing is printed
    if eqn.outvars and all(math.prod(var.aval.shape) == 0 for var in eqn.outvars):
        return [_nothing(var) for var in eqn.outvars]
    if name == "scan":
        return _scan(run, eqn, values, place)
    if name == "cond" and (branch := values[0].only()) is not None:
        return interpret(run, *_compat.opened(eqn.params["branches"][int(branch)]), values[1:], place)
    if summed and name in SQUARES and all(value.secret for value in values):
        factors = run.rounded(values[0].x), run.rounded(values[-1].x)
        return [Value(None, eqn.outvars[0].aval.shape, *span_of(eqn, values), factors=factors)]
    if name not in ELEMENTWISE and name not in WHOLE:
        refuse(name)
    return _of_secrets(run, eqn, values)


def _of_secrets(run: Run, eqn: Any, values: list[Value]) -> list[Value]:
    name = eqn.primitive.name
    if name in WHOLE and name != "broadcast_in_dim":
        values = [value if value.factors else dataclasses.replace(value, x=value.full) for value in values]
    kinds.check(eqn)
    found = {**ELEMENTWISE, **WHOLE}[name](run, eqn, *values)
    span = span_of(eqn, values)
    results = found if isinstance(found, list) else [found]
    for x, var in zip(results, eqn.outvars, strict=True):
        kinds.check_result(eqn, x, np.dtype(var.aval.dtype))
    return [_result(x, var.aval.shape, span) for x, var in zip(results, eqn.outvars, strict=True)]


def _result(x: Any, shape: tuple[int, ...], span: tuple[float, float]) -> Value:
    if isinstance(x, Value):
        return dataclasses.replace(x, shape=shape)
    return Value(x, shape, *span)


def _of_public(eqn: Any, values: list[Value]) -> list[Value]:
    """By JAX itself: now, where all values are known, so that they stay known; else as part of the program."""
    shapes = [var.aval.shape for var in eqn.outvars]
    fixed = all(value.fixed for value in values)
    if eqn.primitive.name == "broadcast_in_dim" and len(values) == 1:
        return [dataclasses.replace(values[0], x=thin(eqn, values[0].full), shape=shapes[0])]
    operands = [value.full for value in values]
    with jax.ensure_compile_time_eval() if fixed else contextlib.nullcontext():
        found = _compat.bind(eqn, *map(jnp.asarray, operands))
    results = found if eqn.primitive.multiple_results else [found]
    if fixed:
        return [known(x) for x in results]
    span = span_of(eqn, values)
    return [Value(x, shape, *span) for x, shape in zip(results, shapes, strict=True)]


def _scan(run: Run, eqn: Any, values: list[Value], place: str) -> list[Value]:
    """Step by step: as long a program as the steps written one after the other."""
    params = eqn.params
    jaxpr, consts = _compat.opened(params["jaxpr"])
    first, last = params["num_consts"], params["num_consts"] + params["num_carry"]
    shared, carry, rows = values[:first], values[first:last], values[last:]
    steps = range(params["length"])
    outputs: list[list[Value]] = []
    for step in reversed(steps) if params["reverse"] else steps:
        found = interpret(run, jaxpr, consts, [*shared, *carry, *(_row(v, step) for v in rows)], place)
        carry = found[: last - first]
        outputs.append(found[last - first :])
    ordered = outputs[::-1] if params["reverse"] else outputs
    columns = zip(*ordered, strict=True) if ordered else ()
    empty = [_nothing(var) for var in eqn.outvars[last - first :]] if not ordered else ()
    return [*carry, *(_stacked(list(column)) for column in columns), *empty]


def _row(value: Value, step: int) -> Value:
    return Value(value.full[step], value.shape[1:], value.low, value.high, value.fixed)


def _stacked(rows: list[Value]) -> Value:
    span = min(row.span[0] for row in rows), max(row.span[1] for row in rows)
    fixed = all(row.fixed for row in rows)
    stack: Any = np.stack if fixed else ms.stack
    return Value(stack([row.full for row in rows]), (len(rows), *rows[0].shape), *span, fixed=fixed)


def _line(eqn: Any) -> str:
    """file:line and its text of the innermost call outside of mpcjax, JAX and NumPy."""
    for file, line in _compat.frames(eqn):
        if not file.startswith(NOT_THEIRS):
            text = linecache.getline(file, line).strip()
            return f"{file}:{line}" + (f" `{text}`" if text else "")
    return ""


def _locate(error: Exception, place: str) -> None:
    """Put the line in front of the message, once."""
    if place and not getattr(error, "located", False):
        error.args = (f"{place}: {error}", *error.args[1:])
        error.located = True  # type: ignore[attr-defined]
