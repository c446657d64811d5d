"""Uniform field elements from ChaCha20 keystream.

A candidate c is e bits of keystream, uniform on the 2**e numbers 0 .. p. If c < p it is the element. Otherwise (chance
2**-e) the element is r = W mod p, with W a 64-bit word from a stream of its own (same key, another nonce).
With rho = 2**64 mod p, r has statistical distance rho (p - rho) / (p 2**64) from uniform; and since
Pr[x] = 2**-e + 2**-e Pr[r = x] and 1/p = 2**-e + 2**-e / p, an element has 2**-e times that distance:

    e = 61: rho = 8, less than 2**-122 per element        e = 31: rho = 4, less than 2**-93 per element

Tiny fields (e <= 13) take W mod p at once: at most 2**-53 per element. Short expansions (up to `FEW` elements of a key)
take a 128-bit word mod p, in every field: less than 2**-117.

Order. The keystream is taken in chunks of `lanes` blocks, and within a chunk word-major: element (k, w, l), flat
k * chunk + w * lanes + l, is word w of block k * lanes + l (a word is 64 bits, or 32 for e = 31). The last chunk starts
at count - chunk, over the end of the one before it. This permutation depends on nothing but the field and the count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mpcjax.fields.kernels import unhoisted
from mpcjax.prg._chacha import core, keystream, lane_map, rolled_blocks
from mpcjax.prg._modulo import joined, mod64
from mpcjax.prg._parts import Parts
from mpcjax.prg._short import ROLLED, expand_short

LANES = 8192  # blocks in a chunk: 512 kB of keystream, which stays in the cache of a core or two
FEW = 1 << 14  # elements; up to here the rolled form does: compiling the unrolled one takes about a second
TOGETHER = 1 << 25  # elements, 256 MB, up to which several expansions are made by one loop
_ONES, _HIGH61, _P31 = np.uint32(0xFFFFFFFF), np.uint32((1 << 29) - 1), np.uint32((1 << 31) - 1)


class Words:
    """In the place of a field: all words of 32 bits, as they come, in the order of elements of 31 bits."""

    exponent, dtype = 32, np.dtype(np.uint32)


WORDS = Words()


def per_block(field) -> int:
    """Candidates in a block of 16 words."""
    return 16 if field.exponent in (31, 32) else 8


def _mod_tiny(low, high, e: int):
    """The 64-bit word (low, high) mod p = 2**e - 1, e <= 13, in 32-bit arithmetic."""
    p = np.uint32((1 << e) - 1)

    def fold(x):
        for _ in range(math.ceil(32 / e)):
            x = (x & p) + (x >> np.uint32(e))
        return x

    x = fold(fold(low) + (fold(high) << np.uint32(32 % e)))
    return jnp.where(x == p, np.uint32(0), x)


def finish(words, e: int) -> list:
    """16 words of a block -> its candidates as uint32 words (pairs low, high for e = 61) and a word that is not 0 if a
    candidate is p."""
    if e == 61:
        words = [w & _HIGH61 if i % 2 else w for i, w in enumerate(words)]
        bad = [(low == _ONES) & (high == _HIGH61) for low, high in zip(words[::2], words[1::2], strict=True)]
    elif e == 31:
        words = [w & _P31 for w in words]
        bad = [w == _P31 for w in words]
    elif e == 32:
        return [*words, jnp.zeros_like(words[0])]
    else:
        words = [_mod_tiny(low, high, e) for low, high in zip(words[::2], words[1::2], strict=True)]
        return [*words, jnp.zeros_like(words[0])]
    flag = bad[0]
    for b in bad[1:]:
        flag = flag | b
    return [*words, flag.astype(jnp.uint32)]


def as_field(words, e: int) -> list:
    """Candidates as words of the field's type."""
    return joined(words) if e == 61 else list(words)


