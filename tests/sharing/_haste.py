"""Compiling for tests: most programs run once, so time spent on optimising them is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax


def hasty(function: Callable[..., Any], **kwargs: Any) -> Any:
    """`jax.jit` that compiles fast rather than well."""
    options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    return jax.jit(function, compiler_options=options, **kwargs)
