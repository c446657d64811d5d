"""All parties in one array program: sending is transposing.

It computes what the parties would compute, every message and every check, and protects nobody from the owner of the
process. One thing cannot be expressed here: telling two receivers different things in a broadcast (see `threaded`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.fabric.base import Fabric, Tamper


class Simulated(Fabric):
    """All `parties` in this process; works eagerly and inside any JAX transformation."""

    traceable = True

    def __init__(self, parties: int, tamper: Tamper | None = None):
        super().__init__(parties, np.arange(parties, dtype=np.int32), tamper)

    def _received(self, x: Any) -> Any:
        """Without an adversary all words were made by this very program, and are canonical already."""
        return x if self.tamper is None else super()._received(x)

    def _exchange(self, x: Any, label: str) -> Any:
        return jnp.swapaxes(x, 0, 1)

    def _exchange_rest(self, x: Any, label: str, known: np.ndarray, expand: Callable[[], Any]) -> Any:
        """Without an adversary the sender's own expansions are the receiver's, and are made once."""
        received = self._exchange(x, label)
        if self.tamper is None:
            return received
        return jnp.where(known.T.reshape(*known.shape, *(1,) * (x.ndim - 2)), expand(), received)

    def _broadcast(self, x: Any, label: str) -> Any:
        return x
