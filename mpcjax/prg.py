"""ChaCha20 (RFC 8439) in JAX: a tree of one-time keys, and field elements expanded from them.

A *stream* holds one 256-bit key per row and is only ever used to derive further keys; a *leaf* holds keys that are only
ever expanded, and only once. Deriving takes one ChaCha20 block whose counter and nonce are 128 bits of SHA-256 of an
injective encoding of (kind, label, indices), so different labels give independent keys. Every leaf key is expanded under
fixed nonces from counter 0. No key is in both roles, no label can be taken twice from one stream, and no leaf expanded
twice, so no (key, counter, nonce) repeats.

All code here runs inside `mpcjax._compat.x64()`.
"""

from __future__ import annotations

import hashlib
import math
import os
import struct
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from mpcjax._compat import trace_state
from mpcjax.errors import NonceReuse

_CONSTANTS = np.array([0x61707865, 0x3320646E, 0x79622D32, 0x6B206574], np.uint32)
_COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
_DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
_MAIN, _REPLACEMENT = (0, 0, 0), (0, 0, 1)  # the nonces of a leaf: elements, and stand-ins for candidates equal to p
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


def _double_round(state: Sequence) -> tuple:
    x = list(state)
    for quads in (_COLUMNS, _DIAGONALS):
        for quad in quads:
            for word, value in zip(quad, quarter_round(*(x[i] for i in quad)), strict=True):
                x[word] = value
    return tuple(x)


def _core(key, counter, nonce) -> tuple:
    """Twenty rounds and the final addition: key 8, nonce 3 broadcastable words, counter [...] -> 16 words [...]."""
    words = [*_CONSTANTS, *key, counter, *nonce]
    shape = jnp.broadcast_shapes(*(jnp.shape(w) for w in words))
    start = tuple(jnp.broadcast_to(jnp.asarray(w, jnp.uint32), shape) for w in words)
    end = lax.fori_loop(0, 10, lambda _, x: _double_round(x), start)
    return tuple(x + y for x, y in zip(end, start, strict=True))


@partial(jax.jit, static_argnames="blocks")
def _blocks(keys, nonce, first, blocks: int):
    """keys [..., 8] -> the 16 keystream words of `blocks` consecutive blocks, [16, ..., blocks] (word-major)."""
    counter = jnp.asarray(first, jnp.uint32) + jnp.arange(blocks, dtype=jnp.uint32)
    key = [keys[..., i, None] for i in range(8)]
    return jnp.stack(_core(key, counter, [nonce[i] for i in range(3)]))


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
    out = _blocks(keys, np.array(nonce, np.uint32), 0, blocks)
    wide = jnp.moveaxis(_word64(out[0::2], out[1::2]), 0, -2)
    return wide.reshape(*wide.shape[:-2], 8 * blocks)[..., :count]


