"""What is no rule on secrets: the error names the rule, the line of the function, and what to use instead."""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax.errors import BoundError
from mpcjax.jaxprs import PRIMITIVES
from mpcjax.jaxprs.refusals import INSTEAD

pytestmark = pytest.mark.user
COMMITTEE = mpcjax.simulate(parties=3)
lax = jax.lax


def exp(x: Any) -> Any:
    y = x - x.mean(axis=0)
    return jnp.exp(y).sum(axis=0)  # HERE


def softmax_of_library(x: Any) -> Any:
    return jax.nn.sigmoid(x)[0]  # HERE


@jax.jit
def compiled(x: Any) -> Any:
    return jnp.log(x)  # HERE


def within_jit(x: Any) -> Any:
    return compiled(x)[0]


def within_vmap(x: Any) -> Any:
    def each(row: Any) -> Any:
        return jnp.tanh(row)  # HERE

    return jax.vmap(each)(x)[0]


def divides(x: Any) -> Any:
    return x[0] / x[1]  # HERE


def divides_by_accepted(x: Any, accepted: Any) -> Any:
    return x[0] / accepted.sum()  # HERE


def unlimited(x: Any, accepted: Any) -> Any:
    return x[0] * jnp.exp(jnp.log(accepted.sum()))  # HERE


def inverse_power(x: Any) -> Any:
    return x[0] ** -1  # HERE


def odd_power(x: Any) -> Any:
    return x[0] ** 0.5  # HERE


def reciprocal_root(x: Any) -> Any:
    return lax.rsqrt(x[0])  # HERE


def argmax(x: Any) -> Any:
    return x[jnp.argmax(x[:, 0])]  # HERE


def argsort(x: Any) -> Any:
    return x[jnp.argsort(x[:, 0])][0]  # HERE


def top_k(x: Any) -> Any:
    return lax.top_k(x.T, 2)[0].sum(axis=1)  # HERE


def secret_place(x: Any) -> Any:
    places = (x[:, 0] > 0).astype(np.int32)
    return jnp.take(x, places, axis=0).sum(axis=0)  # HERE


def traced_place(x: Any, accepted: Any) -> Any:
    return jnp.take(x, accepted.sum(), axis=0)  # HERE


def out_of_range(x: Any) -> Any:
    return jnp.take(x, jnp.array([7]), axis=0)[0]  # HERE


def cumsum(x: Any) -> Any:
    return jnp.cumsum(x, axis=0)[-1]  # HERE


def product(x: Any) -> Any:
    return jnp.prod(x, axis=0)  # HERE


def rounds(x: Any) -> Any:
    return jnp.round(x).sum(axis=0)  # HERE


def to_integers(x: Any) -> Any:
    return x.astype(np.int32)[0]  # HERE


def sets(x: Any) -> Any:
    return x.at[0].set(0.0).sum(axis=0)  # HERE


def pads(x: Any) -> Any:
    return jnp.pad(x, ((0, 0), (1, 0)))[0, 1:]  # HERE


def chooses(x: Any) -> Any:
    return lax.cond(x[0, 0] > 0, lambda: x[0], lambda: x[1])  # HERE


def loops(x: Any) -> Any:
    return lax.while_loop(lambda u: u.sum() > 0, lambda u: u - 1, x)[0]  # HERE


def infinite(x: Any) -> Any:
    return jnp.where(x > 0, x, jnp.inf).min(axis=0)  # HERE


def many_bits(x: Any) -> Any:
    return x[0] * 2.0**70  # HERE


def singular_values(x: Any) -> Any:
    return jnp.linalg.svd(x, full_matrices=False)[2][0]  # HERE


def branches(x: Any) -> Any:
    if x[0, 0] > 0:  # HERE
        return x[0]
    return x[1]


def iterates_over_values(x: Any) -> Any:
    return x[: int(x.sum())].sum(axis=0)  # HERE


def asks_for_a_number(x: Any) -> Any:
    return x[0] * float(x[0, 0])  # HERE


def asks_for_an_array(x: Any) -> Any:
    return x[0] * np.asarray(x).sum()  # HERE


def chooses_rows(x: Any) -> Any:
    return x[x[:, 0] > 0].sum(axis=0)  # HERE


def product_of_bits(x: Any) -> Any:
    return ((x.T > 0) @ (x[:, 0] > 0)) * x[0]  # HERE


def whole_quotient(x: Any) -> Any:
    return x[0] * lax.div((x > 0).sum(), 2)  # HERE


def whole_quotient_of_a_public_number(x: Any) -> Any:
    return x[0] * lax.div(5, jnp.maximum((x > 0).sum(), 1))  # HERE


