"""Keys that parties send each other, so that later both expand the same from them."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from mpcjax.runtime import Runtime


def exchanged(rt: Runtime, words: Any) -> Any:
    """Every party sends a key to every other: `words [rows, receiver, 8]` uint32 to `[rows, sender, 8]`. One round."""
    as_bytes = jax.lax.bitcast_convert_type(words, np.uint8)  # no field elements: nothing may reduce them
    received = rt.fabric.exchange(as_bytes.reshape(*words.shape[:2], 32), rt.fresh("keys"))
    return jax.lax.bitcast_convert_type(received.reshape(*words.shape, 4), np.uint32)
