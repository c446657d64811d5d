"""Inner-product manipulation: the honest mean, turned around and scaled."""

from __future__ import annotations

import jax.numpy as jnp

from mpcjax.attacks._attack import Attack, honest_mean


def ipm(factor: float = 10.0) -> Attack:
    """``-factor * mu`` from every malicious peer.

    It turns the plain mean around only if ``factor * f > n - f``: more than 4 at 5 of 25. With a weaker factor the
    plain mean only slows down, and a demonstration shows no harm.

    Reference: Xie et al. 2020, "Fall of empires", section 4 (factors 0.1 to 100 are in use).
    """
    if not factor > 0:
        raise ValueError(f"factor={factor}: must be positive; the minus sign is part of the attack")

    def craft(updates, honest, known):
        return -jnp.float32(factor) * honest_mean(updates, honest)

    return Attack("ipm", craft=craft)
