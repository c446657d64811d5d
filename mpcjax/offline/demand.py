"""What a program needs before it starts, and how it takes it.

A program is run twice: once abstractly with a `Counter`, which hands out zeros and writes down what was asked for, and
once for real with a `Stock` of exactly that much verified material. So the demand is exact and known at trace time.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax

from mpcjax.errors import OrderError
from mpcjax.fields import Field
from mpcjax.runtime import PARTS, Material

KINDS = tuple(PARTS)


@dataclasses.dataclass(frozen=True)
class Demand:
    """Numbers of random sharings, double sharings, sharings of zero of degree 2t, shared random bits and Beaver triples."""

    random: int = 0
    double: int = 0
    zero: int = 0
    bit: int = 0
    triple: int = 0

    def __add__(self, other: Demand) -> Demand:
        return Demand(*(getattr(self, kind) + getattr(other, kind) for kind in KINDS))


class Counter(Material):
    """Hands out zeros and counts."""

    def __init__(self, field: Field, rows: int):
        self.field, self.rows = field, rows
        self.demand = Demand()

    def take(self, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
        self.demand += Demand(**{kind: math.prod(shape)})
        return tuple(self.field.zeros((self.rows, *shape)) for _ in range(PARTS[kind]))


@jax.tree_util.register_pytree_node_class
class Stock(Material):
    """Verified material: arrays `[rows, amount]` per kind, and how much of each is used."""

    def __init__(self, arrays: dict[str, tuple[Any, ...]]):
        self.arrays = arrays
        self.used: dict[str, int] = {kind: 0 for kind in KINDS}  # noqa: C420 - typed by its keys

    def take(self, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
        count, start = math.prod(shape), self.used[kind]
        held = self.arrays[kind][0].shape[1] if kind in self.arrays else 0
        if start + count > held:
            raise OrderError(
                f"{count} more of kind {kind!r} asked for, {held - start} of {held} left: the demand was miscounted"
            )
        self.used[kind] = start + count
        return tuple(part[:, start : start + count].reshape(part.shape[0], *shape) for part in self.arrays[kind])

    @classmethod
    def abstract(cls, field: Field, rows: int, demand: Demand) -> Stock:
        """The shapes of what meets `demand`, as `split` hands it out."""
        amounts = {kind: getattr(demand, kind) for kind in KINDS if getattr(demand, kind)}

        def parts(kind: str, amount: int) -> tuple[Any, ...]:  # different arrays: each has a shape of its own
            return tuple(jax.ShapeDtypeStruct((rows, amount), field.dtype) for _ in range(PARTS[kind]))

        return cls({kind: parts(kind, amount) for kind, amount in amounts.items()})

    def split(self, demands: list[Demand]) -> list[Stock]:
        """One stock per demand, in order, nothing in two of them."""
        return [
            Stock({kind: self.take(kind, (getattr(d, kind),)) for kind in KINDS if getattr(d, kind)}) for d in demands
        ]

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        kinds = tuple(self.arrays)
        return tuple(self.arrays[kind] for kind in kinds), kinds

    @classmethod
    def tree_unflatten(cls, kinds: tuple[str, ...], arrays: Any) -> Stock:
        return cls(dict(zip(kinds, arrays, strict=True)))


def merge(stocks: list[Stock]) -> Stock:
    """One stock with the material of all; each kind may be held by one of them only."""
    return Stock({kind: parts for stock in stocks for kind, parts in stock.arrays.items()})
