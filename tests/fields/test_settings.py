"""The user's JAX settings stay as they are, and the fields work inside the user's own transforms with x64 off."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax._compat import x64
from mpcjax.fields import F61, fixed, kernels

pytestmark = pytest.mark.user

CODE = """
import jax
before = dict(jax.config.values)
import mpcjax.fields as f
from mpcjax._compat import x64
with x64():
    a = f.F61.from_int([3, 5])
    f.fixed.decode(f.F61, f.F61.mul(a, f.F61.inv(a)), 4)
    f.F61.matmul(f.linalg.hyper_invertible(f.F61, 2, 2), f.F61.ones((2, 2)))
assert dict(jax.config.values) == before
assert not jax.config.jax_enable_x64
"""


def test_import_and_use_change_no_setting() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True, cwd=Path(__file__).parents[2])


def mean_of_squares(x: jax.Array) -> jax.Array:
    """float32 in, float32 out, field arithmetic in between: what a user's program sees."""
    with x64():
        a = fixed.encode(F61, x, 16)
        w = F61.ones(x.shape[-1:])
        return fixed.decode(F61, kernels.weighted_squares(F61, a, w), 32)


def test_inside_the_users_jit_vmap_and_scan() -> None:
    assert not jax.config.jax_enable_x64
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6)), jnp.float32)
    expected = np.sum(np.asarray(x, np.float64) ** 2, -1)
    for function in (mean_of_squares, jax.jit(mean_of_squares), jax.vmap(mean_of_squares)):
        result = function(x)
        assert result.dtype == jnp.float32
        np.testing.assert_allclose(result, expected, rtol=1e-3)
    _, scanned = jax.jit(lambda y: jax.lax.scan(lambda c, row: (c, mean_of_squares(row)), 0.0, y))(x)
    np.testing.assert_allclose(scanned, expected, rtol=1e-3)
    assert not jax.config.jax_enable_x64
    assert (jnp.arange(3) * 2).dtype == jnp.int32


def test_outside_the_scope_nothing_is_silently_truncated() -> None:
    with pytest.raises(ValueError, match=r"uint64 arrays do not exist here"):
        F61.add(np.ones(2, np.uint64), np.ones(2, np.uint64))
