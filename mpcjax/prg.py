"""ChaCha20 (RFC 8439) in JAX: field elements from a key and a name, no name twice.

A *stream* is a 256-bit key per row (party or peer) and a path of labels. `child` makes the path longer; `uniform`, `bits`
and `words` expand the key under the nonce that the full path names: 96 bits of SHA-256 of an injective encoding of it, from
block 0. A stream hands out each label once, so no (key, nonce) repeats, except if two of the few hundred paths of a session
collide in 96 bits (2^-77 for 1,000 paths). `per_row` and `expand_key` derive keys: under nonces of their own domain.

Uniformity: 61 (31) bits of a 64-bit (32-bit) word; the one pattern that is no field element, p itself, is replaced by the
word made of the *unused* top bits of the words after it, mod p. Those bits are independent of all that is kept, so an
element is uniform up to 2^-61 times the 2^-61 chance of a replacement (p = 2^61 - 1), or 2^-31 times 2^-33 (p = 2^31 - 1).
Merely mapping p to 0 would leave 2^-31 per element, which a million shares of signs would show. Tiny fields take a 64-bit
word mod p: 2^-51 or less.

All code here runs inside `mpcjax._compat.x64()`.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mpcjax._compat import trace_state
from mpcjax.errors import NonceReuse

_CONSTANTS = np.array([0x61707865, 0x3320646E, 0x79622D32, 0x6B206574], np.uint32)
MAX_BLOCKS = 1 << 32  # the block counter is one word


def _rotate(x, k: int):
    return (x << np.uint32(k)) | (x >> np.uint32(32 - k))


def quarter_round(a, b, c, d):
    """RFC 8439, section 2.1, on arrays of uint32 lanes."""
    a = a + b
    d = _rotate(d ^ a, 16)
    c = c + d
    b = _rotate(b ^ c, 12)
    a = a + b
    d = _rotate(d ^ a, 8)
    c = c + d
    b = _rotate(b ^ c, 7)
    return a, b, c, d


def _round(rows: tuple, first: int, second: int, third: int) -> tuple:
    """Four quarter rounds at once on rows a, b, c, d `[4, ...]`, then the rows turned by so many places."""
    a, b, c, d = quarter_round(*rows)
    return a, jnp.roll(b, first, 0), jnp.roll(c, second, 0), jnp.roll(d, third, 0)


def _core(state):
    """`[4, 4, ...]` words: twenty rounds and the final addition. A column round, then a diagonal one, ten times."""

    def double_round(_, rows):
        return _round(_round(rows, -1, -2, -3), 1, 2, 3)

    rows = lax.fori_loop(0, 10, double_round, (state[0], state[1], state[2], state[3]))
    return jnp.stack(rows) + state


@partial(jax.jit, static_argnames="blocks")
def _blocks(keys, nonce, first, blocks: int):
    """keys [..., 8] -> the 16 keystream words of `blocks` consecutive blocks, [16, ..., blocks] (word-major)."""
    shape = (*keys.shape[:-1], blocks)
    counter = jnp.asarray(first, jnp.uint32) + jnp.arange(blocks, dtype=jnp.uint32)
    words = [*_CONSTANTS, *(keys[..., i, None] for i in range(8)), counter, *(nonce[i] for i in range(3))]
    state = jnp.stack([jnp.broadcast_to(jnp.asarray(w, jnp.uint32), shape) for w in words])
    return _core(state.reshape(4, 4, *shape)).reshape(16, *shape)


def keystream(keys, nonce, first, words: int):
    """RFC 8439 keystream: keys [..., 8], nonce [3], first block counter -> [..., words] uint32 in RFC order."""
    blocks = -(-words // 16)
    out = jnp.moveaxis(_blocks(keys, jnp.asarray(nonce, jnp.uint32), first, blocks), 0, -1)
    return out.reshape(*out.shape[:-2], 16 * blocks)[..., :words]


def _word64(low, high):
    return low.astype(jnp.uint64) | (high.astype(jnp.uint64) << np.uint64(32))


def _wide(keys, nonce, count: int):
    """keys [..., 8] -> [..., count] uint64 keystream words, in word-major order."""
    blocks = -(-count // 8)
    out = _blocks(keys, nonce, 0, blocks)
    wide = jnp.moveaxis(_word64(out[0::2], out[1::2]), 0, -2)
    return wide.reshape(*wide.shape[:-2], 8 * blocks)


def _narrow(keys, nonce, count: int):
    blocks = -(-count // 16)
    out = jnp.moveaxis(_blocks(keys, nonce, 0, blocks), 0, -2)
    return out.reshape(*out.shape[:-2], 16 * blocks)


def elements_of(field, words):
    """Words [..., N] (uint64 for e = 61, else uint32 for e = 31), N >= 64 / unused bits, to field elements [..., N]."""
    kept = words & words.dtype.type(field.modulus)
    bad = kept == words.dtype.type(field.modulus)
    return lax.cond(bad.any(), lambda w: _replaced(field, w), lambda w: w & w.dtype.type(field.modulus), words)


def _replaced(field, words):
    """Where the kept bits spell p: the unused top bits of the following words (cyclically), 63 or 64 of them, mod p."""
    unused = 8 * words.dtype.itemsize - field.exponent
    top = (words >> words.dtype.type(field.exponent)).astype(jnp.uint64)

    def gather(_, carry):
        number, bits = carry
        bits = jnp.roll(bits, -1, axis=-1)
        return (number << np.uint64(unused)) | bits, bits

    number, _ = lax.fori_loop(0, 64 // unused, gather, (jnp.zeros(words.shape, jnp.uint64), top))
    kept = words & words.dtype.type(field.modulus)
    stand_in = (number % np.uint64(field.modulus)).astype(words.dtype)
    return jnp.where(kept == words.dtype.type(field.modulus), stand_in, kept)


@partial(jax.jit, static_argnames=("field", "count"))
def _elements(keys, nonce, field, count: int):
    if field.exponent == 61:
        return elements_of(field, _wide(keys, nonce, max(count, 64)))[..., :count]
    if field.exponent == 31:
        return elements_of(field, _narrow(keys, nonce, max(count, 128)))[..., :count]
    return (_wide(keys, nonce, count) % np.uint64(field.modulus)).astype(field.dtype)[..., :count]


def field_elements(keys, nonce, field, shape):
    """keys [..., 8] under one nonce [3] -> [..., *shape] elements of the field. The caller owns the (key, nonce)."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    count = math.prod(shape)
    if count == 0:
        return jnp.zeros((*keys.shape[:-1], *shape), field.dtype)
    return _elements(keys, nonce, field, count).reshape(*keys.shape[:-1], *shape)


