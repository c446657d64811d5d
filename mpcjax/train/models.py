"""Small image classifiers (flax.linen), and what the loop needs of any model: flat parameters and a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree


class MLP(nn.Module):
    """Dense layers with ReLU. ``hidden=(1024, 192)`` on 28x28 images has 1,002,570 parameters."""

    hidden: Sequence[int] = (1024, 192)
    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = images.reshape((images.shape[0], -1))
        for width in self.hidden:
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.classes)(x)


class CNN(nn.Module):
    """Two 3x3 convolutions with pooling and two dense layers: 105,866 parameters on 28x28 images."""

    channels: Sequence[int] = (16, 32)
    hidden: int = 64
    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = images
        for width in self.channels:
            x = nn.relu(nn.Conv(width, (3, 3))(x))
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
        x = nn.relu(nn.Dense(self.hidden)(x.reshape((x.shape[0], -1))))
        return nn.Dense(self.classes)(x)


class Softmax(nn.Module):
    """Softmax regression on means of ``pool`` x ``pool`` pixels: 500 parameters on 28x28 images."""

    pool: int = 4
    classes: int = 10

    @nn.compact
    def __call__(self, images: jax.Array) -> jax.Array:
        x = nn.avg_pool(images, (self.pool, self.pool), strides=(self.pool, self.pool))
        return nn.Dense(self.classes)(x.reshape((x.shape[0], -1)))


# "mlp" is the main job's model; "small" (25,450 parameters on 28x28 images) suits a demonstration on two cores,
# "softmax" what takes seconds a round for every thousand parameters: order statistics under MPC.
MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: MLP((1024, 192)),
    "small": lambda: MLP((32,)),
    "cnn": lambda: CNN(),
    "softmax": lambda: Softmax(),
}


@dataclass(frozen=True)
class Task:
    """A model with its parameters laid out flat, as the aggregation sees them.

    Attributes:
      start: float32 ``[d]``, the initial parameters.
      unravel: ``[d]`` -> the model's own pytree.
      apply: ``(pytree, images) -> logits``.
    """

    start: jax.Array
    unravel: Callable[[jax.Array], Any]
    apply: Callable[[Any, jax.Array], jax.Array]

    @property
    def size(self) -> int:
        return int(self.start.size)

    def loss(self, flat: jax.Array, images: jax.Array, labels: jax.Array) -> jax.Array:
        """Mean cross-entropy of one batch."""
        return self._loss(self.unravel(flat), images, labels)

    def value_and_grad(self, flat: jax.Array, images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Loss and gradient ``[d]``. The gradient is taken on the pytree and laid out once: it is cheaper so."""
        loss, gradient = jax.value_and_grad(self._loss)(self.unravel(flat), images, labels)
        return loss, ravel_pytree(gradient)[0]

    def _loss(self, params: Any, images: jax.Array, labels: jax.Array) -> jax.Array:
        logits = self.apply(params, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def make_task(model: nn.Module | str, image_shape: Sequence[int], *, seed: int = 0) -> Task:
    """Initialises a model for images of ``image_shape`` (height, width, channels)."""
    if isinstance(model, str):
        if model not in MODELS:
            raise ValueError(f"unknown model {model!r}; choose one of {sorted(MODELS)}")
        model = MODELS[model]()
    params = model.init(jax.random.key(seed), jnp.zeros((1, *image_shape), jnp.float32))
    flat, unravel = ravel_pytree(params)
    return Task(flat, unravel, cast(Callable[[Any, jax.Array], jax.Array], model.apply))
