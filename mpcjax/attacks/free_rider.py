"""Free rider: the malicious peers do no work, and send something that may pass for an update."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mpcjax.attacks._attack import Attack


def free_rider(std: float = 0.0, of: str = "zero") -> Attack:
    """``base + N(0, std^2)``, independent per malicious peer and coordinate, with base zero or the last aggregate.

    Args:
      std: of the noise; 0, the default, sends the base as it is. Otherwise it needs ``key``.
      of: ``"zero"``, as if the model had not changed; ``"last"``, the last aggregate, given to the call as ``center``.

    Reference: Lin et al. 2019, "Free-riders in federated learning" (random weights, and the last change of the model);
    Fraboni et al. 2021, "Free-rider attacks on model aggregation" (plain, and disguised by noise).
    """
    if not 0 <= std < float("inf"):
        raise ValueError(f"std={std}: the standard deviation is a number from 0; 0 for no noise")
    if of not in ("zero", "last"):
        raise ValueError(f'of={of!r}: choose "zero" or "last" (the last aggregate, given to the call as center=)')

    def craft(updates, honest, known):
        base = jnp.zeros_like(updates)
        if of == "last":
            if known.center is None:
                raise ValueError('free_rider(of="last") repeats the last aggregate: give it to the call, center=...')
            base = base + known.center
        return base if std == 0 else base + jnp.float32(std) * jax.random.normal(known.key, updates.shape, jnp.float32)

    return Attack("free_rider", craft=craft, needs_key=std > 0)