def _encode(path: tuple) -> bytes:
    """Injective encoding of a path: every part is tagged with its type and its length."""
    parts = []
    for part in path:
        if isinstance(part, str):
            parts.append(b"s" + part.encode())
        elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
            parts.append(b"i" + str(int(part)).encode())
        else:
            raise TypeError(f"{part!r} in the name {path!r} of some randomness must be a static int or str")
    return b"mpcjax-prg-2" + b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _nonce(kind: str, path: tuple) -> np.ndarray:
    """96 bits of SHA-256, [3] uint32; `kind` tells expansion from derivation of keys."""
    return np.frombuffer(hashlib.sha256(_encode((kind, *path))).digest()[:12], "<u4").astype(np.uint32)


class Stream:
    """Keys [rows, 8], one row per party or peer, and a path: each name below it can be taken once."""

    def __init__(self, keys, path: tuple = ()):
        keys = jnp.asarray(keys)
        if keys.dtype != jnp.uint32 or keys.ndim != 2 or keys.shape[1] != 8:
            raise ValueError(f"keys must be uint32 of shape [rows, 8], got {keys.dtype} {keys.shape}")
        self._keys, self._path = keys, path
        self._taken: set[bytes] = set()
        self._trace = trace_state()

    @staticmethod
    def from_seed(seed=None) -> Stream:
        """One row: from 32 bytes, from uint32[8] (may be traced), or, with None, from the operating system."""
        seed = os.urandom(32) if seed is None else seed
        if isinstance(seed, bytes):
            if len(seed) != 32:
                raise ValueError(f"a seed is 32 bytes, got {len(seed)}")
            seed = np.frombuffer(seed, "<u4").astype(np.uint32)
        return Stream(jnp.asarray(seed, jnp.uint32).reshape(1, 8))

    @property
    def rows(self) -> int:
        return self._keys.shape[0]

    def _take(self, label: str, indices: tuple) -> tuple:
        if trace_state() != self._trace:
            raise NonceReuse(
                f"randomness {label!r} comes from a stream made outside of this loop body or transformed function, "
                "which may run many times: pass its keys in as arguments and make the stream inside"
            )
        path = (*self._path, label, *indices)
        name = _encode((label, *indices))
        if name in self._taken:
            raise NonceReuse(f"randomness {path!r} was taken before from this stream")
        self._taken.add(name)
        return path

    def child(self, label: str, *indices) -> Stream:
        """A stream with the same rows, one label further down."""
        return Stream(self._keys, self._take(label, (*indices, "/")))

    def claim(self, label: str, *indices) -> tuple:
        """`(keys [rows, 8], nonce [3])` for a loop that expands them itself, once, with `field_elements`."""
        return self._keys, _nonce("expand", self._take(label, indices))

    def per_row(self, label: str, rows) -> Stream:
        """From a one-row stream: row j depends on `rows[j]` alone, so who holds party 3 only gets row 3's key."""
        rows = [int(i) for i in np.asarray(rows).reshape(-1)]
        if self.rows != 1:
            raise ValueError(f"per_row({label!r}) needs a stream of one row, this one has {self.rows}")
        if len(set(rows)) != len(rows):
            raise NonceReuse(f"per_row {label!r}: indices {rows} name a row twice")
        nonce = _nonce("row", self._take(label, ("per row",)))
        return Stream(_row_keys(self._keys, nonce, np.asarray(rows, np.uint32)))

    def at(self, label: str, index) -> Stream:
        """From a one-row stream: the stream number `index`, an integer below 2^32 that may be traced."""
        nonce = _nonce("row", self._take(label, ("at",)))
        return Stream(_row_keys(self._keys, nonce, jnp.asarray(index).astype(jnp.uint32).reshape(1)))

    def key(self):
        """The key of a one-row stream as a seed, `[8]` uint32, for a program of its own; takes the whole stream."""
        self._take("key", ())
        return self._keys[0]

    def uniform(self, label: str, field, shape):
        """[rows, *shape] uniform field elements."""
        keys, nonce = self.claim(label)
        return field_elements(keys, nonce, field, shape)

    def words(self, label: str, count: int):
        """[rows, count] uint32 in the byte order of RFC 8439."""
        keys, nonce = self.claim(label)
        return keystream(keys, nonce, 0, count)

    def bits(self, label: str, shape):
        """[rows, *shape] uint8, each 0 or 1."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        count = math.prod(shape)
        words = self.words(label, -(-count // 32))
        bits = (words[..., None] >> jnp.arange(32, dtype=jnp.uint32)) & np.uint32(1)
        return bits.reshape(self.rows, -1)[:, :count].astype(jnp.uint8).reshape(self.rows, *shape)


@jax.jit
def _row_keys(keys, nonce, rows):
    """keys [1, 8], rows [r] -> [r, 8]: half of block number rows[j]."""
    words = [*_CONSTANTS, *(keys[0, i] for i in range(8)), rows, *(nonce[i] for i in range(3))]
    state = jnp.stack([jnp.broadcast_to(jnp.asarray(w, jnp.uint32), rows.shape) for w in words])
    return _core(state.reshape(4, 4, -1)).reshape(16, -1)[:8].T
