"""Fall of empires: inner-product manipulation, counted from the honest mean instead of from zero."""

from __future__ import annotations

import jax.numpy as jnp

from mpcjax.attacks._attack import Attack, honest_mean


def foe(tau: float = 3.0) -> Attack:
    """``(1 - tau) mu`` from every malicious peer: the same as ``ipm(factor=tau - 1)``, for tau > 1.

    Two names of one attack. The paper sends ``-factor mu`` (``ipm``); others walk from mu along ``-mu``, and that
    distance is their tau. It turns the plain mean around only if ``tau > n / f``: more than 5 at 5 of 25.

    Args:
      tau: 3 as in ByzFL's ``FallOfEmpires``. ByzFL 0.0.11 sends the same by another name and number,
        ``InnerProductManipulation(2.0)``. From 0 to 1 the malicious peers only slow the mean down.

    Reference: Xie et al. 2020, "Fall of empires", section 4; tau as ByzFL counts it.
    """
    if not tau > 0:
        raise ValueError(f"tau={tau}: legal are positive numbers; the minus sign is part of the attack")

    def craft(updates, honest, known):
        return jnp.float32(1 - tau) * honest_mean(updates, honest)

    return Attack("foe", craft=craft)