def _narrow(keys, nonce, count: int):
    blocks = -(-count // 16)
    out = jnp.moveaxis(_blocks(keys, np.array(nonce, np.uint32), 0, blocks), 0, -2)
    return out.reshape(*out.shape[:-2], 16 * blocks)[..., :count]


def _replace(candidates, keys, field):
    """Candidates in [0, p] -> [0, p): each one equal to p becomes a 64-bit word mod p of the replacement stream."""
    p = field.dtype(field.modulus) if callable(field.dtype) else np.dtype(field.dtype).type(field.modulus)
    bad = candidates == p

    def stand_in(x):
        spare = _wide(keys, _REPLACEMENT, x.shape[-1]) % np.uint64(field.modulus)
        return jnp.where(bad, spare.astype(x.dtype), x)

    return lax.cond(bad.any(), stand_in, lambda x: x, candidates)


@partial(jax.jit, static_argnames=("field", "count"))
def _elements(keys, field, count: int):
    if field.exponent == 61:
        return _replace(_wide(keys, _MAIN, count) & np.uint64(field.modulus), keys, field)
    if field.exponent == 31:
        return _replace(_narrow(keys, _MAIN, count) & np.uint32(field.modulus), keys, field)
    return (_wide(keys, _MAIN, count) % np.uint64(field.modulus)).astype(field.dtype)


def field_elements(keys, field, shape):
    """keys [..., 8], each expanded nowhere else -> [..., *shape] elements of the field."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return _elements(keys, field, math.prod(shape)).reshape(*keys.shape[:-1], *shape)


def _random_bits(keys, count: int):
    words = keystream(keys, _MAIN, 0, -(-count // 32))
    bits = (words[..., None] >> jnp.arange(32, dtype=jnp.uint32)) & np.uint32(1)
    return bits.reshape(*keys.shape[:-1], -1)[..., :count].astype(jnp.uint8)


def _encode(kind: str, label: str, indices: Sequence) -> bytes:
    """Injective encoding of a derivation's name: every part is tagged with its type and its length."""
    parts = [b"k" + kind.encode(), b"s" + label.encode()]
    for index in indices:
        if isinstance(index, str):
            parts.append(b"s" + index.encode())
        elif isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            parts.append(b"i" + str(int(index)).encode())
        else:
            raise TypeError(f"index {index!r} of label {label!r} must be a static int or str")
    return b"mpcjax-prg-1" + b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _name_words(kind: str, label: str, indices: Sequence) -> np.ndarray:
    """128 bits of SHA-256 as [4] uint32: block counter and nonce of the deriving block."""
    return np.frombuffer(hashlib.sha256(_encode(kind, label, indices)).digest()[:16], "<u4").astype(np.uint32)


def _derive(keys, names):
    """keys [r, 8] (or [1, 8]), names [r, 4] (or [1, 4]) -> [r, 8]: the first half of one block per row."""
    out = _core([keys[:, i] for i in range(8)], names[:, 0], [names[:, i] for i in (1, 2, 3)])
    return jnp.stack(out[:8], axis=-1)


class _OneTime:
    """Keys bound to the trace that made them: used inside a loop body or a transform, they would repeat unseen."""

    def __init__(self, keys):
        keys = jnp.asarray(keys)
        if keys.dtype != jnp.uint32 or keys.ndim != 2 or keys.shape[1] != 8:
            raise ValueError(f"keys must be uint32 of shape [rows, 8], got {keys.dtype} {keys.shape}")
        self._keys = keys
        self._trace = trace_state()

    @property
    def rows(self) -> int:
        return self._keys.shape[0]

    def _check_trace(self, label: str) -> None:
        if trace_state() != self._trace:
            raise NonceReuse(
                f"randomness {label!r} comes from a stream made outside of this loop body or transformed function, "
                "which may run many times: pass its keys in as arguments and make the stream inside"
            )


class Leaf(_OneTime):
    """Keys [rows, 8] for one expansion."""

    def __init__(self, keys, label: str):
        super().__init__(keys)
        self.label = label
        self._spent = False

    def raw(self):
        """The keys [rows, 8], for a loop that expands them itself with `field_elements`; spends the leaf."""
        self._check_trace(self.label)
        if self._spent:
            raise NonceReuse(f"leaf {self.label!r} has been expanded before")
        self._spent = True
        return self._keys

    def uniform(self, field, shape):
        """[rows, *shape] uniform field elements."""
        return field_elements(self.raw(), field, shape)

    def words(self, count: int):
        """[rows, count] uint32 in the byte order of RFC 8439."""
        return keystream(self.raw(), _MAIN, 0, count)

    def bits(self, shape):
        """[rows, *shape] uint8, each 0 or 1."""
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return _random_bits(self.raw(), math.prod(shape)).reshape(self.rows, *shape)


class Stream(_OneTime):
    """Keys [rows, 8], one row per party or peer, from which each name gives new keys once."""

    def __init__(self, keys):
        super().__init__(keys)
        self._taken: set = set()

    @staticmethod
    def from_seed(seed=None) -> Stream:
        """One row: from 32 bytes, from uint32[8] (may be traced), or, with None, from the operating system."""
        if seed is None:
            seed = os.urandom(32)
        if isinstance(seed, bytes):
            if len(seed) != 32:
                raise ValueError(f"a seed is 32 bytes, got {len(seed)}")
            seed = np.frombuffer(seed, "<u4").astype(np.uint32)
        return Stream(jnp.asarray(seed, jnp.uint32).reshape(1, 8))

    def _take(self, label: str, indices: tuple) -> None:
        self._check_trace(label)
        name = _encode("", label, indices)
        if name in self._taken:
            raise NonceReuse(f"randomness {label!r} (indices {indices}) was taken before from this stream")
        self._taken.add(name)

    def child(self, label: str, *indices) -> Stream:
        """A stream with the same rows under (label, *indices)."""
        self._take(label, indices)
        return Stream(_derive(self._keys, _name_words("child", label, indices)[None]))

    def leaf(self, label: str, *indices) -> Leaf:
        """The leaf of the same rows under (label, *indices)."""
        self._take(label, indices)
        return Leaf(_derive(self._keys, _name_words("leaf", label, indices)[None]), label)

    def per_row(self, label: str, rows) -> Stream:
        """From a one-row stream: row j depends on `rows[j]` alone, so who holds party 3 only gets row 3's key."""
        rows = [int(i) for i in np.asarray(rows).reshape(-1)]
        if self.rows != 1:
            raise ValueError(f"per_row({label!r}) needs a stream of one row, this one has {self.rows}")
        if len(set(rows)) != len(rows):
            raise NonceReuse(f"per_row {label!r}: indices {rows} name a row twice")
        self._take(label, ())
        return Stream(_derive(self._keys, np.stack([_name_words("row", label, (i,)) for i in rows])))

    def uniform(self, label: str, field, shape):
        """[rows, *shape] uniform field elements from the leaf `label`."""
        return self.leaf(label).uniform(field, shape)

    def bits(self, label: str, shape):
        """[rows, *shape] uint8 bits from the leaf `label`."""
        return self.leaf(label).bits(shape)
