"""Material in pieces of bounded size, one after the other: what is needed to make it does not grow with how much it is.

Made at once, ten million double sharings of five parties need 16 GB on the way to the 1 GB that they are; in pieces 4,
in the same time or less, as a piece is made in the memory that the one before has left.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from mpcjax.offline.demand import KINDS, Demand, Stock
from mpcjax.offline.preprocess import at_once, dealt_for
from mpcjax.protocols.repeat import repeat
from mpcjax.runtime import PARTS, Runtime
from mpcjax.sharing import Shamir

PIECE_BYTES = 1 << 28  # of what is dealt for a piece, by all dealers to all parties
MOST = 64  # pieces: what one of so many needs is little beside the material itself


def prepare(rt: Runtime, demand: Demand) -> Stock:
    """Verified material that meets `demand`. On any failed check: `Abort` (or a false verdict inside a trace).

    Every piece has its own randomness, coins and verification; what is wrong in any of them fails the whole.
    Cost: the rounds of `at_once`, as often as there are pieces.
    """
    count = number_of_pieces(rt.scheme, demand)
    if count == 1:
        return at_once(rt, demand)
    each = Demand(*(-(-getattr(demand, kind) // count) for kind in KINDS))
    sizes = {kind: getattr(each, kind) for kind in KINDS if getattr(each, kind)}
    rows = len(rt.fabric.rows)
    start = {kind: (rt.field.zeros((rows, count * size)),) * PARTS[kind] for kind, size in sizes.items()}

    def piece(inner: Runtime, made: Any, number: Any) -> Any:
        stock = at_once(inner, each)
        return {kind: _filled(made[kind], stock.arrays[kind], number * size) for kind, size in sizes.items()}

    return Stock(repeat(rt, piece, start, np.arange(count, dtype=np.int32), drawing=True))


def number_of_pieces(scheme: Shamir, demand: Demand) -> int:
    """In how many pieces that material is made: the same at every party."""
    return min(max(1, -(-dealt_for(scheme, demand) // PIECE_BYTES)), MOST)


def _filled(parts: tuple[Any, ...], new: tuple[Any, ...], start: Any) -> tuple[Any, ...]:
    pairs = zip(parts, new, strict=True)
    return tuple(jax.lax.dynamic_update_slice_in_dim(part, piece, start, axis=1) for part, piece in pairs)
