"""Rules of one's own: what their plain run says is what MPC gives, or they are refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax import secret as ms
from mpcjax.certificates import Norm, Range

X = np.float32(np.random.default_rng(1).normal(size=(5, 6)) * 0.2)
COMMITTEE = mpcjax.simulate(parties=3)
Parts = Callable[..., Any]


def own(
    combine: Parts,
    *,
    local: Parts | None = None,
    finish: Parts | None = None,
    additive: bool = False,
    limit: float = 2.0,
) -> mpcjax.Rule:
    class Own(mpcjax.Rule):
        name, paper = "own", "none"

        def local(self, update: Any, peer: Any, public: Any) -> Any:
            return update if local is None else local(update, peer)

        def certificate(self, peers: int) -> Norm:
            return Norm(limit, peers)

        def combine(self, messages: Any, public: Any) -> Any:
            return combine(messages)

        def finish(self, combined: Any, public: Any) -> Any:
            return combined if finish is None else finish(combined)

    Own.additive = additive
    return Own()


def total(messages: Any) -> Any:
    return messages.sum(axis=0)


def both(rule: mpcjax.Rule, updates: Any = X, committee: Any = COMMITTEE) -> tuple[np.ndarray, mpcjax.aggregate]:
    return np.asarray(rule.plain(jnp.asarray(updates))), mpcjax.aggregate(updates, rule, committee=committee)


@pytest.mark.parametrize(
    "rule",
    [
        own(total, local=lambda u, i: u * jax.random.uniform(jax.random.fold_in(jax.random.key(0), i), u.shape)),
        own(total, finish=lambda c: c + jax.random.normal(jax.random.key(0), c.shape)),
        own(lambda m: total(m) * mpcjax.secret.public(_drawn(), bits=20, bound=4.0)),
    ],
    ids=["local", "finish", "combine"],
)
def test_random_numbers_are_those_of_the_plain_run(rule: mpcjax.Rule) -> None:
    plain, secure = both(rule)
    np.testing.assert_allclose(secure.value, plain, atol=1e-4)


def _drawn() -> jax.Array:
    return jax.random.normal(jax.random.key(0), (6,), jnp.float32)


def test_a_message_that_is_no_number_is_left_out() -> None:
    updates = X.copy()
    updates[2] = 0
    _, secure = both(own(total, local=lambda u, i: u / jnp.linalg.norm(u)), updates)
    assert list(secure.report.excluded) == [2]
    assert np.isfinite(secure.value).all()


@pytest.mark.parametrize(
    ("combine", "instead"),
    [
        (lambda m: ((m[0] > 0) + (m[1] > 0)) * m[0], "a sum of two bits"),
        (lambda m: ((m[0] > 0) + np.ones(6, bool)) * m[0], "a sum of two bits"),
        (lambda m: ((m > 0).T @ (m[:, 0] > 0)) * 1.0, "a matrix product of two bits"),
    ],
)
def test_where_plain_booleans_are_no_numbers_bits_are_refused(combine: Parts, instead: str) -> None:
    with pytest.raises(TypeError, match=f"{instead}: of plain booleans"):
        mpcjax.aggregate(X, own(combine), committee=COMMITTEE)


def _as_the_errors_say(messages: Any) -> Any:
    """All three, in one program, as comparisons take long to compile."""
    bits = messages > 0
    both = bits.T @ (1.0 * bits[:, 0])
    return (1.0 * bits[0] + bits[1] + bits[2]) * messages[0] + both * 4.0 + (both > 0) * 32.0


def test_what_the_error_says_to_write() -> None:
    plain, secure = both(own(_as_the_errors_say))
    np.testing.assert_allclose(secure.value, plain, atol=1e-5)


def test_a_mean_is_not_additive() -> None:
    rule = own(lambda m: m.mean(axis=0), additive=True)
    plain, secure = both(rule)
    np.testing.assert_allclose(secure.value, plain, atol=1e-5)  # of one group
    for verb in (mpcjax.estimate, lambda rule, *_, **more: mpcjax.aggregate(X, rule, committee=more["committee"])):
        with pytest.raises(ValueError, match=r"says that it is additive.*divide by their number and clip in `finish`"):
            verb(rule, 6, peers=5, committee=mpcjax.simulate(parties=3, group=2))


@pytest.mark.parametrize("combine", [lambda m: ms.clip(m.sum(axis=0), -5, 5), lambda m: m.sum(axis=0) * m[0, 0]])
def test_nor_is_a_sum_that_is_clipped_or_multiplied(combine: Parts) -> None:
    """Of few messages they add up, and of signs."""
    with pytest.raises(ValueError, match=r"says that it is additive.*clip in `finish`"):
        mpcjax.estimate(own(combine, additive=True), 6, peers=9, committee=mpcjax.simulate(parties=3, group=3))


def test_a_sum_is() -> None:
    plain, secure = both(
        own(total, finish=lambda c: c / 5, additive=True), committee=mpcjax.simulate(parties=3, group=2)
    )
    np.testing.assert_allclose(secure.value, plain, atol=1e-5)


def _grows(messages: Any) -> Any:
    near = messages @ messages.T
    return total(near @ near) @ messages


def test_few_bits_are_warned_of() -> None:
    with pytest.warns(UserWarning, match=r"messages of up to 10 get \d fractional bits only.*rescale") as warned:
        mpcjax.estimate(own(_grows, limit=10.0), 100, peers=10, committee=COMMITTEE)
    assert warned[0].filename == __file__, "the line of the caller"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mpcjax.estimate(own(total), 100, peers=10, committee=COMMITTEE)


@pytest.mark.parametrize("make", [lambda: Range(float("inf")), lambda: Range(float("nan")), lambda: Norm(1.0, 0)])
def test_limits_that_are_none(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"limit=|peers=0"):
        make()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (
            {"local": lambda u, i: u if u.sum() > 0 else -u},
            r"rule 'own', local, .*test_own_rules.py:.*jnp.where instead of",
        ),
        (
            {"finish": lambda c: c if c.sum() > 0 else -c},
            r"rule 'own', finish, .*test_own_rules.py:.*jnp.where instead of",
        ),
        ({"local": lambda u, i: None}, r"rule 'own': local returned a NoneType, legal is \(6,\)"),
        ({"finish": lambda c: (c, c)}, r"rule 'own': finish returned a tuple, legal is \(6,\)"),
        (
            {"local": lambda u, i: u[:2]},
            r"rule 'own': local returned shape \(2,\), legal is \(6,\)",
        ),
    ],
)
def test_mistakes_outside_of_combine_name_the_rule(parts: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        mpcjax.aggregate(X, own(total, **parts), committee=COMMITTEE)
