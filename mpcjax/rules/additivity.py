"""Whether a rule that says it is additive is: tried on plain numbers before a round is cut into groups of peers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.rules.base import Public, Rule

CLOSE = 1e-3  # of the largest number: float32 adds up in another order, and a wrong rule is off by a factor


@lru_cache(maxsize=256)
def require_additive(rule: Rule, length: int) -> None:
    """`ValueError` where `combine` of two messages and of two more does not add up to `combine` of the four.

    So a rule fails that divides by how many messages there are: right with one group, and a multiple of it with several.
    Cost: three plain runs of `combine` on four messages of 1 and -1.
    """
    drawn = np.random.default_rng(0).integers(0, 2, (4, rule.message_length(length)))
    signs = (2 * drawn - 1).astype(np.float32)
    whole, parts = _of(rule, signs, length), _of(rule, signs[:2], length) + _of(rule, signs[2:], length)
    off = float(np.max(np.abs(whole - parts), initial=0.0))
    if not off <= CLOSE * float(np.max(np.abs(whole), initial=0.0)):
        raise ValueError(
            f"rule {rule.name!r} says that it is additive, and its `combine` of four messages is not the sum of `combine` of "
            f"two and two: {off:.3g} apart. Legal are sums over the peers: divide by their number in `finish`, or leave "
            "`additive` out"
        )


def _of(rule: Rule, messages: Any, length: int) -> np.ndarray:
    reference = jnp.ones((length,), jnp.float32) if "reference" in rule.needs else None
    public = Public.of(messages.shape[0], length, reference=reference)
    return np.asarray(rule.combine(jnp.asarray(messages), public), np.float64)
