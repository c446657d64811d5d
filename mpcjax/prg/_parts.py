"""Several arrays in one, filled chunk by chunk in one loop."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np


class Parts:
    """Several arrays `[rows, count]` one after the other, and the chunks that they are filled by."""

    def __init__(self, rows: Sequence[int], counts: Sequence[int], chunk: int):
        self.shapes, self.chunk = list(zip(rows, counts, strict=True)), chunk
        steps = [-(-count // chunk) for count in counts]
        sizes = [n * count for n, count in self.shapes]
        filled = [n * each for n, each in zip(rows, steps, strict=True)]
        self.length, self.chunks = sum(sizes), sum(filled)
        # of each: how many chunks, rows and elements stand before it, its chunks a row, its elements a row
        before = [[0, *itertools.accumulate(of[:-1])] for of in (filled, rows, sizes)]
        self.table = np.array([*before, steps, counts], np.uint64)

    def at(self, i):
        """Of chunk `i`: which array it is of, the row among all rows, the chunk of that row, and its first element."""
        part = jnp.sum(i >= self.table[0][1:], dtype=jnp.int32)
        chunks, rows, elements, steps, count = (jnp.asarray(of)[part] for of in self.table)
        row, step = (i - chunks) // steps, (i - chunks) % steps
        offset = elements + row * count + jnp.minimum(step * np.uint64(self.chunk), count - np.uint64(self.chunk))
        return part, rows + row, step, offset

    def split(self, flat) -> list:
        starts = self.table[2].astype(int)
        return [flat[a : a + n * count].reshape(n, count) for a, (n, count) in zip(starts, self.shapes, strict=True)]
