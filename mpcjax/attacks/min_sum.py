"""Min-sum: as far from all honest updates together as one of them is."""

from __future__ import annotations

import jax.numpy as jnp

from mpcjax.attacks._attack import Attack
from mpcjax.attacks.min_max import largest


def min_sum(deviation: str = "unit") -> Attack:
    """``mu - gamma dev``, its squared distances to the honest updates adding up to no more than an honest one's.

    gamma is the largest found with ``sum_i |m - x_i|^2 <= max_j sum_i |x_j - x_i|^2``, as in ``min_max``.

    Args:
      deviation: as in ``min_max``.

    Reference: Shejwalkar, Houmansadr 2021, "Manipulating the Byzantine", the attacks that know no rule, and algorithm 1.
    """

    def legal(between, distances, honest):
        return jnp.sum(jnp.where(honest, distances, 0)) <= jnp.max(jnp.sum(between, axis=1))

    return largest("min_sum", deviation, legal)
