"""Masks with known bits, borrow chains, and the bits of a shared number.

A shared x is opened under a mask, c = x + r, where r is a random number that is also shared bit by bit; what is wanted
of x then follows from subtracting the shared bits of r from the public bits of c. Subtraction is a chain of borrows:
position i *generates* a borrow where c_i < r_i and *propagates* one where c_i = r_i. Two neighbouring stretches of the
chain join to one, (G, P) = (G1 + P1 G0, P1 P0), so that a tree of logarithmic depth gives any borrow (Damgard, Fitzi,
Kiltz, Nielsen, Toft 2006; Catrina, de Hoogh 2010; the trees are those of Sklansky 1960 and Kogge, Stone 1973).

Two things make the trees cheaper than in the literature. c is public, so that everything about *two* positions is
linear in the one product of their bits of r, which does not even depend on c. And p = 2^e - 1 makes subtraction mod p a
subtraction of e bits whose last borrow goes around and in again at the lowest.

Shares are `[rows, ...]`, bits are the last axis, lowest first. Costs count products (each one double sharing; one
triple in robust mode) and levels (each one call of `multiply`: 3 rounds, 2 in robust mode). The products are those of
more than `FEW` numbers at once; of fewer, levels that are alike are steps of one loop (`repeat`), which compiles in half
the time: up to half as many products more (some twice as many where numbers are short), in the same rounds.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from mpcjax.circuits.spelling import from_bits
from mpcjax.errors import BoundError
from mpcjax.fields import Field
from mpcjax.offline.preprocess import spares
from mpcjax.protocols import multiply, open_many, repeat, verify
from mpcjax.runtime import SECURITY_BITS, Runtime

FEW = 128  # numbers up to which compiling fast counts for more than the fewest products
LOOPED = 16  # positions of a chain from which on its levels are one loop


class Mask(NamedTuple):
    """A shared random number `value [rows, ...]` and its shared `bits [rows, ..., width]`. Masks one value, once."""

    value: Any
    bits: Any


def solved_bits(rt: Runtime, shape: tuple[int, ...]) -> Mask:
    """Masks r uniform in [0, p) with their e bits, `[rows, *shape]` and `[rows, *shape, e]`.

    e random bits spell a number in [0, 2^e); only the pattern of e ones, which is p, must not occur. It has probability
    2^-e, so that r = sum 2^i b_i mod p is at a statistical distance of 2^-e from uniform, N masks together at N 2^-e.
    Up to N = 2^21 in a call (in all steps of a repeated one) for e = 61 that is at most 2^-40, and nothing is done: no
    product, no round. Otherwise (for e = 31 already at N = 1) `_without_p` rejects the pattern, and every mask is exactly
    uniform.

    Cost: e bits a mask. Revealed: nothing. Source: Damgard et al. 2006 (solved bits).
    """
    field, count = rt.field, math.prod(shape)
    if count * rt.steps << SECURITY_BITS <= 1 << field.exponent:
        bits = jnp.moveaxis(rt.take("bit", (field.exponent, *shape)), 1, -1)
    else:
        bits = _without_p(rt, count)
        bits = bits.reshape(bits.shape[0], *shape, field.exponent)
    return Mask(from_bits(field, bits), bits)


def _without_p(rt: Runtime, count: int) -> Any:
    """`[rows, count, e]` bits, no e of them all ones: s (sum_i b_i - e) is opened for random s, and 0 is rejected.

    What is opened is 0 for a rejected candidate and uniform in 1 .. p-1 for a kept one, whatever its bits. A candidate
    is rejected with probability 2^(1-e) (all ones, or s = 0); there are enough spares for all but 2^-40 of the runs,
    which abort. A forged zero or non-zero could choose a mask, so the products are verified before a mask is used.
    Cost: 1 random sharing, 1 product, 1 opening a candidate, and a verification.
    """
    field, e = rt.field, rt.field.exponent
    total = count + spares(count, 2.0 ** (1 - e))
    bits, blind = rt.take("bit", (total, e)), rt.take("random", (total,))
    flags = open_many(rt, multiply(rt, blind, field.sub(field.sum(bits, axis=-1), e)), "mask")
    rt.check("mask", jnp.sum(flags != 0) >= count)
    verify(rt)
    return bits[:, jnp.argsort(flags == 0, stable=True)[:count]]


def short_mask(rt: Runtime, shape: tuple[int, ...], width: int) -> Mask:
    """Masks for numbers in [0, 2^width): uniform in [0, 2^(width + 40)), at a statistical distance of 2^-40 each.

    The sum of number and mask does not wrap around, which takes width + 41 <= e. Unlike a uniform mask it hides only
    numbers in their range, and an error in a product may lead out of it; so what is pending is verified first.
    Cost: width + 40 bits a mask, and a verification if anything is pending.
    """
    if width + SECURITY_BITS + 1 > rt.field.exponent:
        raise BoundError(
            f"a short mask of {width} + {SECURITY_BITS} bits: under one the field of {rt.field.exponent} bits holds "
            f"numbers of up to {rt.field.exponent - SECURITY_BITS - 1} bits; use the exact form"
        )
    verify(rt)
    bits = rt.take("bit", (*shape, width + SECURITY_BITS))
    return Mask(from_bits(rt.field, bits), bits)


class Chain(NamedTuple):
    """Positions of a borrow chain, lowest first: shares `v [rows, ..., n]` and public booleans `c [..., n]`.

    Where c is 1 a position generates nothing and propagates v; where c is 0 it generates v and propagates 1 - v.
    """

    v: Any
    c: Any

    def generates(self, field: Field) -> Any:
        return jnp.where(self.c, field.zeros(()), self.v)

    def propagates(self, field: Field) -> Any:
        return jnp.where(self.c, self.v, field.sub(1, self.v))


def subtraction(c: Any, r: Any) -> Chain:
    """The chain of c - r for public bits `c [..., n]` and shared bits `r [rows, ..., n]`: c_i < r_i, c_i = r_i."""
    return Chain(r, c != 0)


def pair_up(field: Field, high: Chain, low: Chain, product: Any) -> tuple[Any, Any]:
    """(G, P) of two positions each, linear in their v and the `product` of these. Public bits choose, nothing is scaled."""
    below = field.sub(low.v, product)  # (1 - high.v) low.v
    reach = jnp.where(low.c, field.zeros(()), jnp.where(high.c, product, below))
    g = field.add(high.generates(field), reach)
    over = jnp.where(low.c, product, field.sub(high.v, product))
    under = jnp.where(low.c, below, field.sub(field.sub(1, high.v), below))
    return g, jnp.where(high.c, over, under)


def joined(*chains: Chain) -> Chain:
    """One chain of several, the lowest first; joined where `fold` keeps the places, so that nothing is moved."""
    v = _joined(*(jnp.moveaxis(chain.v, -1, 1) for chain in chains), axis=1)
    return Chain(jnp.moveaxis(v, 1, -1), _joined(*(chain.c for chain in chains)))


def at(chain: Chain, where: Any) -> Chain:
    return Chain(*(part[..., where] for part in chain))


def fold(rt: Runtime, chains: list[Chain], whole: list[bool]) -> list[tuple[Any, Any]]:
    """(G, P) `[rows, ...]` of each of several chains, all in the same rounds; P only where `whole`, else meaningless.

    Cost for n positions: ceil(log2 n) levels for the longest; floor(n / 2) products for pairs, then
    2 (ceil(n / 2) - 1), less one a level (that has a pair) where P is not wanted.
    """
    field, few = rt.field, is_few(chains[0].v)
    chains = [Chain(jnp.moveaxis(v, -1, 1), jnp.moveaxis(c, -1, 0)[None]) for v, c in chains]  # each place in one piece
    high = [_places(chain, slice(1, None, 2)) for chain in chains]
    low = [_places(chain, slice(0, h.v.shape[1] * 2, 2)) for chain, h in zip(chains, high, strict=True)]
    products = multiply_all(rt, [h.v for h in high], [piece.v for piece in low], axis=1)
    nodes = []
    for chain, h, piece, product in zip(chains, high, low, products, strict=True):
        g, p = pair_up(field, h, piece, product)
        rest = _places(chain, slice(2 * product.shape[1], None))
        nodes.append((_joined(g, rest.generates(field), axis=1), _joined(p, rest.propagates(field), axis=1)))
    while (longest := max(g.shape[1] for g, _ in nodes)) > 1:
        if 4 < longest <= LOOPED and few:
            return _rest(rt, [(jnp.moveaxis(g, 1, -1), jnp.moveaxis(p, 1, -1)) for g, p in nodes])
        nodes = _level(rt, nodes, whole)
    return [(g[:, 0], p[:, 0]) for g, p in nodes]


def _places(chain: Chain, where: Any) -> Chain:
    return Chain(*(part[:, where] for part in chain))


def is_few(x: Any) -> bool:
    """Whether `x [rows, ..., n]` holds the positions of few numbers."""
    return math.prod(x.shape[1:-1]) <= FEW


def _rest(rt: Runtime, nodes: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """The last levels of `fold` as steps of one loop, as wide as the first of them. Two products a place and step.

    Where a step has less to join, it joins a stretch of nothing, G = 0 and P = 1, with itself.
    """
    field, sizes = rt.field, [g.shape[-1] for g, _ in nodes]
    lead = (*nodes[0][0].shape[:-1], 1)
    start = _joined(*(g for g, _ in nodes), field.zeros(lead)), _joined(*(p for _, p in nodes), field.ones(lead))
    g, p = repeat(rt, join_at, start, _neighbours(sizes))
    first = np.cumsum([0, *sizes[:-1]]).tolist()
    return [(g[..., k], p[..., k]) for k in first]


def join_at(inner: Runtime, carry: tuple[Any, Any], table: tuple[Any, Any, Any]) -> tuple[Any, Any]:
    """(G, P) at the places `high` with those at `low` below them, put at `low`. A body for `repeat`."""
    (g, p), (low, high, to) = carry, table
    through = p[..., None, high]
    below = jnp.stack([g[..., low], p[..., low]], axis=-2)
    joint = multiply(inner, jnp.broadcast_to(through, below.shape), below)
    return g.at[..., to].set(inner.field.add(g[..., high], joint[..., 0, :])), p.at[..., to].set(joint[..., 1, :])


def _neighbours(sizes: list[int]) -> tuple[np.ndarray, ...]:
    """Level by level the places of neighbouring stretches, `[levels, w]` each, and where the joint one is put.

    Chains of `sizes` stand one behind the other; the place behind all is that of nothing.
    """
    nothing = sum(sizes)
    chains = [list(range(end - size, end)) for size, end in zip(sizes, np.cumsum(sizes).tolist(), strict=True)]
    levels: list[list[tuple[int, int, int]]] = []
    while any(len(chain) > 1 for chain in chains):
        levels.append(
            [(low, high, low) for chain in chains for low, high in zip(chain[::2], chain[1::2], strict=False)]
        )
        chains = [chain[::2] for chain in chains]
    return tables(levels, nothing)


def tables(levels: list[list[tuple[int, int, int]]], nothing: int) -> tuple[np.ndarray, ...]:
    """Columns of `levels` as arrays `[levels, w]`, filled up with the place of `nothing`."""
    w = max(map(len, levels))
    filled = np.array([level + [(nothing,) * 3] * (w - len(level)) for level in levels], np.int32)
    return tuple(np.moveaxis(filled, 2, 0))


def _level(rt: Runtime, nodes: list[tuple[Any, Any]], whole: list[bool]) -> list[tuple[Any, Any]]:
    """Join neighbours along axis 1; the lowest stretch of a chain needs no P unless `whole`."""
    left, right = [], []
    for (g, p), wanted in zip(nodes, whole, strict=True):
        pairs, skip = g.shape[1] // 2 * 2, 0 if wanted else 1
        high = p[:, 1:pairs:2]
        left += [high, high[:, skip:]]
        right += [g[:, 0:pairs:2], p[:, 0:pairs:2][:, skip:]]
    products = multiply_all(rt, left, right, axis=1)
    joined = []
    for k, (g, p) in enumerate(nodes):
        pairs, reach, through = g.shape[1] // 2 * 2, products[2 * k], products[2 * k + 1]
        unused = jnp.zeros_like(reach[:, through.shape[1] :])
        joined.append(
            (
                _joined(rt.field.add(g[:, 1:pairs:2], reach), g[:, pairs:], axis=1),
                _joined(unused, through, p[:, pairs:], axis=1),
            )
        )
    return joined


def _joined(*parts: Any, axis: int = -1) -> Any:
    return jnp.concatenate(parts, axis=axis)


def multiply_all(rt: Runtime, left: list[Any], right: list[Any], axis: int = -1) -> list[Any]:
    """Element-wise products of several pairs of arrays `[rows, ...]` of different sizes along `axis` by one call, or none."""
    if not any(part.size for part in left):
        return left
    products = multiply(rt, _joined(*left, axis=axis), _joined(*right, axis=axis))
    return jnp.split(products, np.cumsum([part.shape[axis] for part in left])[:-1].tolist(), axis=axis)


def less_than_public(rt: Runtime, c: Any, r: Any) -> Any:
    """[c < r] `[rows, ...]` for public bits `c [..., n]`, shared bits `r [rows, ..., n]`.

    Cost: ceil(log2 n) levels; for n = 61, 85 products. Revealed: nothing.
    """
    return fold(rt, [subtraction(c, r)], [False])[0][0]


def product(rt: Runtime, x: Any) -> Any:
    """Product over the last axis of `x [rows, ..., n]`: ceil(log2 n) levels, n - 1 products."""
    while x.shape[-1] > 1:
        pairs = x.shape[-1] // 2 * 2
        x = _joined(multiply(rt, x[..., 0:pairs:2], x[..., 1:pairs:2]), x[..., pairs:])
    return x[..., 0]


def prefix_products(rt: Runtime, x: Any) -> Any:
    """All products x_0 ... x_i over the last axis of `x [rows, ..., n]`: ceil(log2 n) levels, n / 2 products each.

    The levels are one compiled program (`repeat`)."""
    n = x.shape[-1]
    if n < 2:
        return x
    levels = sklansky(n, math.ceil(math.log2(n)))
    behind = jnp.concatenate([x, rt.field.ones((*x.shape[:-1], 1))], axis=-1)

    def level(inner: Runtime, x: Any, table: Any) -> Any:
        here, source, _ = table
        return x.at[..., here].set(multiply(inner, x[..., here], x[..., source]))

    return repeat(rt, level, behind, tables([[*zip(*pair, pair[0], strict=True)] for pair in levels], n))[..., :n]


def sklansky(length: int, levels: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Level by level, which positions to extend, and by the stretch ending at which: prefixes in blocks of 2^levels."""
    every = np.arange(length, dtype=np.int32)
    extended = [every[every >> level & 1 == 1] for level in range(levels)]
    return [(here, (here >> level << level) - 1) for level, here in enumerate(extended)]
