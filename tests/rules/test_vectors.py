"""Vector helpers of rules against float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.rules._vectors import clipped, inner_products, norm, unit

pytestmark = pytest.mark.user


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 4099])
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e36])
def test_norms_of_all_lengths_and_sizes(length: int, size: float) -> None:
    x = (np.random.default_rng(0).normal(size=length) * size).astype(np.float32)
    exact = np.linalg.norm(x.astype(float))
    assert float(norm(jnp.asarray(x))) == pytest.approx(exact, rel=2.0**-20)
    np.testing.assert_allclose(unit(jnp.asarray(x)), x / exact, rtol=2.0**-20)
    half = np.asarray(clipped(jnp.asarray(x), float(exact / 2)), float)
    np.testing.assert_allclose(half, x.astype(float) / 2, rtol=2.0**-19)
    assert np.array_equal(clipped(jnp.asarray(x), float(exact * 1.01)), x)


def test_zero_stays_zero() -> None:
    zeros = jnp.zeros(7)
    assert float(norm(zeros)) == 0 and not np.any(unit(zeros)) and not np.any(clipped(zeros, 1.0))


@pytest.mark.parametrize("length", [4096, 10_007])
def test_errors_of_products_that_are_all_alike_do_not_add_up(length: int) -> None:
    """Of one long sum in float32 they would: to 2^-15 for d = 10^4."""
    x = jnp.full((4, length), 0.1) * jnp.arange(1, 5)[:, None]
    found = jax.jit(jax.vmap(lambda x: inner_products((x, x), (x, -x))))(x)
    exact = (np.asarray(x, float) ** 2).sum(axis=1)
    for sums, sign in zip(found, (1, -1), strict=True):
        np.testing.assert_allclose(sums, sign * exact, rtol=2.0**-20)
