"""The same steps many times: traced and compiled once, with everything that a runtime keeps track of kept for each time.

In a trace `repeat` is one `lax.scan`, so that a circuit of thirty levels compiles as fast as one level. What a step takes
and sends is learned from a dry run; the material of all steps is taken beforehand; their claims, verdicts and entries in
the ledger are handed on to the runtime outside. Between parties that are apart, where nothing is traced, it is a loop.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.errors import OrderError
from mpcjax.fabric import Entry, Fabric, Ledger, Simulated
from mpcjax.prg import Stream
from mpcjax.protocols.verify import verify
from mpcjax.runtime import MERGED, PARTS, Claim, Material, Runtime
from mpcjax.sharing import Shamir

Body = Callable[[Runtime, Any, Any], Any]


def repeat(rt: Runtime, body: Body, carry: Any, tables: Any, drawing: bool = False) -> Any:
    """`carry = body(inner, carry, tables[k])` for every k along the leading axis of the public arrays `tables`.

    `carry`: shares `[rows, ...]`, of unchanged shapes; all shares that the body uses come in by it. The body takes
    material and makes claims on the runtime `inner` as on any other; it opens no output, and draws randomness of its own
    only if `drawing`: then every step has a stream from keys of its own. A tamper hook meets the messages of a step once in
    a trace, for all steps. If the body verifies something (as short masks do), nothing is left unverified between the steps.

    Cost: messages, rounds and material of the steps, no more. Revealed, guarantee: as the body's.
    """
    tables = jax.tree.map(jnp.asarray, tables)
    count = jax.tree.leaves(tables)[0].shape[0]
    if not count:
        return carry
    name = rt.fresh("repeat")
    learned = _learn(rt, name, body, carry, tables, drawing)
    if learned.verifies:
        verify(rt)
    keys = jnp.moveaxis(rt.stream.words(name, 8 * count).reshape(-1, count, 8), 1, 0) if drawing else None
    given = (tables, [_taken(rt, kind, (count, *shape)) for kind, shape in learned.takes], keys)
    start = (carry, rt.verified, rt.accused)

    def step(state: Any, given: Any) -> tuple[Any, Any]:
        table, taken, keys = given
        inner = _Inner(rt.scheme, rt.fabric, _Given(taken), name, rt.steps * count, keys)
        return _step(inner, body, learned.verifies, state, table)

    if rt.fabric.traceable:
        with _set_aside(rt.fabric):
            end, kept = jax.lax.scan(step, start, given)
        for k in range(count):
            rt.fabric.ledger.entries += _numbered(learned.ledger.entries, name, k)
    else:
        end, kept = _looped(rt.fabric.ledger, name, step, start, given)
    return _handed_on(rt, learned, end, kept, count)


@dataclasses.dataclass(frozen=True)
class _Learned:
    """About one step: what it takes, in order; what it sends; the names of its checks; whether it verifies."""

    takes: list[tuple[str, tuple[int, ...]]]
    ledger: Ledger
    checks: list[str]
    verifies: bool


class _Notes(Material):
    """Hands out zeros, and notes for what."""

    def __init__(self, scheme: Shamir):
        self.scheme = scheme
        self.takes: list[tuple[str, tuple[int, ...]]] = []

    def take(self, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
        self.takes.append((kind, shape))
        return tuple(self.scheme.field.zeros((self.scheme.parties, *shape)) for _ in range(PARTS[kind]))


class _Given(Material):
    """Hands out the material of one step, in order."""

    def __init__(self, taken: list[tuple[Any, ...]]):
        self.taken = iter(taken)

    def take(self, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
        return next(self.taken)


class _NoStream:
    def __getattr__(self, name: str) -> Any:
        raise OrderError("a repeated step draws randomness of its own: every time would draw the same")


class _Inner(Runtime):
    """The runtime of one of `steps`, which are called `name`; `keys [rows, 8]`: of its own randomness, if it draws any."""

    def __init__(self, scheme: Shamir, fabric: Fabric, material: Material, name: str, steps: int, keys: Any):
        stream: Any = _NoStream() if keys is None else Stream(keys)
        super().__init__(scheme, fabric, stream, material)
        self.name, self.steps = name, steps

    def fresh(self, label: str) -> str:
        return f"{self.name}/{super().fresh(label)}"

    def require_settled(self, what: str) -> None:
        raise OrderError(f"{what} would open within a repeated step, before the steps are verified")


def _learn(rt: Runtime, name: str, body: Body, carry: Any, tables: Any, drawing: bool) -> _Learned:
    """One step, abstractly, with all parties in one process."""
    scheme, fabric, notes = rt.scheme, Simulated(rt.scheme.parties), _Notes(rt.scheme)
    fabric.ledger.phase = rt.fabric.ledger.phase
    steps, learned = rt.steps * jax.tree.leaves(tables)[0].shape[0], list[_Inner]()

    def abstract(carry: Any, table: Any) -> Any:
        keys = jnp.zeros((scheme.parties, 8), jnp.uint32) if drawing else None
        inner = _Inner(scheme, fabric, notes, name, steps, keys)
        learned.append(inner)
        carry = body(inner, carry, table)
        if inner.verifications:
            verify(inner)
        return carry

    shapes = jax.tree.map(lambda a: jax.ShapeDtypeStruct((scheme.parties, *a.shape[1:]), a.dtype), carry)
    found = jax.eval_shape(abstract, shapes, jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), tables))
    if jax.tree.map(_kind, found) != jax.tree.map(_kind, shapes):
        raise ValueError(
            f"repeat: the body turned shares {shapes} into {found}; legal are the same structure and shapes"
        )
    (inner,) = learned
    return _Learned(notes.takes, fabric.ledger, [check for check, _ in inner.verdicts], inner.verifications > 0)


def _kind(x: Any) -> str:
    return f"{x.dtype}{x.shape}"


def _taken(rt: Runtime, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Material of all steps, `[count, rows, ...]`."""
    return tuple(jnp.moveaxis(part, 1, 0) for part in rt.material.take(kind, shape))


