"""`Secret`: overflow is refused while tracing, and says what, how much and what to do."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.errors import BoundError
from mpcjax.fabric import Simulated
from mpcjax.fields import F61
from mpcjax.offline import Counter
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.secret import Secret, project, relu, rescale, weighted_sum, where
from mpcjax.sharing import Shamir


@pytest.fixture
def rt() -> Runtime:
    scheme, fabric = Shamir(F61, 3, 1), Simulated(3)
    return Runtime(scheme, fabric, Stream.from_seed(bytes(32)).per_row("party", fabric.rows), Counter(F61, 3))


def secret(rt: Runtime, shape: tuple[int, ...], scale: int, bits: int) -> Secret:
    return Secret(rt, F61.zeros((3, *shape)), scale, 1 << bits)


REFUSED = {
    "product": lambda x: x * x,
    "matrix product": lambda x: x @ x,
    "sum": lambda x: Secret(x.rt, F61.zeros((3, 8)), 20, 1 << 58).sum(axis=0),
    "alignment": lambda x: x + Secret(x.rt, x.shares, x.scale + 30, 1),
    "weighted sum": lambda x: weighted_sum(jnp.ones(4), Secret(x.rt, F61.zeros((3, 4, 2)), 20, 1 << 40), bits=20),
    "projection": lambda x: project(Secret(x.rt, F61.zeros((3, 4, 2)), 24, 1 << 30), jnp.ones(2), bits=40, bound=2.0),
}


@pytest.mark.parametrize("operation", sorted(REFUSED))
def test_overflow_is_refused_before_anything_is_sent(rt, operation):
    x = secret(rt, (4,), 20, 32)
    with pytest.raises(BoundError, match=rf"{operation}.*2\^.*[Cc]lip or rescale"):
        REFUSED[operation](x)
    assert rt.fabric.ledger.entries == []


def test_scales_and_bounds_follow_the_operations(rt):
    """They are static: tracing is enough."""

    def trace() -> None:
        x, y = secret(rt, (4,), 10, 12), secret(rt, (4,), 6, 8)
        total = x + y
        assert (total.scale, total.bound) == (10, (1 << 12) + (1 << 12))
        product = x * y
        assert (product.scale, product.bound, product.shape) == (16, 1 << 20, (4,))
        inner = x @ y
        assert (inner.scale, inner.bound, inner.shape) == (16, 1 << 22, ())
        assert (x - y).bound == total.bound and (-x).bound == x.bound and (3 * x).bound == 3 << 12
        assert rescale(product, 8).scale == 8 and relu(x).bound == x.bound
        assert where(Secret(rt, F61.zeros((3, 4)), 0, 1), x, y).scale == 10

    jax.eval_shape(trace)


def test_a_secret_is_no_condition(rt):
    with pytest.raises(TypeError, match="no truth value"):
        bool(secret(rt, (), 0, 1))
    with pytest.raises(TypeError, match="would be public"):
        _ = secret(rt, (), 0, 1) == 0


@pytest.mark.parametrize("public", [0.5, np.float32(2), jnp.ones(4), "1"])
def test_public_numbers_are_refused_with_the_way_to_bring_them_in(rt, public):
    x = secret(rt, (4,), 10, 12)
    for operation in (lambda: x + public, lambda: x - public, lambda: x * public, lambda: x @ public):
        with pytest.raises(TypeError, match="weighted_sum or project"):
            operation()


def test_plain_weights_are_rounded_as_secret_ones_are():
    x = jnp.ones((2, 3))
    assert (weighted_sum(jnp.asarray([0.4, 0.6]), x, bits=0) == 1).all()
    assert (weighted_sum(jnp.asarray([0.25, 0.9]), x, bits=2) == 1.25).all()
    with pytest.raises(ValueError, match="larger than 1"):
        weighted_sum(jnp.asarray([0.25, 7.0]), x, bits=2)


def test_where_takes_a_bit(rt):
    x = secret(rt, (4,), 10, 12)
    with pytest.raises(ValueError, match="legal is a secret bit"):
        where(x, x, x)
