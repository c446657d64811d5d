"""Gaussian: the malicious peers send noise."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mpcjax.attacks._attack import Attack


def gaussian(std: float = 1.0) -> Attack:
    """``N(0, std^2)``, independent per malicious peer and coordinate; 1 by default, 1e4 in the stronger use.

    Needs ``key``.

    Reference: Blanchard et al. 2017 (Krum), section 5.
    """
    if not std > 0:
        raise ValueError(f"std={std}: the standard deviation must be positive")

    def craft(updates, honest, known):
        return jnp.float32(std) * jax.random.normal(known.key, updates.shape, jnp.float32)

    return Attack("gaussian", craft=craft, needs_key=True)
