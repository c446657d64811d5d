"""Calling the author's function, under JAX's tracing or not: what it may not ask of numbers, and what it must return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

CHOOSE = "use jnp.where(condition, x, y) of both, or jnp.maximum, jnp.minimum, jnp.clip, jnp.abs"
MASK = "use jnp.where(mask[:, None], x, 0), with as many rows as before, or mask.astype(x.dtype) @ x for the sum of those chosen"
UNREADABLE = (
    jax.errors.ConcretizationTypeError,  # if, float(), int()
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def call(function: Callable[..., Any], *given: Any) -> Any:
    """The one array that the function returns. What goes wrong keeps its traceback, which has the line of its author."""
    try:
        found = function(*given)
    except jax.errors.NonConcreteBooleanIndexError as error:
        what = (
            "an index by a mask that follows from updates, or from who is accepted: how many are chosen would be public"
        )
        raise TypeError(f"{what}; {MASK}").with_traceback(error.__traceback__) from None
    except UNREADABLE as error:
        what = (
            "Python asks for the value of a number that follows from updates, or from who is accepted (if, while, and, or, "
            "float(), int(), a NumPy function): it has none while tracing"
        )
        raise TypeError(f"{what}; {CHOOSE}").with_traceback(error.__traceback__) from None
    if not isinstance(found, jax.Array | np.ndarray | np.generic):
        raise ValueError(
            f"the function returned {_named(found)}: legal is one array of shape [d], such as x.sum(axis=0); make one of "
            "several by jnp.concatenate, or a rule for each"
        )
    return found


def _named(x: Any) -> str:
    return "None" if x is None else f"a value of type {type(x).__name__}"