def _step(inner: _Inner, body: Body, verifies: bool, state: Any, table: Any) -> tuple[Any, Any]:
    carry, ok, accused = state
    inner.verdicts, inner.accused = [("before", ok)], accused
    carry = body(inner, carry, table)
    if verifies:
        verify(inner)
    return (carry, inner.verified, inner.accused), (inner.products, inner.zeros, [ok for _, ok in inner.verdicts[1:]])


def _looped(ledger: Ledger, name: str, step: Callable[..., Any], state: Any, given: Any) -> tuple[Any, Any]:
    """What `lax.scan` does, one step after the other."""
    kept = []
    for k in range(len(jax.tree.leaves(given)[0])):
        first = len(ledger.entries)
        state, more = step(state, jax.tree.map(lambda a: a[k], given))  # noqa: B023 - called at once
        kept.append(more)
        ledger.entries[first:] = _numbered(ledger.entries[first:], name, k)
    return state, jax.tree.map(lambda *parts: jnp.stack(parts), *kept)


@contextmanager
def _set_aside(fabric: Fabric) -> Iterator[None]:
    """What a trace of one step writes into the ledger is not what is sent."""
    kept, fabric.ledger = fabric.ledger, Ledger()
    fabric.ledger.phase = kept.phase
    try:
        yield
    finally:
        fabric.ledger = kept


def _numbered(entries: list[Entry], name: str, k: int) -> list[Entry]:
    """What a step sends, with the number of the step."""
    return [dataclasses.replace(entry, label=f"{name}.{k}{entry.label[len(name) :]}") for entry in entries]


def _handed_on(rt: Runtime, learned: _Learned, end: Any, kept: Any, count: int) -> Any:
    """Claims and verdicts of all steps, `[count, ...]`, become those of `rt`."""
    (carry, _, rt.accused), (products, zeros, verdicts) = end, kept
    for check, ok in zip(learned.checks, verdicts, strict=True):
        rt.check(check, ok)
    for claims in products:
        for claim in _all_times(claims, count):
            rt.claim(claim)
    for shares in zeros:
        rt.claim_zero(jnp.moveaxis(shares, 0, 1))
    return carry


def _all_times(claims: Claim, count: int) -> list[Claim]:
    """Claims with a leading axis of `count` as one claim, or as so many where the kind has no axis for them."""
    if isinstance(claims, MERGED):
        return [jax.tree.map(lambda part: jnp.moveaxis(part, 0, 1).reshape(part.shape[1], -1, *part.shape[3:]), claims)]
    return [jax.tree.map(lambda part: part[k], claims) for k in range(count)]  # noqa: B023 - called at once
