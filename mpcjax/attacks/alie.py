"""A little is enough: a shift that hides within the honest peers' spread."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.attacks._attack import Attack, honest_moments


def alie_factor(peers: int, malicious: int) -> float:
    """``z = Phi^-1((n - f - s) / (n - f))`` with ``s = floor(n/2 + 1) - f``: 0.253 at 5 of 25, 1.068 at 11 of 25.

    s is how many honest peers the attackers need on their side of the median.
    """
    supporters = peers // 2 + 1 - malicious
    share = (peers - malicious - supporters) / (peers - malicious)
    if not 0 < share < 1:
        raise ValueError(
            f"the formula for z has no value at {malicious} malicious of {peers} peers: give z yourself, alie(z=1.5)"
        )
    return NormalDist().inv_cdf(share)


def alie(z: float | None = None) -> Attack:
    """``mu - z sigma`` from every malicious peer.

    Args:
      z: None takes the paper's formula for the n and f at hand (``alie_factor``). ByzFL's default, 1.5, is far
        stronger.

    Reference: Baruch et al. 2019, "A little is enough", algorithm 3.
    """

    def craft(updates, honest, known):
        mu, sigma = honest_moments(updates, honest)
        return mu - _factor(z, honest) * sigma

    return Attack("alie", craft=craft)


def _factor(z: float | None, honest: Any) -> jax.Array:
    if z is not None:
        return jnp.float32(z)
    peers = honest.shape[0]
    if isinstance(honest, np.ndarray):
        malicious = peers - int(honest.sum())
        return jnp.float32(alie_factor(peers, malicious) if malicious else 0.0)
    # The count is known only when the program runs: the same formula on the device, infinite where it has no value.
    honest_count = honest.sum().astype(jnp.float32)
    supporters = peers // 2 + 1 - (peers - honest_count)
    return jax.scipy.special.ndtri((honest_count - supporters) / honest_count)
