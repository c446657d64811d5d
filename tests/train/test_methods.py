"""The peers' dynamics against their formulas, step by step in NumPy."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mpcjax import train

PEERS = 4


def batch(seed):
    key = jax.random.key(seed)
    return jax.random.normal(key, (PEERS, 5, 4, 4, 1), jnp.float32), jax.random.randint(key, (PEERS, 5), 0, 3)


def gradients(task, models, images, labels):
    gradient = jax.jit(jax.vmap(lambda model, x, y: task.value_and_grad(model, x, y)[1]))
    return np.asarray(gradient(jnp.asarray(np.stack(models), jnp.float32), images, labels))


def test_descent(task):
    method = train.Descent(task, PEERS, optax.sgd(0.1), momentum=0.8, public="center")
    state, run = method.init(), jax.jit(method.local)
    params, momentum, center = np.asarray(task.start), np.zeros((PEERS, task.size)), np.zeros(task.size)
    for seed in range(3):
        images, labels = batch(seed)
        local = run(state, images, labels)
        momentum = 0.8 * momentum + 0.2 * gradients(task, [params] * PEERS, images, labels)
        np.testing.assert_allclose(local.updates, momentum, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(local.public["center"], center, rtol=1e-4, atol=1e-6)
        center = momentum.mean(axis=0)
        state = method.step(local.state, jnp.asarray(center, jnp.float32))
        params = params - np.float32(0.1) * center.astype(np.float32)
        np.testing.assert_allclose(method.params(state), params, rtol=1e-4, atol=1e-6)


def test_fltrust_reference_is_the_root_gradient(task):
    images, labels = batch(0)
    root = images[0], labels[0]
    method = train.Descent(task, PEERS, optax.sgd(0.1), momentum=0.5, public="reference", root=root)
    first = method.local(method.init(), images, labels)
    gradient = np.asarray(task.value_and_grad(task.start, *root)[1])
    np.testing.assert_allclose(first.public["reference"], 0.5 * gradient, rtol=1e-5, atol=1e-7)
    # peer 0 has the same samples, and the same momentum
    np.testing.assert_allclose(first.updates[0], first.public["reference"], rtol=1e-5, atol=1e-7)
    second = method.local(first.state, images, labels)
    np.testing.assert_allclose(second.public["reference"], 0.75 * gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("options", [{"public": "reference"}, {"root": (1, 2)}, {"public": "centre"}])
def test_descent_refuses_what_does_not_fit(task, options):
    with pytest.raises(ValueError, match="reference"):
        train.Descent(task, PEERS, optax.sgd(0.1), **options)


@pytest.mark.parametrize("decay", [False, True])
def test_rsa(task, decay):
    rate, penalty, weight_decay, beta = 0.1, 0.02, 0.3, 0.6
    method = train.Rsa(task, PEERS, rate, penalty, weight_decay, momentum=beta, decay=decay)
    state, run = method.init(), jax.jit(method.local)
    shared = np.asarray(task.start)
    own, momentum = np.tile(shared, (PEERS, 1)), np.zeros((PEERS, task.size))
    for number in range(3):
        images, labels = batch(number)
        local = run(state, images, labels)
        step = rate / np.sqrt(number + 1) if decay else rate
        momentum = beta * momentum + (1 - beta) * gradients(task, own, images, labels)
        own = (own - step * (momentum + penalty * np.sign(own - shared))).astype(np.float32)
        np.testing.assert_allclose(local.updates, own - shared, rtol=1e-3, atol=1e-6)
        own = np.asarray(local.state["peers"])  # signs of tiny differences must not drift apart
        pull = penalty * np.sign(own - shared).sum(axis=0)
        state = method.step(local.state, jnp.asarray(pull, jnp.float32))
        shared = (shared + step * (pull - weight_decay * shared)).astype(np.float32)
        np.testing.assert_allclose(method.params(state), shared, rtol=1e-4, atol=1e-6)
        shared = np.asarray(method.params(state))


@pytest.mark.parametrize("kind", ["descent", "rsa"])
@pytest.mark.parametrize("peers_at_once", [1, 3])
def test_fewer_peers_at_once_give_the_same(task, kind, peers_at_once):
    method = train.Rsa(task, PEERS, 0.1, 0.01) if kind == "rsa" else train.Descent(task, PEERS, optax.sgd(0.1))
    together = method.local(method.init(), *batch(0))
    apart = method.local(method.init(), *batch(0), peers_at_once=peers_at_once)
    np.testing.assert_allclose(apart.updates, together.updates, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(apart.losses, together.losses, rtol=1e-5)


@pytest.mark.parametrize("kind", ["descent", "rsa"])
def test_one_bad_batch_does_not_stay(task, kind):
    """The peer sends what is not finite, and is left out, but its own state stays clean."""
    method = (
        train.Rsa(task, PEERS, 0.1, 0.01, momentum=0.5) if kind == "rsa" else train.Descent(task, PEERS, optax.sgd(1.0))
    )
    images, labels = batch(0)
    local = method.local(method.init(), images.at[1, 0, 0, 0, 0].set(jnp.nan), labels)
    finite = np.isfinite(np.asarray(local.updates)).all(axis=1)
    np.testing.assert_array_equal(finite, [True, False, True, True])
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(local.state))