def replace(candidates, key, spare, counters, field):
    """candidates [w, ..., l] of blocks `counters` [..., l] under key [8]: those equal to p -> W mod p, nonces `spare [2, 3]`."""
    nonces = jnp.expand_dims(spare[: per_block(field) // 8], tuple(range(1, 1 + counters.ndim)))
    words = joined(rolled_blocks(key, counters, nonces))  # 8 of [1 or 2, ..., l]
    stand_in = mod64(jnp.concatenate(words), field.exponent).astype(candidates.dtype)
    return jnp.where(candidates == candidates.dtype.type(field.modulus), stand_in, candidates)


def _few(keys: Sequence, nonces: Sequence, field, counts: Sequence[int]) -> list:
    if field is WORDS:
        return [keystream(k, n[0], 0, count) for k, n, count in zip(keys, nonces, counts, strict=True)]
    return expand_short(keys, nonces, field, counts)


def _chunked(keys: Sequence, nonces: Sequence, field, counts: Sequence[int], lanes: int, finish):
    """For every `keys [n, 8]` with its `nonces [3, 3]` and count `[n, count]`, chunk by chunk: every intermediate value stays
    in cache. All in one loop, because its kernel takes a second to compile."""
    e, chunk = field.exponent, per_block(field) * lanes
    parts = Parts([len(each) for each in keys], counts, chunk)
    every_key, every_nonce = jnp.concatenate(keys), jnp.stack(nonces)
    iota, word = jnp.arange(lanes, dtype=jnp.uint32), np.uint64

    def kernel(scalars, elements):
        return finish(core(scalars[:8], elements[0], scalars[8:]), e)

    def one_chunk(i, out):  # `i` is unsigned: division is division, and no index is asked whether it is negative
        part, row, step, offset = parts.at(unhoisted(i))
        key, nonces = every_key[row], every_nonce[part]
        counters = (step * word(lanes)).astype(jnp.uint32) + iota
        *words, flags = lane_map(kernel, [*key, *nonces[0]], [counters], 9 if e < 31 else 17)
        for w, candidates in enumerate(as_field(words, e)):
            out = lax.dynamic_update_slice(out, candidates, (offset + word(w * lanes),))

        def repaired(state):
            old = lax.dynamic_slice(state[0], (offset,), (chunk,)).reshape(-1, lanes)
            new = replace(old, key, nonces[1:], counters, field).reshape(chunk)
            return lax.dynamic_update_slice(state[0], new, (offset,)), jnp.uint32(0)

        if field is WORDS:  # nothing is refused
            return out
        flag = lax.reduce(flags, np.uint32(0), lax.bitwise_or, (0,))
        return lax.while_loop(lambda state: state[1] != 0, repaired, (out, flag))[0]

    empty = jnp.zeros(parts.length, field.dtype)
    return parts.split(lax.fori_loop(word(0), word(parts.chunks), one_chunk, empty))


def _whole_rows(keys, nonces, field, count: int, lanes: int, finish):
    """The same elements, a row at a time: for accelerators, which want long arrays and have memory to match."""
    chunk = per_block(field) * lanes
    steps = -(-count // chunk)
    counters = jnp.arange(steps * lanes, dtype=jnp.uint32).reshape(steps, lanes)

    def row(key):
        *words, flags = finish(core(list(key), counters, list(nonces[0])), field.exponent)
        candidates = jnp.stack(as_field(words, field.exponent))  # [per, steps, lanes]
        if field.exponent in (31, 61):
            candidates = lax.cond(
                (flags != 0).any(), lambda c: replace(c, key, nonces[1:], counters, field), lambda c: c, candidates
            )
        flat = jnp.moveaxis(candidates, 0, 1).reshape(-1)
        return lax.dynamic_update_slice(flat[:count], flat[-chunk:], (count - chunk,))

    return lax.map(row, keys)


def expand(keys: Sequence, nonces: Sequence, field, counts: Sequence[int], finish=finish) -> list:
    """For every `keys [n, 8]` with its `nonces [3, 3]` and count `[n, count]` elements; `finish` is for tests, which put p
    among the candidates."""
    found: dict[int, Any] = {}
    lanes_of = [_lanes(field, count) for count in counts]
    for lanes in sorted(set(lanes_of)):
        chosen = [k for k, each in enumerate(lanes_of) if each == lanes]
        given = [keys[k] for k in chosen], [nonces[k] for k in chosen], field, [counts[k] for k in chosen]
        found |= zip(chosen, _many(*given, lanes, finish) if lanes else _few(*given), strict=True)
    return [found[k] for k in range(len(counts))]


def _lanes(field, count: int) -> int:
    """Blocks side by side in a chunk, on which the order of the elements depends; of short expansions 0."""
    blocks = -(-count // per_block(field))
    if blocks > 1 << 32:
        raise ValueError(
            f"{count:,} random elements of one member are more than a key gives: legal are 2**32 blocks of 64 bytes; use fewer "
            "peers or parameters in a round, or a rule that takes fewer products"
        )
    return 0 if count <= FEW else min(LANES, 8 * -(-blocks // 8))


def _many(keys: Sequence, nonces: Sequence, field, counts: Sequence[int], lanes: int, finish) -> list:
    sizes = [max(count, per_block(field) * lanes) for count in counts]
    made = lax.platform_dependent(
        keys,
        [jnp.asarray(each) for each in nonces],
        cpu=lambda keys, nonces: _chunked(keys, nonces, field, sizes, lanes, finish),
        default=lambda keys, nonces: [
            _whole_rows(k, n, field, size, lanes, finish) for k, n, size in zip(keys, nonces, sizes, strict=True)
        ],
    )
    return [elements[:, :count] for elements, count in zip(made, counts, strict=True)]


@partial(jax.jit, static_argnames=("field", "counts"))
def _elements(keys, nonces, field, counts: tuple[int, ...]) -> list:
    rolled = max(counts) <= FEW and sum(map(len, keys)) * max(counts) <= 4 * ROLLED
    if rolled:  # plain operations, which batch by themselves
        return expand(keys, nonces, field, counts)

    @jax.custom_batching.custom_vmap  # a batch of keys is more keys: loops and windows above see one axis of them
    def run(keys, nonces):
        return expand(keys, nonces, field, counts)

    @run.def_vmap
    def _(axis_size, in_batched, keys, nonces):
        if any(jax.tree.leaves(in_batched[1])):
            raise ValueError("nonces are names: the same for every key of a batch")
        keys = [
            each if batched else jnp.broadcast_to(each, (axis_size, *each.shape))
            for each, batched in zip(keys, in_batched[0], strict=True)
        ]
        found = run([each.reshape(-1, 8) for each in keys], nonces)
        return [each.reshape(axis_size, -1, each.shape[1]) for each in found], [True] * len(found)

    return run(keys, nonces)


def as_shape(shape) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(int(n) for n in shape)


def field_elements(keys, nonces, field, shape):
    """keys [..., 8] uint32 under `nonces [3, 3]` (one to expand, two spare) -> [..., *shape] elements of the field.

    The low-level form of `Stream.uniform`, for loops over keys that `Stream.claim` gave: there the caller sees to it
    that a (key, nonce) is expanded once.
    """
    shape = as_shape(shape)
    found = elements_of_several([(keys.reshape(-1, 8), nonces)], field, [math.prod(shape)])[0]
    return found.reshape(*keys.shape[:-1], *shape)


def elements_of_several(claims, field, counts: Sequence[int]) -> list:
    """For every `(keys [n, 8], nonces)` of these claims and count `[n, count]`: the same bits as one by one, in less code.

    Short ones take as long as if all had the largest count. Many, all of which would be in memory at the same time, are
    expanded one by one.
    """
    sizes = [len(keys) * count for (keys, _), count in zip(claims, counts, strict=True)]
    wanted = [k for k, size in enumerate(sizes) if size]
    found = {k: jnp.zeros((len(claims[k][0]), counts[k]), field.dtype) for k, size in enumerate(sizes) if not size}
    for chosen in filter(None, [wanted] if sum(sizes) <= TOGETHER else [[k] for k in wanted]):
        keys, nonces = [claims[k][0] for k in chosen], [claims[k][1] for k in chosen]
        found |= zip(chosen, _elements(keys, nonces, field, tuple(counts[k] for k in chosen)), strict=True)
    return [found[k] for k in range(len(claims))]
