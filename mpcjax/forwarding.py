"""Compiled programs that hand arrays on instead of copying them, and are compiled before they are called."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from typing import Any

import jax

LARGE = 1 << 20  # bytes


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Again:
    """In the place of an array that is among the arguments before: leaf number `place` of them."""

    place: int


class Forwarding:
    """`jax.jit`, except that arrays handed through unchanged are not copied: gigabytes of shares pass most phases.

    A large array that is there several times (in a state and in the claims about it) is an argument once: a TPU would copy
    every one, to halves of its words.

    `around` (`over_devices`) goes between the two: what it decorates returns the other arrays only. `options`: the compiler's.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        donated: tuple[int, ...] = (),
        around: Callable[..., Any] = lambda f: f,
        options: dict[str, Any] | None = None,
    ):
        self._known: dict[str, Any] = {}
        known = self._known

        def compute(*args: Any) -> list[Any]:
            args = _written_out(args)
            places = {id(leaf): k for k, leaf in enumerate(jax.tree_util.tree_leaves(args))}
            leaves, known["structure"] = jax.tree_util.tree_flatten(function(*args))
            known["places"] = [places.get(id(leaf)) for leaf in leaves]
            return [leaf for leaf, place in zip(leaves, known["places"], strict=True) if place is None]

        self._compute = jax.jit(around(compute), donate_argnums=donated, compiler_options=options)
        self._compilation: Future[Any] | None = None
        self.begun = False

    def begin(self, pool: Executor, *args: Any) -> Any:
        """Compile for arrays of these shapes in `pool`; the first call waits for it. Returns the shapes of its results."""
        self.begun = True
        shapes = {id(leaf): _shape_of(leaf) for leaf in jax.tree_util.tree_leaves(args)}
        traced, results = self.trace(*jax.tree_util.tree_map(lambda leaf: shapes[id(leaf)], args))
        self._compilation = pool.submit(traced.lower().compile)  # `jit` finds it when it is called
        return results

    def __call__(self, *args: Any) -> Any:
        if self._compilation is not None:
            wait([self._compilation])  # had it failed, `jit` would try again and say why
        return self._joined(self._compute(*_once_each(args)), args)

    def trace(self, *args: Any) -> tuple[Any, Any]:
        """For abstract arguments: the traced program, to be lowered for any device, and what a call returns, abstractly."""
        traced = self._compute.trace(*_once_each(args))
        return traced, self._joined(traced.out_info, args)

    def _joined(self, fresh: list[Any], args: tuple[Any, ...]) -> Any:
        rest, given = iter(fresh), jax.tree_util.tree_leaves(args)
        leaves = [next(rest) if place is None else given[place] for place in self._known["places"]]
        return jax.tree_util.tree_unflatten(self._known["structure"], leaves)


def _once_each(args: tuple[Any, ...]) -> tuple[Any, ...]:
    leaves, structure = jax.tree_util.tree_flatten(args)
    first: dict[int, int] = {}
    for place, leaf in enumerate(leaves):
        if leaf.size * leaf.dtype.itemsize >= LARGE and first.setdefault(id(leaf), place) != place:
            leaves[place] = Again(first[id(leaf)])
    return jax.tree_util.tree_unflatten(structure, leaves)


def _written_out(args: tuple[Any, ...]) -> tuple[Any, ...]:
    leaves, structure = jax.tree_util.tree_flatten(args, is_leaf=lambda x: isinstance(x, Again))
    return jax.tree_util.tree_unflatten(structure, [leaves[x.place] if isinstance(x, Again) else x for x in leaves])


def _shape_of(x: Any) -> jax.ShapeDtypeStruct:
    if isinstance(x, jax.ShapeDtypeStruct):
        return x
    return jax.ShapeDtypeStruct(x.shape, x.dtype, weak_type=getattr(x, "weak_type", False))
