"""Short expansions of many keys: elements are 128-bit words of keystream mod p, in little code or in cache.

The order. An element is word w (of four) of a block b: flat w * blocks + b. It depends on the count alone, not on the form.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import lax

from mpcjax.fields.kernels import unhoisted
from mpcjax.prg._chacha import core, lane_map, rolled_blocks
from mpcjax.prg._modulo import joined, mod128

ROLLED = 1 << 15  # blocks up to which the rolled form does: of very many it takes ten times as long
IN_CACHE = 1 << 13  # blocks that stay in the cache of a core or two


def expand_short(keys: Sequence, nonces: Sequence, field, counts: Sequence[int]) -> list:
    """For every `keys [n, 8]` with its `nonces [3, 3]` and count `[n, count]`, each element a 128-bit word mod p."""
    rows, blocks = [len(each) for each in keys], [-(-count // 4) for count in counts]
    nonce = jnp.concatenate([jnp.broadcast_to(jnp.asarray(n)[0], (r, 3)) for n, r in zip(nonces, rows, strict=True)])
    every, size = jnp.concatenate(keys), {"field": field, "blocks": max(blocks)}
    rolled, in_cache = partial(_side_by_side, **size), partial(_some_at_a_time, **size)
    few = sum(rows) * max(blocks) <= ROLLED
    elements = rolled(every, nonce) if few else lax.platform_dependent(every, nonce, cpu=in_cache, default=rolled)
    return [
        elements[end - n : end, :, :filled].reshape(n, -1)[:, :count]
        for end, n, filled, count in zip(itertools.accumulate(rows), rows, blocks, counts, strict=True)
    ]


def _side_by_side(keys, nonces, field, blocks: int):
    """keys [n, 8], nonces [n, 3] -> [n, 4, blocks]: twenty passes over all of them."""
    words = rolled_blocks(keys[:, None], jnp.arange(blocks, dtype=jnp.uint32), nonces[:, None])
    return jnp.moveaxis(_four(words, field), 0, 1)


def _some_at_a_time(keys, nonces, field, blocks: int):
    """The same, some rows at a time, which stay in cache from their keys to their elements."""
    some = min(max(1, IN_CACHE // blocks), len(keys))
    counters = jnp.tile(jnp.arange(blocks, dtype=jnp.uint32), some)
    names = jnp.concatenate([keys, nonces], axis=1)

    def some_rows(step, out):
        first = jnp.minimum(unhoisted(step) * np.uint32(some), np.uint32(len(keys) - some))
        of_rows = lax.dynamic_slice_in_dim(names, first, some)
        each = [jnp.repeat(of_rows[:, w], blocks) for w in range(11)]
        words = lane_map(lambda _, at: core(at[:8], at[11], at[8:11]), [], [*each, counters], 16)
        for w, elements in enumerate(_four(words, field)):
            out = lax.dynamic_update_slice(out, elements.reshape(some, 1, blocks), (first, np.uint32(w), np.uint32(0)))
        return out

    out = jnp.zeros((len(keys), 4, blocks), field.dtype)
    return lax.fori_loop(np.uint32(0), np.uint32(-(-len(keys) // some)), some_rows, out)


def _four(words, field):
    """16 words of blocks -> [4, ...] elements, of 128 bits each."""
    halves = jnp.stack(joined(words))
    return mod128(halves[0::2], halves[1::2], field.exponent).astype(field.dtype)
