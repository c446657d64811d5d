"""The ChaCha20 block function (RFC 8439, section 2.3) on lanes: one lane is one block.

Three forms of the same function, because what is fast depends on where it runs and how much is asked for:

* `rolled_blocks`: twenty iterations over four rows of four words. Little code, so it compiles in a few hundredths of a
  second; about 0.5 GB/s on a CPU core. For a few blocks: key derivation, short expansions.
* `lane_map` of `core`, CPU: the twenty rounds unrolled in *one* kernel that keeps the sixteen words in vector registers.
  XLA's CPU fusions have one output each, so sixteen output words would mean computing everything several times over;
  a variadic `reduce_window` with windows of one element is an element-wise function with many outputs, which LLVM
  vectorises like hand-written code (within about a tenth of OpenSSL on a core).
* `lane_map` of `core`, elsewhere: the plain unrolled expression, which GPU and TPU compilers fuse by themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

CONSTANTS = np.array([0x61707865, 0x3320646E, 0x79622D32, 0x6B206574], np.uint32)  # "expand 32-byte k"
_COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
_DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


def _rotate(x, k: int):
    return (x << np.uint32(k)) | (x >> np.uint32(32 - k))


@jax.jit  # traced and lowered once, not eighty times
def quarter_round(a, b, c, d):
    """RFC 8439, section 2.1, on arrays of uint32."""
    a = a + b
    d = _rotate(d ^ a, 16)
    c = c + d
    b = _rotate(b ^ c, 12)
    a = a + b
    d = _rotate(d ^ a, 8)
    c = c + d
    b = _rotate(b ^ c, 7)
    return a, b, c, d


def core(key: Sequence, counter, nonce: Sequence) -> list:
    """Twenty rounds and the final addition: 8 key words, a block counter and 3 nonce words -> 16 words."""
    start = [*(jnp.uint32(c) for c in CONSTANTS), *key, counter, *(jnp.asarray(w, jnp.uint32) for w in nonce)]
    x = list(start)
    for _ in range(10):
        for quads in (_COLUMNS, _DIAGONALS):
            for quad in quads:
                for word, value in zip(quad, quarter_round(*(x[i] for i in quad)), strict=True):
                    x[word] = value
    return [a + b for a, b in zip(x, start, strict=True)]


# Where each word goes after a round: row i is turned by i places, so that the next round's columns are the diagonals, or back.
_TURNED = np.array([[4 * i + (j + turn * i) % 4 for i in range(4) for j in range(4)] for turn in (1, -1)], np.int32)


def rolled_blocks(keys, counters, nonces):
    """keys [..., 8], counters [...], nonces [..., 3] (shapes broadcast) -> [16, ...] words."""
    shape = jnp.broadcast_shapes(keys.shape[:-1], counters.shape, nonces.shape[:-1])
    parts = (CONSTANTS, keys, counters[..., None], nonces)
    words = jnp.concatenate([jnp.broadcast_to(part, (*shape, part.shape[-1])) for part in parts], axis=-1)
    start = jnp.moveaxis(words.astype(jnp.uint32), -1, 0)

    def one_round(i, state):
        mixed = jnp.concatenate(quarter_round(*jnp.split(state, 4)))
        return mixed.at[jnp.asarray(_TURNED)[i & 1]].get(mode="promise_in_bounds", unique_indices=True)

    return lax.fori_loop(np.uint32(0), np.uint32(20), one_round, start) + start


def lane_map(
    function: Callable[[Sequence, Sequence], Sequence], scalars: Sequence, arrays: Sequence, outputs: int
) -> list:
    """Element-wise `function(scalars, array elements) -> outputs`, all of one dtype, in one pass over 1-D `arrays`."""
    scalars, arrays = list(scalars), list(arrays)

    def one_kernel(scalars, arrays):
        slots = max(outputs, len(scalars), len(arrays))
        dtype = arrays[0].dtype
        inits = [*scalars, *[np.zeros((), dtype)] * (slots - len(scalars))]
        operands = [*arrays, *[arrays[0]] * (slots - len(arrays))]

        def at_each(accumulators, elements):  # applied once to each window of one element
            out = list(function(accumulators[: len(scalars)], elements[: len(arrays)]))
            return (*out, *[np.zeros((), dtype)] * (slots - outputs))

        return list(lax.reduce_window(tuple(operands), tuple(inits), at_each, (1,), (1,), "VALID"))[:outputs]

    def plain(scalars, arrays):
        return list(function(scalars, arrays))

    return lax.platform_dependent(scalars, arrays, cpu=one_kernel, default=plain)


@functools.partial(jax.jit, static_argnames="words")
def keystream(keys, nonce, first, words: int):
    """RFC 8439 keystream: keys [..., 8], nonce [3], first block counter -> [..., words] uint32, in the RFC's order."""
    counters = jnp.asarray(first, jnp.uint32) + jnp.arange(-(-words // 16), dtype=jnp.uint32)
    out = jnp.moveaxis(rolled_blocks(keys[..., None, :], counters, jnp.asarray(nonce, jnp.uint32)), 0, -1)
    return out.reshape(*keys.shape[:-1], -1)[..., :words]
