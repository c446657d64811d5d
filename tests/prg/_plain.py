"""ChaCha20 and the field elements made of it in plain Python: the vectors of RFC 8439 hold for it (test_chacha)."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpcjax.fields import Field
from mpcjax.prg import _elements

NONCES = np.array([[9, 0, 1], [0, 7, 2], [3, 0, 5]], np.uint32)
KEYS = np.random.default_rng(0).integers(0, 1 << 32, (2, 8), np.uint32)


def words(hexadecimal: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(hexadecimal), "<u4").astype(np.uint32)


def plain_block(key: Any, counter: int, nonce: Any) -> list[int]:
    start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *map(int, key), counter, *map(int, nonce)]
    x = start.copy()

    def quarter(a: int, b: int, c: int, d: int) -> None:
        for target, source, mixed, shift in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[target] = (x[target] + x[source]) % 2**32
            turned = x[mixed] ^ x[target]
            x[mixed] = (turned << shift | turned >> 32 - shift) % 2**32

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return [(a + b) % 2**32 for a, b in zip(x, start, strict=True)]


def plain_candidates(field: Field, key: Any, nonce: Any, first: int, lanes: int) -> list[int]:
    """Candidates of `lanes` blocks, word-major, not yet below p."""
    blocks = [plain_block(key, first + lane, nonce) for lane in range(lanes)]
    if field.exponent == 31:
        return [block[w] & field.modulus for w in range(16) for block in blocks]
    wide = [block[w] | block[w + 1] << 32 for w in range(0, 16, 2) for block in blocks]
    return [word & field.modulus if field.exponent == 61 else word % field.modulus for word in wide]


def plain_replacements(field: Field, key: Any, first: int, lanes: int) -> list[int]:
    spares = NONCES[1:] if field.exponent == 31 else NONCES[1:2]
    blocks = [[plain_block(key, first + lane, nonce) for lane in range(lanes)] for nonce in spares]
    return [
        (block[w] | block[w + 1] << 32) % field.modulus for w in range(0, 16, 2) for part in blocks for block in part
    ]


def plain_elements(field: Field, key: Any, count: int, lanes: int, bad: Any = lambda block: False) -> list[int]:
    """The documented order; where `bad(block)` every candidate of the block counts as p."""
    chunk = _elements.per_block(field) * lanes
    out = [0] * max(count, chunk)
    for step in range(-(-len(out) // chunk)):
        first, offset = step * lanes, min(step * chunk, len(out) - chunk)
        numbers = plain_candidates(field, key, NONCES[0], first, lanes)
        spare = plain_replacements(field, key, first, lanes)
        wrong = [bad(plain_block(key, first + lane, NONCES[0])) for lane in range(lanes)]
        for k in range(chunk):
            replaced = wrong[k % lanes] or numbers[k] == field.modulus
            out[offset + k] = spare[k] if replaced else numbers[k]
    return out[:count]
