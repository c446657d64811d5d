"""The programs of a round, compiled for a device that need not be there: shapes stand for arrays.

They are the very programs that `mpcjax.aggregate` runs (`simulator.compiled`), walked in its order, each given the shapes
that the ones before it return.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax import simulator
from mpcjax.phases import ALL, GROUPED, PHASES, last_of, starting
from mpcjax.rules import Public
from mpcjax.setup import Setup

NAMES = ("offline", *PHASES)


@dataclasses.dataclass(frozen=True)
class Program:
    """One program of a round: `traced.lower().compile()` compiles it for the device of its arguments' sharding.

    `alive`: bytes of all arrays that the round holds while it runs, its arguments among them.
    """

    name: str
    traced: Any
    alive: int


def programs(setup: Setup, sharding: Any = None) -> Iterator[Program]:
    """Every phase of a round in turn, those that an honest round skips too; needs the scope of `_compat.x64`.

    Of a round in groups or blocks: those of one, with the updates of all beside it, and with the material of all phases. (In
    blocks what is opened is longer.) Of a weighted rule: those of all peers at once, as inside of `jit`.
    """
    setup = setup.at_once if setup.rule.weighted else setup
    beside = nbytes(abstract_arguments(setup)) if setup.parts > 1 else 0
    names = (*GROUPED, *last_of(setup.rule)) if setup.parts > 1 else ALL
    setup = setup.part if setup.parts > 1 else setup
    compiled, given = simulator.compiled(setup, names, tamper=None, here=False), abstract_arguments(setup, sharding)
    place = _placer(sharding)
    seed, updates, public = given
    traced, results = compiled["offline"].trace(seed, ())
    yield Program("offline", traced, beside + nbytes(given))
    stocks, standing = place(results)
    state: Any = starting(updates, public, place(jax.ShapeDtypeStruct((), jnp.int32)))
    for name, stock in zip(names, stocks, strict=True):
        traced, results = compiled[name].trace(seed, (), stock, state, standing.bare, None)
        yield Program(name, traced, beside + nbytes((given, stocks, state, standing)))
        state, standing = place(results)


def abstract_arguments(setup: Setup, sharding: Any = None) -> tuple[Any, Any, Public]:
    """Shapes of the seed, the updates and what is public."""

    def shape(dims: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(dims, dtype, sharding=sharding)

    center = shape((setup.length,), jnp.float32)
    reference = shape((setup.length,), jnp.float32) if "reference" in setup.rule.needs else None
    public = Public(shape((setup.peers,), jnp.float32), shape((setup.peers,), jnp.bool_), center, reference)
    return shape((8,), jnp.uint32), shape((setup.peers, setup.length), jnp.float32), public


def nbytes(tree: Any) -> int:
    """Bytes of the distinct arrays in a tree of shapes."""
    leaves = {id(leaf): leaf for leaf in jax.tree_util.tree_leaves(tree)}
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves.values())


def _placer(sharding: Any) -> Callable[[Any], Any]:
    """Results of a program as arguments of the next; what is passed on unchanged stays the same object."""

    def place(leaf: Any) -> Any:
        placed = isinstance(leaf, jax.ShapeDtypeStruct) and leaf.sharding is sharding
        return leaf if placed else jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    return lambda tree: jax.tree_util.tree_map(place, tree)
