"""`Secret`: overflow is refused while tracing, and says what, how much and what to do."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import secret as functions
from mpcjax.errors import BoundError
from mpcjax.fabric import Simulated
from mpcjax.fields import F61
from mpcjax.offline import Counter
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.secret import Secret, project, public, relu, rescale, weighted_sum, where
from mpcjax.sharing import Shamir
from mpcjax.spreading import Spread


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
        assert where(x < y, x, y).scale == 10
        assert ((x + 3).scale, (x + 3).bound) == (10, (1 << 12) + (3 << 10))
        assert ((x * 0.75).scale, (x * 0.75).bound) == (12, 3 << 12)
        assert (np.array([1, -2, 0, 0.5]) @ x).bound == 7 << 12  # 1 fractional bit: 2 + 4 + 0 + 1 units

    jax.eval_shape(trace)


def test_a_secret_is_no_condition(rt):
    with pytest.raises(TypeError, match="no truth value"):
        bool(secret(rt, (), 0, 1))
    with pytest.raises(TypeError, match="would be public"):
        _ = secret(rt, (), 0, 1) == 0


@pytest.mark.parametrize("other", ["1", None, 1j, [1, 2, 3, 4], np.array(["1"])])
def test_what_is_no_number_is_refused_with_what_is_legal(rt, other):
    x = secret(rt, (4,), 10, 12)
    for operation in (lambda: x + other, lambda: other - x, lambda: x * other, lambda: x @ other, lambda: x < other):
        with pytest.raises(TypeError, match=r"legal are secrets, Python numbers and public arrays.*bits=, bound="):
            operation()


@pytest.mark.parametrize(("dtype", "fix"), [("float32", "bits=16, bound=1000.0"), ("int32", "bound=1000")])
def test_an_array_without_known_values_needs_a_bound(rt, dtype, fix):
    x = secret(rt, (4,), 10, 12)

    def trace(other) -> None:
        for operation in (lambda: x + other, lambda: other * x, lambda: other @ x, lambda: x >= other):
            with pytest.raises(TypeError, match=rf"values are not known.*public\(x, {fix}\)"):
                operation()
        with pytest.raises(TypeError, match=r"public\(1 / y, bits=, bound=\)"):
            x / public(other, bits=4, bound=1.0)
        with pytest.raises(TypeError, match=r"divisor is public.*public\(1 / y, bits=, bound=\)"):
            functions.divide(x, other, least=1.0)
        with pytest.raises(BoundError, match="legal are up to 2"):
            public(other, bits=60, bound=9.0)

    jax.eval_shape(trace, jnp.ones(4, dtype))


def test_a_stated_bound_is_the_same_whether_values_are_known_or_not(rt):
    """Parties that trace nothing must take the material that tracing has counted."""
    x = secret(rt, (4,), 10, 12)

    def bounds(weights, counts, chosen) -> list[tuple[int, int]]:
        stated = public(weights, bits=7, bound=0.3), public(counts, bound=5), chosen
        found = [operation(y) for y in stated for operation in (lambda y: x + y, lambda y: x * y, lambda y: y @ x)]
        return [(y.scale, y.bound) for y in found]

    known, traced = (np.full(4, 0.1, np.float32), np.arange(4), np.arange(4) > 1), []
    jax.eval_shape(lambda *given: traced.append(bounds(*given)), *known)
    assert traced == [bounds(*known)]


ON_SLICES = {
    "index": lambda x: x[0],
    "reshape": lambda x: x.reshape(2, -1),
    "transpose": lambda x: x.T,
    "stack": lambda x: functions.stack([x[0], x[1]]),
    "sum along parameters": lambda x: x.sum(),
    "max along parameters": lambda x: x.max(axis=1),
    "public vector": lambda x: x + np.arange(3),
    "public factors": lambda x: x * np.arange(3),
    "product with a public vector": lambda x: x @ np.ones(3),
    "inner products": lambda x: x @ x.sum(axis=0),
    "sort": lambda x: functions.sort(x),
}


@pytest.mark.parametrize("case", ON_SLICES)
def test_what_slices_do_not_allow_is_refused_on_a_mesh(rt, case):
    rt.spread = Spread("parameters", 2, 6)
    x = secret(rt, (4, 3), 4, 8)
    assert (2 * x.sum(axis=0) - np.ones(4) @ (x * np.ones((4, 1)) + 1)).shape == (3,)  # what they do
    with pytest.raises(ValueError, match="not on a mesh"):
        ON_SLICES[case](x)


def test_numbers_that_are_not_finite_are_refused(rt):
    with pytest.raises(ValueError, match="not finite"):
        secret(rt, (4,), 10, 12) + np.inf
    with pytest.raises(ZeroDivisionError):
        secret(rt, (4,), 10, 12) / np.array([1, 0, 1, 1])


def test_plain_weights_are_rounded_as_secret_ones_are():
    x = jnp.ones((2, 3))
    assert (weighted_sum(jnp.asarray([0.4, 0.6]), x, bits=0) == 1).all()
    assert (weighted_sum(jnp.asarray([0.25, 0.9]), x, bits=2) == 1.25).all()
    with pytest.raises(ValueError, match="larger than 1"):
        weighted_sum(jnp.asarray([0.25, 7.0]), x, bits=2)


def test_where_takes_a_bit(rt):
    x = secret(rt, (4,), 10, 12)
    signs = Secret(rt, F61.zeros((3, 4)), 0, 1)  # in bounds like a bit, but of either sign
    for condition in (x, signs, -(x < 0)):
        with pytest.raises(TypeError, match="legal is a secret bit"):
            where(condition, x, x)
    for operation in (lambda: ~signs, lambda: signs & (x < 0), lambda: (x < 0) | signs, lambda: (x < 0) & 3):
        with pytest.raises(TypeError, match=r"legal are .*bits"):
            operation()


SHAPES = {
    "addition": lambda x: x + x[:2],
    "product": lambda x: x * x[:, :2],
    "number of axes": lambda x: x + x[:, 0],
    "matrix product": lambda x: x @ x,
    "public matrix product": lambda x: np.ones(3) @ x,
    "axis": lambda x: x.sum(axis=-3),
    "axes": lambda x: x.sum(axis=(0, 0)),
    "reshape": lambda x: x.reshape(5, -1),
    "stack": lambda x: functions.stack([x, x[0]]),
    "concatenate": lambda x: functions.concatenate([x, x.T]),
    "where": lambda x: where(x[:, 0] < 0, x, 0),
    "empty": lambda x: functions.max(x[:0], axis=0),
}


@pytest.mark.parametrize("case", SHAPES)
def test_wrong_shapes_say_what_is_legal(rt, case):
    with pytest.raises(ValueError, match=r"\(4, 3\)|legal"):
        jax.eval_shape(lambda: SHAPES[case](secret(rt, (4, 3), 4, 8)).shares)


def test_out_of_range_is_an_error(rt):
    for key in (4, (0, -4), np.array([5])):
        with pytest.raises(IndexError, match="out of bounds"):
            secret(rt, (4, 3), 4, 8)[key]
    with pytest.raises(IndexError, match="too many indices"):
        secret(rt, (4, 3), 4, 8)[0, 0, 0]


@pytest.mark.parametrize("shape", [(3,), (3, 3), (3, 1), (1, 3)])
def test_the_axis_of_the_parties_is_out_of_reach(rt, shape):
    """As many elements as parties: whatever is done, the shares keep the axis of the parties in front."""
    x = Secret(rt, jnp.arange(3, dtype=F61.dtype).reshape(3, *(1,) * len(shape)) + F61.zeros((3, *shape)), 4, 8)
    y = Secret(rt, jnp.arange(3, dtype=F61.dtype)[:, None] + F61.zeros((3, 3)), 4, 8)
    local = (x + y, y - x, x * np.ones((2, 1, 1)), x.T, x.ravel(), x[None], x[..., None], x[np.array([0])], x.sum(), -x)
    for found in local:
        by_party = found.shares.reshape(3, -1)
        assert (by_party == by_party[:, :1]).all() and found.shape == found.shares.shape[1:]


UNREADABLE = {
    "if": (lambda x: 1 if x[0] > 0 else 2, "where"),
    "while": (lambda x: [None for _ in iter(lambda: not x[0], True)], "where"),
    "and": (lambda x: x and x, "where"),
    "chained": (lambda x: 0 < x < 1, "where"),
    "int": (lambda x: int(x[0]), "where"),
    "float": (lambda x: float(x[0]), "Rule.finish"),
    "complex": (lambda x: complex(x[0]), "where"),
    "round": (lambda x: round(x), "rescale"),
    "range": (lambda x: range(x[0]), "argmax"),
    "list index": (lambda x: [1, 2][x[0]], "argmax"),
    "index": (lambda x: x[x[0]], "argmax"),
    "iteration": (lambda x: list(x), "operators"),
    "builtin sum": (lambda x: sum(x), "operators"),
    "unpacking": (lambda x: (lambda a, b, c, d: a)(*x), "operators"),
    "in": (lambda x: 0 in x, "equal"),
    "assignment": (lambda x: x.__setitem__(0, 1), "where"),
    "numpy array": (lambda x: np.asarray(x), "operators"),
    "jax array": (lambda x: jnp.asarray(x), "operators"),
    "numpy function": (lambda x: np.median(x, axis=0), r"use mpcjax\.secret\.median"),
    "numpy function of two": (lambda x: np.maximum.outer(x, x), "secret|ufunc"),
    "another numpy function": (lambda x: np.linalg.norm(x), "legal are operators.*proportions"),
    "division": (lambda x: x / x, r"divide\(x, y, least=\)"),
    "number divided": (lambda x: 1 / x, r"divide\(x, y, least=\)"),
    "whole division": (lambda x: x // 2, r"legal is x / y"),
    "number whole divided": (lambda x: 2 // x, r"legal is x / y"),
    "remainder": (lambda x: x % 2, r"legal is x / y"),
    "exclusive or": (lambda x: (x > 0) ^ (x > 1), r"\(x \| y\) & ~\(x & y\)"),
    "power": (lambda x: x**0.5, "sqrt"),
    "negative power": (lambda x: x**-1, "divide"),
    "len of a scalar": (lambda x: len(x[0]), "at least one axis"),
    "public number as a condition": (lambda x: where(np.arange(4), x, x), "booleans"),
    "one secret to stack": (lambda x: functions.stack(x), "list or tuple"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_needs_the_value_says_what_to_use_instead(rt, case):
    body, remedy = UNREADABLE[case]
    with pytest.raises(TypeError, match=remedy):
        body(secret(rt, (4,), 4, 8))


@pytest.mark.parametrize("bits", [-2, 61, 1.5, True])
def test_fractional_bits_are_whole_numbers_that_fit(rt, bits):
    x = secret(rt, (4,), 4, 8)
    calls = (
        lambda: functions.rescale(x, bits), lambda: functions.rescale(np.ones(4), bits), lambda: functions.proportions(x, bits),
        lambda: functions.divide(x, x, bits=bits, least=1.0), lambda: functions.sqrt(x, bits=bits),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match=f"bits={bits}; legal are whole numbers of fractional bits from 0 to 60"):
            call()


@pytest.mark.parametrize("axis", [None, (0, 1)])
def test_sorting_and_joining_are_along_one_axis(rt, axis):
    x = secret(rt, (4, 2), 4, 8)
    for call in (lambda: functions.sort(x, axis=axis), lambda: functions.concatenate([x, x], axis=axis)):
        with pytest.raises(ValueError, match=r"legal is one whole number.*ravel"):
            call()


def test_public_numbers_are_compared_like_the_arrays_they_are(rt):
    x = public(np.array([0.0, 1.0]), bits=4, bound=2.0)
    for found, wanted in ((x == 0, [1, 0]), (x != 0, [0, 1]), (-x, [0, -1]), (abs(-x), [0, 1]), (x**2, [0, 1])):
        assert np.array_equal(found, wanted)
    assert np.array_equal(~public(np.array([True, False])), [False, True]) and isinstance(hash(x), int)


def test_one_axis_has_the_largest(rt):
    x = secret(rt, (4, 2), 4, 8)
    with pytest.raises(ValueError, match=r"argmax along axis \(0, 1\): legal is one whole number"):
        functions.argmax(x, axis=(0, 1))
    with pytest.raises(ValueError, match="stack along axis None: legal are whole numbers"):
        functions.stack([x, x], axis=None)


def test_unknown_attributes_say_what_there_is(rt):
    assert not hasattr(secret(rt, (4,), 4, 8), "dtype")
    with pytest.raises(AttributeError, match=r"'std'.*legal are operators.*median"):
        secret(rt, (4,), 4, 8).std()
    with pytest.raises(AttributeError, match=r"use mpcjax\.secret\.clip"):
        secret(rt, (4,), 4, 8).clip(0, 1)


def test_quotients_and_roots_without_room_are_refused_before_anything_is_sent(rt):
    x = secret(rt, (4,), 20, 32)
    for operation in (lambda: functions.divide(x, x, bits=20, least=0.5), lambda: functions.sqrt(x, bits=30)):
        with pytest.raises(BoundError, match=r"2\^.*rescale"):
            operation()
    for least in (0, -1.0, 2.0**-22, 2.0**13):
        with pytest.raises(ValueError, match="legal is"):
            functions.divide(x, x, bits=4, least=least)
    assert rt.fabric.ledger.entries == []
