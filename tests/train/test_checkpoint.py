"""Checkpoints: exact, replaced as a whole, refused where they do not belong."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mpcjax import train
from mpcjax.train import checkpoint

SETTINGS = {"rule": "rsa", "rate": 0.1, "alpha": None}


def test_round_trip_is_exact(tmp_path, task):
    method = train.Descent(task, 3, optax.adam(0.1), public="center")
    state = method.step(method.init(), jnp.linspace(-1, 1, task.size, dtype=jnp.float32))
    checkpoint.save(tmp_path / "new" / "c", state, round=7, settings=SETTINGS)
    loaded, number = checkpoint.load(tmp_path / "new" / "c", method.init(), settings=SETTINGS)
    assert number == 7
    assert jax.tree.structure(loaded) == jax.tree.structure(state)
    for found, wanted in zip(jax.tree.leaves(loaded), jax.tree.leaves(state), strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["c"]


def test_other_settings_are_refused_by_name(tmp_path):
    checkpoint.save(tmp_path / "c", {"x": jnp.ones(2)}, round=1, settings=SETTINGS)
    with pytest.raises(ValueError, match=r"rate: 0\.1 there, 0\.2 here"):
        checkpoint.load(tmp_path / "c", {"x": jnp.ones(2)}, settings=SETTINGS | {"rate": 0.2})


@pytest.mark.parametrize("wrong", [jnp.ones(3), jnp.ones(2, jnp.int32)])
def test_other_shapes_are_refused_with_the_path(tmp_path, wrong):
    checkpoint.save(tmp_path / "c", {"x": jnp.ones(2)}, round=1, settings=SETTINGS)
    with pytest.raises(ValueError, match=r"\['x'\] is float32\[2\]"):
        checkpoint.load(tmp_path / "c", {"x": wrong}, settings=SETTINGS)


def test_a_broken_write_leaves_the_old_file(tmp_path, monkeypatch):
    checkpoint.save(tmp_path / "c", {"x": jnp.ones(2)}, round=1, settings=SETTINGS)

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(tmp_path / "c", {"x": jnp.zeros(2)}, round=2, settings=SETTINGS)
    _, number = checkpoint.load(tmp_path / "c", {"x": jnp.ones(2)}, settings=SETTINGS)
    assert number == 1
