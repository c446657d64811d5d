"""Against centered clipping: rows on the rim of what the rule lets through, measured from its public center."""

from __future__ import annotations

import math

import jax.numpy as jnp

from mpcjax.attacks._attack import Attack, honest_mean
from mpcjax.attacks._vectors import unit


def off_center(clip: float = 10.0, angle: float = 180.0, history: float = 0.0) -> Attack:
    """``v + clip (cos(angle) u + sin(angle) w)`` from every malicious peer, with v the ``center`` given to the call.

    u is the unit vector along the honest peers' progress, ``(1 - history) mu + history v``, and w the one along
    ``(1, ..., 1)`` without its part along u. A row at distance clip of the center is clipped by nothing, so the rule
    takes it whole: what it takes depends on the distance alone, never on the angle. Without ``center=`` v is zero,
    as in the rule.

    Args:
      clip: the rule's tau, which is public.
      angle: in degrees. 180, the default, is straight back, which takes the most progress in one round. 90 is the
        paper's: sideways, round after round the same way, so that the center itself drifts.
      history: how much of u is the center, in 0..1.

    Reference: Ozfatura et al. 2022, "Byzantines can also learn from history: fall of centered clipping in federated
    learning", relocated orthogonal perturbation: ``angle=90.0`` and a u that mixes mu with the center. The authors' code
    scales by ALIE's z, not knowing the clip, and may start between v and mu; here the clip is known and v the start.
    """
    if not (clip > 0 and math.isfinite(clip)):
        raise ValueError(f"clip={clip}: legal are positive numbers; take that of the rule")
    if not math.isfinite(angle):
        raise ValueError(f"angle={angle}: legal are numbers, in degrees; 180 is straight back")
    if not 0 <= history <= 1:
        raise ValueError(f"history={history}: legal are numbers in 0..1, the share of the center in the reference")
    ahead, aside = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def craft(updates, honest, known):
        center = jnp.zeros(updates.shape[1], jnp.float32) if known.center is None else known.center
        u = unit((1 - history) * honest_mean(updates, honest) + history * center)
        w = unit(1 - jnp.sum(u) * u)
        return center + jnp.float32(clip) * (jnp.float32(ahead) * u + jnp.float32(aside) * w)

    return Attack("off_center", craft=craft)
