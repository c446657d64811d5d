"""What an attack is: a pure function on the stacked updates, on the malicious peers' data, or on both.

The adversary of this literature is omniscient: it sees every honest update of the round before it chooses its own.
``mu`` and ``sigma`` are the mean and the standard deviation (ddof = 1) over the *honest* peers, per coordinate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax._trees import vector_like


class Known(NamedTuple):
    """What the adversary knows of a round besides the updates; None for what the call did not give.

    ``key`` of ``jax.random``; ``center [d]`` and ``reference [d]`` as the rules take them (``mpcjax.rules.Public``).
    """

    key: Any = None
    center: Any = None
    reference: Any = None


# (updates [n, d] float32, honest mask [n] bool, known) -> [n, d], or [d] for the same row from every malicious peer.
# The mask is a NumPy array wherever it is known at trace time.
Craft = Callable[[jax.Array, Any, Known], jax.Array]


@dataclass(frozen=True)
class Attack:
    """One poisoning attack. Call it on the stacked updates of one round.

    Attributes:
      name: its name in ``ATTACKS``.
      craft: what the malicious peers send, from everybody's honest updates; None for an attack in the data alone.
      relabel: what the malicious peers make of their labels; None if they keep them.
      poison: what they make of ``(images [n, batch, ...], labels [n, batch])``; None if they keep the images.
      needs_key: whether it draws random numbers.
    """

    name: str
    craft: Craft | None = None
    relabel: Callable[[jax.Array], jax.Array] | None = None
    poison: Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]] | None = None
    needs_key: bool = False

    def __call__(
        self, updates: Any, malicious: Any, *, key: Any = None, center: Any = None, reference: Any = None
    ) -> Any:
        """Replaces the malicious peers' rows; the honest rows come back bit for bit.

        Args:
          updates: array or pytree, leaves ``[n, ...]``: what every peer would send if it were honest.
          malicious: bool mask ``[n]``, or a count f that means the last f peers.
          key: a ``jax.random`` key, for attacks that draw random numbers.
          center, reference: what ``mpcjax.aggregate`` is given in this round, like one row of ``updates``, for attacks
            that aim at them; others ignore them.

        Returns:
          The same structure, shapes and dtypes (NumPy leaves of float64 become float32 unless 64-bit types are on).
        """
        leaves, structure = jax.tree.flatten(updates)
        peers = peer_count(leaves)
        mask = malicious_mask(malicious, peers)
        if self.craft is None:
            return updates
        if self.needs_key and key is None:
            raise ValueError(f"attack {self.name!r} draws random numbers: pass key=jax.random.key(...)")
        points = (
            None if x is None else vector_like(x, updates, n) for x, n in ((center, "center"), (reference, "reference"))
        )
        rows = self.craft(_stack(leaves, peers), ~mask, Known(key, *points))
        crafted = jnp.broadcast_to(rows, (peers, rows.shape[-1]))
        return jax.tree.unflatten(structure, _replace(leaves, crafted, mask))

    def labels(self, labels: jax.Array, malicious: Any) -> jax.Array:
        """The labels that the peers train on: ``labels [n, ...]``, with the malicious peers' rows poisoned."""
        mask = malicious_mask(malicious, labels.shape[0])
        if self.relabel is None:
            return labels
        return _where_malicious(mask, self.relabel(labels), labels)

    def data(self, images: jax.Array, labels: jax.Array, malicious: Any) -> tuple[jax.Array, jax.Array]:
        """What the peers train on: ``images [n, batch, ...]`` and ``labels [n, batch]``, the malicious ones' poisoned."""
        labels = self.labels(labels, malicious)
        if self.poison is None:
            return images, labels
        mask = malicious_mask(malicious, labels.shape[0])
        stamped, relabelled = self.poison(images, labels)
        return _where_malicious(mask, stamped, images), _where_malicious(mask, relabelled, labels)


def peer_count(leaves: list[Any]) -> int:
    """The common leading axis of all leaves."""
    sizes = {leaf.shape[:1] for leaf in leaves}
    if len(sizes) != 1 or () in sizes:
        raise ValueError(f"every leaf needs the same leading axis, one row per peer; the leading axes are {sizes}")
    return sizes.pop()[0]


def malicious_mask(malicious: Any, peers: int) -> Any:
    """A bool mask ``[n]`` from a mask or from a count f (the last f peers). One peer at least must be honest.

    A NumPy array wherever the value is known now, so that f is known at trace time too.
    """
    if isinstance(malicious, int | np.integer) and not isinstance(malicious, bool):
        if not 0 <= malicious < peers:
            raise ValueError(f"malicious={malicious}: a count must be in 0..{peers - 1} for {peers} peers")
        return np.arange(peers) >= peers - int(malicious)
    mask: Any = np.asarray(malicious) if _compat.is_concrete(malicious) else malicious
    if mask.shape != (peers,) or mask.dtype != np.bool_:
        raise ValueError(f"malicious must be a count or a bool mask [{peers}], not {mask.dtype}{list(mask.shape)}")
    if isinstance(mask, np.ndarray) and mask.all():
        raise ValueError("every peer is malicious: an omniscient attack needs one honest peer at least")
    return mask


def honest_moments(updates: jax.Array, honest: Any) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation (ddof = 1) per coordinate over the honest rows: ``[n, d] -> [d], [d]``."""
    mu = honest_mean(updates, honest)
    rest = updates - mu
    variance = _weighted_sum(honest, rest * rest) / jnp.maximum(honest.sum() - 1, 1).astype(jnp.float32)
    return mu, jnp.sqrt(variance)


def honest_mean(updates: jax.Array, honest: Any) -> jax.Array:
    """Mean over the honest rows; what stands in the other rows, NaN included, has no influence."""
    return _weighted_sum(honest, updates) / honest.sum().astype(jnp.float32)


def _weighted_sum(mask: Any, rows: jax.Array) -> jax.Array:
    # A product with ones: XLA on CPU reduces many times more slowly over a leading axis.
    clean = jnp.where(mask[:, None], rows, jnp.float32(0))
    return jnp.dot(mask.astype(np.float32), clean, precision=jax.lax.Precision.HIGHEST)


def _stack(leaves: list[jax.Array], peers: int) -> jax.Array:
    flat = [jnp.asarray(leaf).astype(jnp.float32).reshape(peers, -1) for leaf in leaves]
    return flat[0] if len(flat) == 1 else jnp.concatenate(flat, axis=1)


def _replace(leaves: list[jax.Array], crafted: jax.Array, mask: Any) -> list[jax.Array]:
    replaced, start = [], 0
    for leaf in map(jnp.asarray, leaves):
        width = leaf.size // leaf.shape[0]
        rows = crafted[:, start : start + width].reshape(leaf.shape)
        replaced.append(_where_malicious(mask, rows, leaf))
        start += width
    return replaced


def _where_malicious(mask: Any, poisoned: jax.Array, clean: jax.Array) -> jax.Array:
    wide = mask.reshape((-1,) + (1,) * (clean.ndim - 1))
    return jnp.where(wide, poisoned.astype(clean.dtype), clean)