def floor_division(x: Any) -> Any:
    return x[0] * ((x > 0).sum() // 2)  # HERE


def short_integers(x: Any) -> Any:
    return -(x[0] > 0).astype(np.uint8)  # HERE


def short_sums(x: Any) -> Any:
    return x[0] * (x > 0).sum(dtype=np.int8)  # HERE


def half_precision(x: Any) -> Any:
    return x.astype(np.float16).sum(axis=0) * 4  # HERE


def complex_numbers(x: Any) -> Any:
    return (x[0] + 1j).real  # HERE


def large_integers(x: Any) -> Any:
    return x[0] * ((x > 0).sum() * 2**30)  # HERE


def prints(x: Any) -> Any:
    jax.debug.print("{}", x[0])  # HERE
    return x[0]


def prints_in_a_call(x: Any) -> Any:
    jax.jit(lambda u: jax.debug.print("{}", u))(x[0])  # HERE
    return x[0]


def stands_for_nothing(x: Any) -> Any:
    return jnp.where(x > 0, x, jnp.nan)[0]  # HERE


def softmax(x: Any) -> Any:
    return jax.nn.softmax(x, axis=0)[0]  # HERE


WRONG: dict[Callable[..., Any], tuple[type[Exception], str]] = {
    exp: (TypeError, r"exp of a secret: use jnp\.clip.*polynomials"),
    softmax_of_library: (TypeError, r"logistic of a secret: use jnp\.clip"),
    within_jit: (TypeError, "log of a secret"),
    within_vmap: (TypeError, "tanh of a secret"),
    divides: (TypeError, r"secret that may be zero.*jnp\.maximum\(y, least\).*mpcjax\.secret\.divide"),
    divides_by_accepted: (TypeError, r"not known while tracing and may be zero.*jnp\.maximum\(y, least\)"),
    unlimited: (TypeError, r"has no limits.*jnp\.clip\(x, low, high\)"),
    inverse_power: (TypeError, r"exponent -1.*1 / jnp\.maximum\(x, least\)"),
    odd_power: (TypeError, r"exponent 0\.5.*jnp\.sqrt"),
    reciprocal_root: (TypeError, r"rsqrt.*1 / jnp\.maximum\(jnp\.sqrt\(x\), least\)"),
    argmax: (TypeError, r"argmax.*x >= jnp\.max\(x\).*mpcjax\.secret\.argmax"),
    argsort: (TypeError, r"sort of several.*x >= jnp\.max\(x\)"),
    top_k: (TypeError, r"top_k.*jnp\.sort\(x\)\[-k\]"),
    secret_place: (TypeError, r"at a secret place.*score >= jnp\.max\(score\)"),
    traced_place: (TypeError, "mode='clip'"),
    out_of_range: (IndexError, "out of range"),
    cumsum: (TypeError, r"jnp\.tril"),
    product: (TypeError, "Python loop of products"),
    rounds: (TypeError, r"jnp\.floor\(x \+ 0\.5\)"),
    to_integers: (TypeError, r"from float32 to int32: use jnp\.floor"),
    sets: (TypeError, r"scatter.*jnp\.where"),
    pads: (TypeError, r"pad.*jnp\.concatenate"),
    chooses: (TypeError, r"cond of a secret.*jnp\.where\(condition, x, y\)"),
    loops: (TypeError, r"while of a secret.*fori_loop"),
    infinite: (ValueError, r"not finite: legal are finite numbers.*in place of inf.*jnp\.where\(c, x, 4\.0\)"),
    stands_for_nothing: (ValueError, "not finite.*in place of NaN"),
    softmax: (TypeError, r"exp of a secret: use jnp\.clip"),
    product_of_bits: (TypeError, r"dot_general of bits.*jnp\.any\(.*x\.astype\(jnp\.float32\) @ y"),
    whole_quotient: (TypeError, r"div of whole numbers.*jnp\.floor\(x\.astype\(jnp\.float32\) / y\)"),
    whole_quotient_of_a_public_number: (TypeError, "div of whole numbers"),
    floor_division: (TypeError, "div of whole numbers"),
    short_integers: (TypeError, r"to uint8 of a secret.*astype\(jnp\.float32\)"),
    short_sums: (TypeError, "to int8 of a secret"),
    half_precision: (TypeError, "to float16 of a secret"),
    complex_numbers: (TypeError, "to complex64 of a secret"),
    large_integers: (TypeError, r"mul of secrets, with results that may not fit int32: use astype\(jnp\.float32\)"),
    prints: (TypeError, r"of a secret: use the plain run.*rule\.plain\(updates\)"),
    prints_in_a_call: (TypeError, "of a secret: use the plain run"),
    many_bits: (BoundError, r"2\^.*[Cc]lip or rescale"),
    singular_values: (TypeError, "svd.*power iterations"),
    branches: (TypeError, r"has none while tracing; use jnp\.where\(condition, x, y\)"),
    iterates_over_values: (TypeError, r"has none while tracing; use jnp\.where\(condition, x, y\)"),
    asks_for_a_number: (TypeError, r"float\(\).*use jnp\.where"),
    asks_for_an_array: (TypeError, r"a NumPy function.*use jnp\.where"),
    chooses_rows: (TypeError, r"index by a mask.*jnp\.where\(mask\[:, None\], x, 0\).*mask\.astype\(x\.dtype\) @ x"),
}


def line_of(f: Callable[..., Any]) -> tuple[int, str]:
    """Number and source of the marked line in `f`, or in what it calls."""
    first = f.__code__.co_firstlineno if f is not within_jit else inspect.unwrap(compiled).__code__.co_firstlineno
    number = next(k for k in range(first, first + 20) if "# HERE" in linecache.getline(__file__, k))
    return number, linecache.getline(__file__, number).strip()


@pytest.mark.parametrize("f", WRONG, ids=lambda f: f.__name__)
def test_the_error_names_rule_line_and_remedy(f: Callable[..., Any]) -> None:
    kind, remedy = WRONG[f]
    number, source = line_of(f)
    with pytest.raises(kind, match=f"(?s){remedy}") as caught:
        mpcjax.estimate(mpcjax.secure(f), 6, peers=5, committee=COMMITTEE)
    message = str(caught.value)
    assert message.startswith(f"rule {f.__name__!r}, combine on secrets")
    assert f"{__file__}:{number} `{source}`: " in message
    assert message.count(__file__) == 1, "the line is said once"


def test_a_line_of_this_function_although_jax_has_met_the_same_before() -> None:
    """JAX traces `jnp.median` once for all; what it remembers of the first caller is not ours."""

    def first(x: Any) -> Any:
        return jax.nn.gelu(x)[0]

    def second(x: Any) -> Any:
        return jax.nn.gelu(x)[0]  # HERE

    for f in (first, second):
        with pytest.raises(TypeError) as caught:
            mpcjax.estimate(mpcjax.secure(f), 6, peers=5, committee=COMMITTEE)
    assert f"{__file__}:{line_of(second)[0]} " in str(caught.value)


def test_what_a_function_must_return() -> None:
    for f, message in (
        (lambda x: x, r"combine returned \(5, 6\), it must return a Secret of shape \(6,\)"),
        (lambda x: jnp.ones(6), "combine returned"),
    ):
        with pytest.raises(ValueError, match=message):
            mpcjax.estimate(mpcjax.secure(f), 6, peers=5, committee=COMMITTEE)


@pytest.mark.parametrize(
    "f", [lambda x: {"a": x[0]}, lambda x: (x[0], x[1]), lambda x: [x[0]], lambda x: None, lambda x: 1.0]
)
def test_a_function_that_returns_no_array_is_refused_in_both_runs(f: Callable[..., Any]) -> None:
    message = "the function returned (None|a value of type (dict|tuple|list|float)): legal is one array of shape"
    with pytest.raises(ValueError, match=f"rule '<lambda>', combine on secrets.*{message}"):
        mpcjax.estimate(mpcjax.secure(f), 6, peers=5, committee=COMMITTEE)
    with pytest.raises(ValueError, match=message):
        mpcjax.secure(f).plain(jnp.ones((5, 6)))


def test_words_printed_without_a_number_are_left_out() -> None:
    def f(x: Any) -> Any:
        jax.debug.print("here")
        return x[0]

    mpcjax.estimate(mpcjax.secure(f), 6, peers=5, committee=COMMITTEE)


SETTINGS = {
    "words": (dict(limit="1"), "limit='1': .* positive number that is finite"),
    "True": (dict(limit=True), "limit=True: .* positive number"),
    "None": (dict(limit=None), "limit=None: .* positive number"),
    "several": (dict(limit=[1.0, 2.0]), "limit=.* positive number"),
    "limit": (dict(limit=0.0), "limit=0.0: .* positive number"),
    "infinite": (dict(limit=float("inf")), "limit=inf"),
    "certificate": (dict(certificate="signs"), "certificate='signs': legal are 'norm' and 'range'"),
    "bits": (dict(bits=0), "bits=0: legal are 1 to 24"),
    "bool": (dict(bits=True), "bits=True: legal"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_wrong_settings_are_refused(case: str) -> None:
    settings, message = SETTINGS[case]
    with pytest.raises(ValueError, match=message):
        mpcjax.secure(exp, **settings)


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ValueError, match="secure of 3: legal is a function"):
        mpcjax.secure(3)  # type: ignore[arg-type]


def test_what_is_refused_is_not_in_the_list() -> None:
    """But for those that are refused for some operands only."""
    some = {"div", "pow", "select_n", "convert_element_type", "sort", "gather", "dynamic_slice"}
    assert set(INSTEAD) & set(PRIMITIVES) == some
