"""The bodies on plain arrays in a program of the user's: no 64-bit types, and traced."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax.secret as ms
from tests.secret._run import Of
from tests.secret.test_contract import CASES

pytestmark = pytest.mark.user


@pytest.mark.parametrize("name", CASES)
def test_plain_bodies_trace_without_64_bits(name: str) -> None:
    case = CASES[name]
    given = [np.asarray(x.values, np.float32) if isinstance(x, Of) else x for x in case.inputs]
    found = jax.eval_shape(case.body, *given)
    assert found.dtype in (np.float32, np.int32, bool)


def test_public_arrays_are_rounded_and_clipped_alike_traced_or_not() -> None:
    x = np.array([-3, -0.3, 0.26, np.nan, 0.5, 7], np.float32)

    def rounded(x: jax.Array) -> jax.Array:
        return 1 * ms.public(x, bits=2, bound=1.1)

    expected = np.array([-1, -0.25, 0.25, 0, 0.5, 1], np.float32)
    np.testing.assert_array_equal(rounded(jnp.asarray(x)), expected)
    np.testing.assert_array_equal(jax.jit(rounded)(x), expected)
