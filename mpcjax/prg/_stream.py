"""Streams: keys with a path of names, of which none can be used twice."""

from __future__ import annotations

import hashlib
import os
import struct

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax._compat import trace_state
from mpcjax.errors import NonceReuse
from mpcjax.prg._chacha import keystream, rolled_blocks
from mpcjax.prg._elements import WORDS, as_shape, elements_of_several, field_elements

Level = tuple  # a label and its indices


def _encode(kind: str, path: tuple[Level, ...]) -> bytes:
    """Injective encoding of a kind and a path: every part is tagged with its type and its length, every level opened."""
    parts = [b"k" + kind.encode()]
    for level in path:
        parts.append(b"l")
        for part in level:
            if isinstance(part, str):
                parts.append(b"s" + part.encode())
            elif isinstance(part, (int, np.integer)) and not isinstance(part, bool):
                parts.append(b"i" + str(int(part)).encode())
            else:
                raise TypeError(f"{part!r} in the name {level!r} of some randomness must be a static int or str")
    return b"mpcjax-prg-3" + b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _nonce(kind: str, path: tuple[Level, ...]) -> np.ndarray:
    """96 bits of SHA-256, [3] uint32; `kind` tells expansion from derivation of keys."""
    return np.frombuffer(hashlib.sha256(_encode(kind, path)).digest()[:12], "<u4").astype(np.uint32)


class Stream:
    """Keys [rows, 8], one row per party or peer, and a path: each name below it can be taken once."""

    def __init__(self, keys, path: tuple[Level, ...] = ()):
        keys = jnp.asarray(keys)
        if keys.dtype != jnp.uint32 or keys.ndim != 2 or keys.shape[1] != 8:
            raise ValueError(f"keys must be uint32 of shape [rows, 8], got {keys.dtype} {keys.shape}")
        self._keys, self._path = keys, path
        self._taken: set[bytes] = set()
        self._closed = False
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

    def _take(self, kind: str, *level: str | int) -> tuple[Level, ...]:
        label = level[0]
        if trace_state() != self._trace:
            raise NonceReuse(
                f"randomness {label!r} comes from a stream made outside of this loop body or transformed function, "
                "which may run many times: pass its keys in as arguments and make the stream inside"
            )
        path = (*self._path, level)
        name = _encode(kind, (level,))
        if self._closed or name in self._taken:
            why = "its whole stream" if self._closed else "it"
            raise NonceReuse(f"randomness {path!r}: {why} was taken before")
        self._taken.add(name)
        return path

    def child(self, label: str, *indices) -> Stream:
        """A stream with the same rows, one level further down."""
        return Stream(self._keys, self._take("child", label, *indices))

    def claim(self, label: str, *indices) -> tuple:
        """`(keys [rows, 8], nonces [3, 3])` for a loop that expands them itself, once, with `field_elements`."""
        path = self._take("expand", label, *indices)
        return self._keys, np.stack([_nonce(kind, path) for kind in ("expand", "spare 1", "spare 2")])

    def per_row(self, label: str, rows) -> Stream:
        """From a one-row stream: row j depends on `rows[j]` alone, so who holds party 3 only gets row 3's key."""
        rows = [int(i) for i in np.asarray(rows).reshape(-1)]
        if self.rows != 1:
            raise ValueError(f"per_row({label!r}) needs a stream of one row, this one has {self.rows}")
        if len(set(rows)) != len(rows):
            raise NonceReuse(f"per_row {label!r}: indices {rows} name a row twice")
        nonce = _nonce("row", self._take("row", label))
        return Stream(_row_keys(self._keys, nonce, np.asarray(rows, np.uint32)))

    def at(self, label: str, index) -> Stream:
        """From a one-row stream: the stream number `index`, an integer below 2^32 that may be traced."""
        if isinstance(index, (int, np.integer)) and not 0 <= index < 1 << 32:
            raise ValueError(f"at({label!r}, {index}): legal numbers are 0 to 2^32 - 1")
        nonce = _nonce("at", self._take("at", label))
        return Stream(_row_keys(self._keys, nonce, jnp.asarray(index).astype(jnp.uint32).reshape(1)))

    def shared(self, label: str, count: int) -> Stream:
        """Keys that every row has in common with `count` others each, to be sent to them: of row r in rows r `count` and on."""
        return Stream(self.words(label, 8 * count).reshape(-1, 8))

    def to_be_sent(self):
        """The keys themselves, `[rows, 8]`: for those who have them in common with a row (`shared`), and nobody else."""
        return self._keys

    def key(self):
        """The key of a one-row stream as a seed, `[8]` uint32, for a program of its own: takes the whole stream.

        Only of a stream with a key of its own (from `per_row` or `at`) of which nothing has been taken: elsewhere the
        program, which starts at the top again, could name what is already named here.
        """
        if self.rows != 1:
            raise ValueError(f"key() is for streams of one row, this one has {self.rows}")
        if self._path or self._taken:
            raise NonceReuse("key() would hand out a key from which randomness was taken before")
        self._take("key", "key")
        self._closed = True
        return self._keys[0]

    def uniform(self, label: str, field, shape):
        """[rows, *shape] uniform field elements."""
        keys, nonces = self.claim(label)
        return field_elements(keys, nonces, field, shape)

    def words(self, label: str, count: int):
        """[rows, count] uint32 in the byte order of RFC 8439."""
        keys, nonces = self.claim(label)
        return keystream(keys, nonces[0], 0, count)

    def coins(self, label: str, shape):
        """[rows, *shape] uint32 of 32 public or secret coins each: as fast as field elements, in an order of its own."""
        keys, nonces = self.claim(label)
        return field_elements(keys, nonces, WORDS, as_shape(shape))


def uniform_of_several(field, *wanted: tuple[Stream, str, int]) -> list:
    """`[rows, count]` uniform field elements of every `(stream, label, count)`: `uniform` of each, compiled as one loop."""
    claims = [stream.claim(label) for stream, label, _ in wanted]
    return elements_of_several(claims, field, [count for *_, count in wanted])


@jax.jit
def _row_keys(keys, nonce, rows):
    """keys [1, 8], rows [r] -> [r, 8]: half of block number rows[j]."""
    return rolled_blocks(keys, rows, jnp.asarray(nonce))[:8].T
