"""Cutting a jaxpr at its marks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mpcjax import _compat
from mpcjax.fabric import mark_p
from mpcjax.segments.steps import Env, Loop, Meeting, Program, Segment, Step, is_literal

CHEAP = {"broadcast_in_dim", "iota", "convert_element_type", "reshape"}
SENDING = {"peers", "said"}  # what a peer without a seat does; it is "told" what it needs for that


def cut(
    given: list[Any], consts: dict[Any, Any], equations: list[Any], results: list[Any], blind: bool = False
) -> Program:
    """`blind`: of a peer without a seat, who has nothing to say where it is told something."""
    cheap = _cheap(equations)
    parts = _parts([eqn for eqn in equations if eqn.outvars == [] or eqn.outvars[0] not in cheap])
    for k, part in enumerate(parts):  # what a mark or the caller reads is computed once, before it
        read = _reads(parts[k + 1]) if k + 1 < len(parts) else [v for v in results if not is_literal(v)]
        if isinstance(part, list):
            part += _cheap_for(read, part, cheap)
    steps: list[Step] = []
    needed = [{v for v in results if not is_literal(v)}]
    for part in reversed(parts):
        step = _step(part, needed[-1], cheap, blind)
        if step is not None:
            steps.append(step)
            needed.append((needed[-1] - set(_defines(step))) | _given(step))
    steps.reverse()
    after = needed[:-1][::-1]
    before = needed[1:][::-1]
    spent = [list((b | set(_defines(s))) - a) for s, b, a in zip(steps, before, after, strict=True)]
    return Program(given, {v: c for v, c in consts.items() if v in needed[-1]}, steps, results, spent)


def _parts(equations: list[Any]) -> list[Any]:
    """Lists of equations, and between each two of them one that meets the outside."""
    parts: list[Any] = [[]]
    for eqn in equations:
        if _meets(eqn):
            parts += [eqn, []]
        else:
            parts[-1].append(eqn)
    return parts


def _step(part: Any, needed: set[Any], cheap: Env, blind: bool) -> Step | None:
    if not isinstance(part, list):
        return Meeting(part, blind and part.params["mark"].kind == "told") if part.primitive is mark_p else _loop(part)
    equations = _cheap_for(_reads_of(part), part, cheap) + part
    defined = dict.fromkeys(v for eqn in equations for v in eqn.outvars)
    kept = [v for v in defined if v in needed]
    given = [v for v in _reads_of(equations) if v not in defined]
    return Segment(equations, given, kept) if kept else None


def _loop(eqn: Any) -> Loop:
    if eqn.primitive.name != "scan" or eqn.params["reverse"]:
        raise NotImplementedError(
            f"messages are sent within {eqn.primitive.name!r}: legal are scans, see protocols.repeat"
        )
    jaxpr, consts = _compat.opened(eqn.params["jaxpr"])
    known = dict(zip(jaxpr.constvars, consts, strict=True))
    return Loop(eqn, cut(jaxpr.invars, known, jaxpr.eqns, jaxpr.outvars))


def _cheap(equations: list[Any]) -> Env:
    """Which variables cost nothing to compute again, and by what equation."""
    found: Env = {}
    for eqn in equations:
        if eqn.primitive.name in CHEAP and all(is_literal(v) or v in found for v in eqn.invars):
            found[eqn.outvars[0]] = eqn
    return found


def _cheap_for(read: list[Any], part: list[Any], cheap: Env) -> list[Any]:
    """The equations for those of `read` that are cheap, and for what these read, in order; not those in `part` already."""
    have, found = {id(eqn) for eqn in part}, []

    def add(v: Any) -> None:
        eqn = cheap.get(v)
        if eqn is not None and id(eqn) not in have:
            have.add(id(eqn))
            for w in eqn.invars:
                if not is_literal(w):
                    add(w)
            found.append(eqn)

    for v in read:
        add(v)
    return found


def dealing(equations: list[Any]) -> list[Any]:
    """Those that what a peer deals depends on; where it is told something, what that is made of is none of its business."""
    needed: set[Any] = set()
    found = []
    for eqn in reversed(equations):
        kind = eqn.params["mark"].kind if eqn.primitive is mark_p else ""
        wanted = any(v in needed for v in eqn.outvars)
        if wanted and kind and kind != "told":
            raise NotImplementedError(f"what a peer deals depends on {eqn.params['mark']}, which only members see")
        within = [] if kind else _marks(eqn)
        if any(wanted or mark.kind in SENDING for mark in within):
            raise NotImplementedError(
                f"a peer would have to run {eqn.primitive.name!r} with {within[0]} in it: not legal"
            )
        if wanted or kind in SENDING:
            found.append(eqn)
            needed.update(_reads(eqn) if kind != "told" else ())
    return found[::-1]


def _meets(eqn: Any) -> bool:
    return bool(_marks(eqn))


def _marks(eqn: Any) -> list[Any]:
    """All marks in an equation."""
    if eqn.primitive is mark_p:
        return [eqn.params["mark"]]
    return [mark for jaxpr in _inside(eqn) for inner in jaxpr.eqns for mark in _marks(inner)]


def _inside(eqn: Any) -> Iterator[Any]:
    """The jaxprs that an equation holds."""
    for param in eqn.params.values():
        for one in param if isinstance(param, tuple | list) else (param,):
            jaxpr = _compat.opened(one)[0]
            if hasattr(jaxpr, "eqns"):
                yield jaxpr


def _reads(part: Any) -> list[Any]:
    return _reads_of(part if isinstance(part, list) else [part])


def _reads_of(equations: list[Any]) -> list[Any]:
    """In order of appearance: the order of a segment's arguments must be that of all processes."""
    return list(dict.fromkeys(v for eqn in equations for v in eqn.invars if not is_literal(v)))


def _given(step: Step) -> set[Any]:
    if isinstance(step, Segment):
        return set(step.given)
    return set() if isinstance(step, Meeting) and step.blind else set(_reads(step.eqn))


def _defines(step: Step) -> list[Any]:
    return step.kept if isinstance(step, Segment) else list(step.eqn.outvars)
