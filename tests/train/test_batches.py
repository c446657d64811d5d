"""Batches: everybody draws from its own samples, as a function of seed and round alone."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from mpcjax import train
from mpcjax.train import batches as batching


def test_everybody_draws_from_its_own_samples(data):
    parts = train.dirichlet(data.train_labels, 5, alpha=0.3)
    batches = train.make_batches(data, parts)
    for number in range(5):
        images, labels = batching.draw(batches, number, 16)
        assert images.shape == (5, 16, 4, 4, 1) and labels.shape == (5, 16)
        for part, drawn, classes in zip(parts, np.asarray(images), np.asarray(labels), strict=True):
            own = (data.train_images[part].astype(np.float32) - np.float32(data.mean)) / np.float32(data.std)
            for image, label in zip(drawn, classes, strict=True):
                same = np.isclose(own, image, atol=1e-5).all(axis=(1, 2, 3))
                assert label in data.train_labels[part][same]


def test_round_and_seed_decide(data):
    parts = train.iid(data.train_labels, 4)
    first, other = train.make_batches(data, parts, seed=1), train.make_batches(data, parts, seed=2)
    drawn = np.asarray(batching.draw(first, 3, 8)[0])
    np.testing.assert_array_equal(drawn, jax.jit(batching.draw, static_argnums=2)(first, 3, 8)[0])
    assert not np.array_equal(drawn, batching.draw(first, 4, 8)[0])
    assert not np.array_equal(drawn, batching.draw(other, 3, 8)[0])


def test_empty_peer_is_refused(data):
    with pytest.raises(ValueError, match="peer 1"):
        train.make_batches(data, [np.arange(3), np.arange(0)])


def test_root_batch(data):
    images, labels = train.root_batch(data, 100, seed=4)
    assert images.shape == (100, 4, 4, 1) and labels.shape == (100,)
    np.testing.assert_array_equal(images, train.root_batch(data, 100, seed=4)[0])
    assert len(np.unique(np.asarray(images).reshape(100, -1), axis=0)) == 100
    with pytest.raises(ValueError, match=r"1\.\.300"):
        train.root_batch(data, 301)
