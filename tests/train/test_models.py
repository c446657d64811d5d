"""Models: their sizes, and gradients of the flat layout."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import train


@pytest.mark.parametrize(("name", "size"), [("mlp", 1_002_570), ("small", 25_450), ("cnn", 105_866), ("softmax", 500)])
def test_sizes_on_28x28(name, size):
    assert train.make_task(name, (28, 28, 1)).size == size


@pytest.mark.parametrize("name", sorted(train.MODELS))
@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 1)])
def test_logits(name, shape):
    task = train.make_task(name, shape)
    assert task.start.dtype == jnp.float32
    logits = task.apply(task.unravel(task.start), jnp.ones((3, *shape), jnp.float32))
    assert logits.shape == (3, 10) and logits.dtype == jnp.float32


def test_gradient_is_that_of_the_flat_loss(task):
    images, labels = jax.random.normal(jax.random.key(0), (5, 4, 4, 1), jnp.float32), jnp.asarray([0, 1, 2, 1, 0])
    loss, gradient = task.value_and_grad(task.start, images, labels)
    expected_loss, expected = jax.value_and_grad(task.loss)(task.start, images, labels)
    assert gradient.shape == (task.size,)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


def test_seed_decides(task):
    model = train.MLP((8,), 3)
    np.testing.assert_array_equal(train.make_task(model, (4, 4, 1)).start, task.start)
    assert not np.array_equal(train.make_task(model, (4, 4, 1), seed=1).start, task.start)


def test_unknown_model_is_refused():
    with pytest.raises(ValueError, match="resnet"):
        train.make_task("resnet", (8, 8, 1))
