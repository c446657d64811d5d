"""Who holds which samples: independent and identically distributed, or skewed by class."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np


def iid(labels: np.ndarray, peers: int, *, seed: int = 0) -> list[np.ndarray]:
    """A random permutation cut into ``peers`` parts whose sizes differ by one at most: index arrays, one a peer."""
    _check(labels, peers)
    return [np.sort(part) for part in np.array_split(_permutation(seed, len(labels)), peers)]


def dirichlet(labels: np.ndarray, peers: int, *, alpha: float, seed: int = 0, at_least: int = 1) -> list[np.ndarray]:
    """Class k is shared out in proportions drawn from Dirichlet(alpha): small alpha, few classes per peer.

    A peer that comes out with fewer than ``at_least`` samples gets them from the largest parts, so that nobody is
    empty.

    Reference: Hsu, Qi, Brown 2019, "Measuring the effects of non-identical data distribution".
    """
    _check(labels, peers)
    if not alpha > 0:
        raise ValueError(f"alpha={alpha}: must be positive (0.1 is very skewed, 100 is nearly iid)")
    if at_least * peers > len(labels):
        raise ValueError(f"{len(labels)} samples cannot give {peers} peers {at_least} each")
    key = jax.random.key(seed)
    parts: list[list[int]] = [[] for _ in range(peers)]
    for label in np.unique(labels):
        draw, shuffle = jax.random.split(jax.random.fold_in(key, int(label)))
        members = np.flatnonzero(labels == label)
        members = members[np.asarray(jax.random.permutation(shuffle, len(members)))]
        shares = np.asarray(jax.random.dirichlet(draw, jnp.full(peers, alpha, jnp.float32)), np.float64)
        # Very small alphas underflow to 0/0 in float32: such a class goes to one peer.
        shares = np.eye(peers)[int(label) % peers] if not np.isfinite(shares).all() else shares
        cuts = np.round(np.cumsum(shares) / shares.sum() * len(members)).astype(int)[:-1]
        for part, piece in zip(parts, np.split(members, cuts), strict=True):
            part.extend(piece.tolist())
    return [np.sort(np.asarray(part, np.int64)) for part in _fill(parts, at_least)]


def _fill(parts: list[list[int]], at_least: int) -> list[list[int]]:
    for part in parts:
        while len(part) < at_least:
            part.append(max(parts, key=len).pop())
    return parts


def _permutation(seed: int, count: int) -> np.ndarray:
    return np.asarray(jax.random.permutation(jax.random.key(seed), count))


def _check(labels: np.ndarray, peers: int) -> None:
    if not 1 <= peers <= len(labels):
        raise ValueError(f"peers={peers}: must be in 1..{len(labels)}, the number of samples")
