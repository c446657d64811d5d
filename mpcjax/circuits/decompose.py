"""The bits of a shared number, exactly.

With c = x + r opened, bit i of x is c_i xor r_i xor the borrow that reaches position i. All borrows are wanted, so
every position carries (G, P) of the stretch from the start of its block to itself; blocks of about sqrt(e) positions
are then joined all around the ring, because the borrow out of position e - 1 goes in again at position 0.

The exclusive or costs nothing: with d = c_i xor r_i and the stretches ending at i (G, P) and before i (G', P'), it is
d + (1 - 2d) (G' + P' h) for the borrow h into the block, and d P' = P' - P, d G' = g_i + G' - G are linear.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.circuits.bits import (
    Chain,
    Mask,
    at,
    is_few,
    join_at,
    multiply_all,
    pair_up,
    short_mask,
    sklansky,
    solved_bits,
    subtraction,
    tables,
)
from mpcjax.circuits.spelling import public_bits
from mpcjax.protocols import multiply, open_many, repeat
from mpcjax.runtime import SECURITY_BITS, Runtime


def decompose(rt: Runtime, x: Any, *, width: int | None = None, mask: Mask | None = None) -> Any:
    """Bits `[rows, ..., e]`, lowest first, of x in [0, p), shares `[rows, ...]`; or `width` bits of x in [0, 2^width).

    A static `width` with width + 41 <= e takes the statistically masked form, unless a `mask` is given; a larger one
    cuts the exact form short.

    Cost of the exact form for e = 61: 1 opening, 7 levels, 249 products, 61 bits. Of the short one for `width` = 16:
    1 opening, 4 levels, 42 products, 56 bits. Revealed: nothing; the opened c is uniform, in the short form within
    2^-40 of a distribution that does not depend on x. Guarantee: exact.
    Source: Damgard et al. 2006; Nishide, Ohta 2007.
    """
    length, short = rt.field.exponent, False
    if mask is None and width is not None and width + SECURITY_BITS + 1 <= length:
        length, short = width, True
        mask = short_mask(rt, x.shape[1:], width)
    elif mask is None:
        mask = solved_bits(rt, x.shape[1:])
    levels = math.ceil(math.log2(length)) if short else _block_levels(length)
    c = open_many(rt, rt.field.add(x, mask.value), "decompose")
    chain = subtraction(public_bits(rt.field, c, length), mask.bits[..., :length])
    g, p = _prefixes(rt, chain, levels, ring=not short)
    if short:
        return _digits(rt, chain, g, p, levels, None)
    wanted = rt.field.exponent if width is None else width
    ends = np.minimum(np.arange(0, length, 1 << levels, dtype=np.int32) + (1 << levels), length) - 1
    borrow = _around(rt, g[..., ends], p[..., ends])
    return _digits(rt, at(chain, slice(wanted)), g[..., :wanted], p[..., :wanted], levels, borrow)


def _block_levels(length: int) -> int:
    """Levels within blocks, so that the ring of blocks takes about as many: few levels in all, then few products."""
    total = math.ceil(math.log2(length))
    return max(1, min(total // 2, total - 1))


def _prefixes(rt: Runtime, chain: Chain, levels: int, ring: bool) -> tuple[Any, Any]:
    """(G, P) of the stretch from the start of the block of 2^levels positions to each position, `[rows, ..., n]` each.

    Without a `ring` nothing enters from below, and no P is made for a stretch that starts at position 0.
    """
    field = rt.field
    g, p = chain.generates(field), chain.propagates(field)
    (here, source), *rest = sklansky(chain.v.shape[-1], levels)
    joint = multiply(rt, chain.v[..., here], chain.v[..., source])
    more, through = pair_up(field, at(chain, here), at(chain, source), joint)
    g, p = g.at[..., here].set(more), p.at[..., here].set(through)
    if len(rest) > 1 and is_few(g):
        return _looped(rt, g, p, [[*zip(source, here, here, strict=True)] for here, source in rest])
    for level, (here, source) in enumerate(rest, 1):
        on = here if ring else here[here >> (level + 1) > 0]
        before = (on >> level << level) - 1
        reach, through = multiply_all(rt, [p[..., here], p[..., on]], [g[..., source], p[..., before]])
        g = g.at[..., here].set(field.add(g[..., here], reach))
        p = p.at[..., on].set(through)
    return g, p


def _looped(rt: Runtime, g: Any, p: Any, levels: list[Any]) -> tuple[Any, Any]:
    """The joins of `levels` as steps of one loop, with a place behind all others for those that join nothing."""
    nothing, lead = g.shape[-1], (*g.shape[:-1], 1)
    start = jnp.concatenate([g, rt.field.zeros(lead)], axis=-1), jnp.concatenate([p, rt.field.ones(lead)], axis=-1)
    g, p = repeat(rt, join_at, start, tables(levels, nothing))
    return g[..., :nothing], p[..., :nothing]


def _around(rt: Runtime, g: Any, p: Any) -> Any:
    """The borrow into each block of a ring, from (G, P) `[rows, ..., blocks]` of the blocks; blocks below wrap around.

    Windows double; the last may overlap itself, which changes nothing: where it does, all of the ring propagates, and
    then c = r and nothing generates. Cost: ceil(log2 blocks) levels, 2 products a block and level, 1 in the last.
    """
    blocks, reach = g.shape[-1], 1
    if blocks > 4 and is_few(g):
        every = np.arange(blocks, dtype=np.int32)
        windows = [1 << level for level in range(math.ceil(math.log2(blocks)))]
        levels = [[*zip((every - reach) % blocks, every, every, strict=True)] for reach in windows]
        return _looped(rt, g, p, levels)[0][..., (every - 1) % blocks]
    while reach < blocks:
        below, last = (np.arange(blocks, dtype=np.int32) - reach) % blocks, 2 * reach >= blocks
        if last:
            g = rt.field.add(g, multiply(rt, p, g[..., below]))
        else:
            joint = multiply(rt, p[..., None, :], jnp.stack([g[..., below], p[..., below]], axis=-2))
            g, p = rt.field.add(g, joint[..., 0, :]), joint[..., 1, :]
        reach *= 2
    return g[..., (np.arange(blocks, dtype=np.int32) - 1) % blocks]


def _digits(rt: Runtime, chain: Chain, g: Any, p: Any, levels: int, borrow: Any) -> Any:
    """c_i xor r_i xor (borrow into i), from the stretches that end at i and those before. No level if no `borrow`."""
    field, places = rt.field, np.arange(g.shape[-1], dtype=np.int32)
    first = places % (1 << levels) == 0
    before = np.maximum(places - 1, 0)
    earlier = jnp.where(first, field.zeros(()), g[..., before])
    digits = field.add(field.sub(1, chain.propagates(field)), field.sub(field.double(g), earlier))
    digits = field.sub(digits, field.double(chain.generates(field)))
    if borrow is None:
        return digits
    through = jnp.where(first, field.ones(()), p[..., before])
    flips = field.sub(field.double(p), through)
    return field.add(digits, multiply(rt, flips, borrow[..., places >> levels]))
