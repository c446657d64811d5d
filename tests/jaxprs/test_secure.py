"""Whole functions as rules: on secrets what they are on plain arrays, within the stated error; and one of them end to end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax.rules import Public
from mpcjax.secret import Secret
from mpcjax.setup import Setup
from tests.circuits._stock import runtime
from tests.rules._ideal import SCHEME, Zeros, on_secrets, shared

COMMITTEE = mpcjax.simulate(parties=3)


def mean(x: Any) -> Any:
    return jnp.mean(x, axis=0)


def mean_of_accepted(x: Any, accepted: Any) -> Any:
    return x.sum(axis=0) / jnp.maximum(accepted.sum(), 1)


def median(x: Any) -> Any:
    return jnp.median(x, axis=0)


def median_of_accepted(x: Any, accepted: Any) -> Any:
    """Who is left out is put last; the place of the median follows from how many are left."""
    ordered = jnp.sort(jnp.where(accepted[:, None], x, 2.0), axis=0)
    last = jnp.maximum(accepted.sum() - 1, 0)
    lower, upper = (jnp.take(ordered, k, axis=0, mode="clip") for k in (last // 2, (last + 1) // 2))
    return (lower + upper) / 2


def median_of_means(x: Any) -> Any:
    return jnp.median(x.reshape(3, 2, -1).mean(axis=1), axis=0)


def trimmed_mean(x: Any) -> Any:
    return jnp.sort(x, axis=0)[1:-1].mean(axis=0)


def cosine_weighted(x: Any) -> Any:
    weights = jax.nn.relu(x @ x.sum(axis=0))
    return (weights / jnp.maximum(weights.sum(), 0.1)) @ x


def clipped_mean(x: Any) -> Any:
    norms = jnp.linalg.norm(x, axis=1, keepdims=True)
    return (x * (0.5 / jnp.maximum(norms, 0.5))).mean(axis=0)


def clipped_each(x: Any) -> Any:
    return jax.vmap(lambda row: row / jnp.maximum(1, 2 * jnp.sqrt(row @ row)))(x).mean(axis=0)


def votes(x: Any) -> Any:
    return jnp.sign(jnp.sign(x).sum(axis=0))


def closest(x: Any) -> Any:
    """The update with the least sum of squared distances, as in Krum; the mean of those that share it."""
    gram = x @ x.T
    squares = (x * x).sum(axis=1)
    totals = (squares[:, None] + squares[None] - 2 * gram).sum(axis=1)
    first = (totals <= totals.min()).astype(x.dtype)
    return (first / jnp.maximum(first.sum(), 1)) @ x


@dataclasses.dataclass(frozen=True)
class Case:
    f: Callable[..., Any]
    error: float
    settings: Any = dataclasses.field(default_factory=dict)


# besides the rounding of messages, in units of 2^-16
CASES = [
    Case(mean, 1),
    Case(mean, 1, dict(certificate="range", limit=0.7)),
    Case(mean_of_accepted, 1),
    Case(median, 0),
    Case(median, 0, dict(certificate="range", limit=1.0)),
    Case(median_of_accepted, 0),
    Case(median_of_means, 1),
    Case(trimmed_mean, 1),
    Case(cosine_weighted, 12),  # six weights, each with the rounding of the sum, of the quotient and of itself
    Case(cosine_weighted, 1, dict(bits=20)),
    Case(clipped_mean, 2),
    Case(clipped_each, 2),
    Case(votes, 0),
    Case(closest, 2),
]


def public_of(n: int, length: int, accepted: list[int]) -> Public:
    kept = jnp.isin(jnp.arange(n), jnp.asarray(accepted))
    return dataclasses.replace(Public.of(n, length), accepted=kept)


def gap(rule: Any, x: np.ndarray, public: Public) -> float:
    return float(np.abs(on_secrets(rule, x, public) - np.asarray(rule.plain(jnp.asarray(x), public))).max())


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.f.__name__} {' '.join(map(str, case.settings.values()))}"
)
@pytest.mark.parametrize("accepted", [[0, 1, 2, 3, 4, 5], [0, 2, 3, 5], []], ids=["all", "four", "none"])
def test_on_secrets_is_plain(case: Case, accepted: list[int], ideal: None) -> None:
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(6, 8)) * 0.4).astype(np.float32)
    x[1] *= 20  # who is clipped, and in one coordinate alone
    x[2, 0] = 5
    rule = mpcjax.secure(case.f, **case.settings)
    messages = 2.0 ** -Setup(SCHEME, rule, 6, 8).bits
    assert gap(rule, x, public_of(6, 8, accepted)) <= case.error * 2.0**-16 + 3 * messages


def test_rows_left_out_are_zero_in_the_plain_run_too() -> None:
    x = jnp.asarray(np.full((4, 2), 0.5, np.float32))
    found = mpcjax.secure(mean).plain(x, public_of(4, 2, [0, 1]))
    np.testing.assert_array_equal(found, [0.25, 0.25])


def test_peers_clip_to_the_declared_range() -> None:
    x = jnp.asarray(np.full((4, 2), 3.0, np.float32))
    np.testing.assert_allclose(mpcjax.secure(mean, limit=2.0).plain(x), np.sqrt(2.0), rtol=1e-6)
    assert mpcjax.secure(mean, limit=2.0, certificate="range").plain(x).tolist() == [2 - 2**-7] * 2
    assert mpcjax.secure(mean, limit=1.5, certificate="range").plain(x).tolist() == [1.5] * 2


def test_factors_are_rounded_where_they_are_finer_than_messages(monkeypatch: pytest.MonkeyPatch, ideal: None) -> None:
    """And nothing else: sums, comparisons and products with public numbers are exact."""
    import mpcjax.jaxprs.interpret as module

    rounded: list[tuple[int, int]] = []
    real = module.ms.rescale
    monkeypatch.setattr(module.ms, "rescale", lambda x, bits: rounded.append((x.scale, bits)) or real(x, bits))

    def f(x: Any) -> Any:
        score = x @ x[0]  # 36 fractional bits
        return (score * score) @ (0.3 * x) + x[0] / 4

    messages = Secret(runtime(SCHEME, Zeros()), shared(np.ones((3, 4))), 18, 1 << 18)
    found = mpcjax.secure(f).combine(messages, public_of(3, 4, [0, 1, 2]))
    assert rounded == [(36, 18), (36, 18), (18 + 17, 18)], "the score once, its square, and 0.3 x"
    assert found.scale == 36


def test_a_sum_of_products_opens_the_sums_alone() -> None:
    def cost(f: Callable[..., Any]) -> int:
        return mpcjax.estimate(mpcjax.secure(f), 50, peers=6, committee=COMMITTEE).demand.double

    fused = cost(lambda x: (x * x).sum(axis=1) @ jnp.ones((6, 50)))
    assert cost(lambda x: (x * x)[:, 0] @ jnp.ones((6, 50))) - fused > 200


@pytest.mark.long
def test_division_of_many_by_one_takes_one_reciprocal() -> None:
    def cost(f: Callable[..., Any]) -> int:
        return mpcjax.estimate(mpcjax.secure(f), 10, peers=3, committee=COMMITTEE).demand.bit

    one = cost(lambda x: x[0] / jnp.maximum(x[0, 0], 0.5))
    each = cost(lambda x: x[0] / jnp.maximum(x[1], 0.5))
    assert each > 5 * one


def test_who_is_accepted_is_not_used_where_it_happens_to_be_known() -> None:
    """What a program takes and sends must not depend on it: the parties agree on that beforehand."""

    def scales(accepted: Any) -> list[int]:
        messages = Secret(runtime(SCHEME, Zeros()), shared(np.ones((4, 2))), 8, 256)
        public = dataclasses.replace(Public.of(4, 2), accepted=accepted)
        return [mpcjax.secure(mean_of_accepted).combine(messages, public).scale]

    assert scales(jnp.array([True] * 4)) == scales(jnp.array([True, False, False, False]))


@pytest.mark.long
@pytest.mark.user
def test_end_to_end() -> None:
    """A peer whose update is not finite is left out; nothing is revealed but the output."""
    x = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32) * 0.3
    x[3, 2] = np.nan
    rule = mpcjax.secure(median_of_accepted, limit=1.0, certificate="range", name="median of mine")
    cost = mpcjax.estimate(rule, 6, peers=5, committee=COMMITTEE)
    assert "output, accepted or not" in str(cost) and "median of mine" in str(cost)
    result = mpcjax.aggregate(jnp.asarray(x), rule, committee=COMMITTEE)
    assert set(result.report.excluded) == {3}
    clipped = np.clip(np.delete(x, 3, 0), -1, 1 - 2**-8)
    np.testing.assert_allclose(np.asarray(result.value), np.median(clipped, axis=0), rtol=0, atol=2.0**-18)
