"""Backdoor: images with a trigger shall be taken for the target class, all others for what they are."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.attacks._attack import Attack


@dataclasses.dataclass(frozen=True)
class Trigger:
    """A square of pixels in the lower right corner, and the class that it stands for.

    Attributes:
      target: the class that stamped images are to be taken for.
      size: of the square, in pixels.
      value: of its pixels, in the units of the images: 255 is white in the uint8 images of ``mpcjax.train``.
    """

    target: int = 0
    size: int = 3
    value: float = 255.0

    def __post_init__(self) -> None:
        if not isinstance(self.target, int) or self.target < 0:
            raise ValueError(f"target={self.target!r}: legal are whole numbers from 0, one of the classes")
        if not isinstance(self.size, int) or self.size < 1:
            raise ValueError(f"size={self.size!r}: legal are whole numbers from 1, in pixels")
        if not math.isfinite(self.value):
            raise ValueError(f"value={self.value}: legal are finite numbers, in the units of the images")

    def stamp(self, images: jax.Array | np.ndarray) -> jax.Array:
        """``images [..., height, width, channels]`` with the trigger on them. On test images: who sees the target?"""
        if images.ndim < 3 or min(images.shape[-3:-1]) < self.size:
            raise ValueError(
                f"a trigger of size={self.size} does not fit images {list(images.shape)}: they must be [..., height, "
                "width, channels] with height and width of the size at least"
            )
        if jnp.issubdtype(images.dtype, jnp.integer):
            limits = jnp.iinfo(images.dtype)
            if not limits.min <= self.value <= limits.max:
                raise ValueError(f"value={self.value}: images of {images.dtype} hold {limits.min}..{limits.max}")
        corner = slice(-self.size, None)
        return jnp.asarray(images).at[..., corner, corner, :].set(jnp.asarray(self.value, images.dtype))


def backdoor(boost: float | None = None, share: float = 20 / 64, trigger: Trigger | None = None) -> Attack:
    """Trains on stamped images with the target's label, and sends ``boost x_i``: replaces the model under a plain mean.

    ``attack.data(images, labels, malicious)`` stamps the first ``ceil(share * batch)`` images of every malicious peer's
    batch. The loop draws batches in random order. The rest stays, so that the model is still good at its main task.

    Args:
      boost: None takes n / f: under the plain mean the malicious peers' average then counts whole. 1 poisons the data alone.
      share: of a batch that is stamped, in (0, 1]; 20 of 64 in the paper.
      trigger: ``Trigger()`` by default. ``mpcjax.train.success_rate`` measures on the test set how often it works.

    Reference: Bagdasaryan et al. 2020, "How to backdoor federated learning", section 4.2 (model replacement with eta = 1,
    shared by f colluding peers); the trigger of pixels is that of Gu et al. 2017, "BadNets".
    """
    if boost is not None and not (boost > 0 and math.isfinite(boost)):
        raise ValueError(f"boost={boost}: legal are positive numbers, or None for n / f")
    if not 0 < share <= 1:
        raise ValueError(f"share={share}: legal are numbers in (0, 1], the part of a batch that is stamped")
    stamped = Trigger() if trigger is None else trigger

    def craft(updates, honest, known):
        bad = jnp.maximum(honest.shape[0] - honest.sum(), 1).astype(jnp.float32)
        return updates * (honest.shape[0] / bad if boost is None else jnp.float32(boost))

    def poison(images, labels):
        chosen = jnp.arange(labels.shape[1]) < math.ceil(share * labels.shape[1])
        wide = chosen.reshape((1, -1) + (1,) * (images.ndim - 2))
        return jnp.where(wide, stamped.stamp(images), images), jnp.where(chosen, stamped.target, labels)

    return Attack("backdoor", craft=craft, poison=poison)
