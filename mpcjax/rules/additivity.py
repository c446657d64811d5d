"""Whether a rule that says it is additive or coordinate-wise is: tried on plain numbers before a round is cut into parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.rules.base import Public, Rule

CLOSE = 1e-3  # of the largest number: float32 adds up in another order, and a wrong rule is off by a factor


@lru_cache(maxsize=256)
def require_additive(rule: Rule, length: int) -> None:
    """`ValueError` where `combine` of some messages and of others does not add up to `combine` of all.

    So a rule fails that divides by how many messages there are, right with one group and a multiple of it with several, and one
    that clips the sum. Tried on messages as long as the rule's certificate allows: a rule that is no sum only of other ones, or
    of more than these, is not found out.
    Cost: nine plain runs of `combine` on up to eight messages.
    """
    combined = _combining(rule, length)
    for messages in _tried(rule, length):
        half = messages.shape[0] // 2
        whole, parts = combined(messages), combined(messages[:half]) + combined(messages[half:])
        off, most = (float(np.max(np.abs(x), initial=0.0)) for x in (whole - parts, whole))
        if not off <= CLOSE * most:
            raise ValueError(
                f"rule {rule.name!r} says that it is additive, and its `combine` of {2 * half} messages is not the sum of "
                f"`combine` of {half} and {half}: {off:.3g} apart. Legal are sums over the peers: divide by their number and "
                "clip in `finish`, or leave `additive` out"
            )


@lru_cache(maxsize=256)
def require_coordinatewise(rule: Rule, peers: int) -> None:
    """`ValueError` where the rule of half of the parameters is not half of the rule of all of them.

    So a rule fails that clips by the norm, chooses among whole updates, or has whole messages certified. Tried on random
    numbers around the rule's limit: one that looks at whole updates only where they are others is not found out.
    Cost: three plain runs of the rule on six parameters.
    """
    certificate = rule.certificate(peers)
    if not certificate.coordinatewise:
        raise ValueError(
            f"rule {rule.name!r} says that it is coordinate-wise, and its certificate {certificate!r} is about whole messages: "
            "blocks of them would pass that together do not. Legal are Bits, Range and Signs; leave `coordinatewise` out"
        )
    rng, limit = np.random.default_rng(0), getattr(rule, "limit", None)
    updates = ((limit if isinstance(limit, float | int) else 1.0) * rng.normal(size=(peers, 6))).astype(np.float32)
    reference = updates.mean(0) if "reference" in rule.needs else None

    @_as_program
    def plain(part: Any, own: Any) -> Any:
        return rule.plain(part, Public.of(*part.shape, reference=own))

    def of(columns: slice) -> np.ndarray:
        own = None if reference is None else reference[columns]
        return np.asarray(plain(updates[:, columns], own), np.float64)

    legal = "Legal are rules in which no parameter depends on another one of the same or another peer; leave `coordinatewise` out"
    try:
        whole, parts = of(slice(None)), np.concatenate([of(slice(0, 3)), of(slice(3, None))])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"rule {rule.name!r} says that it is coordinate-wise, and does not run on 6 parameters or 3. {legal}"
        ) from error
    off = float(np.max(np.abs(whole - parts)))
    if not off <= CLOSE * float(np.max(np.abs(whole))):
        raise ValueError(
            f"rule {rule.name!r} says that it is coordinate-wise, and of 3 parameters it makes others than of 6 whose half they "
            f"are: {off:.3g} apart. {legal}"
        )


def _tried(rule: Rule, length: int) -> Iterator[np.ndarray]:
    """Messages of signs; of real numbers; and all of the same large one, whose sum is as large as any."""
    rng, size = np.random.default_rng(0), rule.message_length(length)
    limit = getattr(rule.certificate(8), "limit", 1.0)
    yield (2 * rng.integers(0, 2, (4, size)) - 1).astype(np.float32)
    real = rng.normal(size=(4, size)).astype(np.float32)
    yield real * np.float32(limit) / np.linalg.norm(real, axis=1, keepdims=True)
    large = np.zeros((8, size), np.float32)
    large[:, 0] = limit
    yield large


def _combining(rule: Rule, length: int) -> Callable[[Any], np.ndarray]:
    reference = np.ones((length,), np.float32) if "reference" in rule.needs else None

    @_as_program
    def combined(messages: Any, reference: Any) -> Any:
        return rule.combine(messages, Public.of(messages.shape[0], length, reference=reference))

    return lambda messages: np.asarray(combined(messages, reference), np.float64)


def _as_program(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled as a whole, for alone every operation is compiled; but as it stands where it chooses by numbers: on plain ones
    a rule may, and what a round cannot compile of it is refused by its own name."""
    compiled = jax.jit(function)

    def run(*given: Any) -> Any:
        try:
            return compiled(*given)
        except jax.errors.JAXTypeError:
            return function(*jax.tree.map(jnp.asarray, given))

    return run
