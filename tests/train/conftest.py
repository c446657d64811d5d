"""A tiny data set that a tiny model learns, so that whole training runs take a second."""

from __future__ import annotations

import flax.linen as nn
import numpy as np
import optax
import pytest

from mpcjax import train
from mpcjax.train.data import Dataset

PEERS = 6


def blobs(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """4x4 images of three classes: a bright band in one of three places, with noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, samples).astype(np.int32)
    images = rng.integers(0, 120, (samples, 4, 4, 1))
    for image, label in zip(images, labels, strict=True):
        image[label] += 100
    return images.astype(np.uint8), labels


@pytest.fixture(scope="session")
def data() -> Dataset:
    return Dataset("blobs", "made for tests", *blobs(300, 0), *blobs(90, 1), mean=85.0, std=55.0, classes=3)


@pytest.fixture(scope="session")
def task(data) -> train.Task:
    model: nn.Module = train.MLP(hidden=(8,), classes=3)
    return train.make_task(model, data.train_images.shape[1:])


@pytest.fixture
def make_run(data, task):
    """A run of plain centered clipping, or of what is asked for."""

    def make(method=None, aggregator=None, **options) -> train.Run:
        method = method or train.Descent(task, PEERS, optax.sgd(0.5), public="center")
        aggregator = aggregator or train.plain(train.Settings("centered_clipping").make_rule())
        batches = train.make_batches(data, train.iid(data.train_labels, PEERS), seed=3)
        return train.Run(data, task, method, batches, aggregator, **({"batch": 8} | options))

    return make
