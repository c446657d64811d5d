"""Running the parts of a rule on secrets: what goes wrong in them names the rule, the line and what to do."""

from __future__ import annotations

import linecache
import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np

import mpcjax.secret
from mpcjax.rules.base import Rule

FOLDERS = (Path(__file__).parents[1], *(Path(module.__file__ or "").parent for module in (jax, jaxlib, np)))
# `jnp.sum` says that it is `_reduce_sum`, `jnp.mean` `_mean`.
_JAX_FUNCTION = re.compile(r"<function (?:_reduce_|_)?(\w+) at|\b(\w+) requires ndarray")
NOT_THEIRS = tuple(f"{folder}{os.sep}" for folder in FOLDERS)


def call(rule: Rule, part: str, messages: Any, public: Any) -> Any:
    """`rule.part(messages, public)` on a `Secret`; meanwhile nothing may open as an output.

    An exception keeps its type; its message begins with the rule and, where code of the rule's author is on the way, the
    line: the innermost one outside of mpcjax, JAX and NumPy.
    """
    rt = messages.rt
    rt.closed, before = f"rule {rule.name!r}: {part}", rt.closed
    try:
        with explained(rule, f"{part} on secrets"):
            return getattr(rule, part)(messages, public)
    finally:
        rt.closed = before


@contextmanager
def explained(rule: Rule, part: str) -> Iterator[None]:
    """Puts the rule and the line in front of the message of an exception."""
    try:
        yield
    except Exception as error:
        if not getattr(error, "explained", False):
            where = line_of(error)
            advice = _advice(error)
            # beside advice one line is enough: the others are of JAX's own files
            said = str(error).partition("\n")[0].rstrip(".") if advice else error
            message = f"rule {rule.name!r}, {part}{f', {where}' if where else ''}: {said}{advice}"
            error.args = (message, *error.args[1:])
            error.explained = True  # type: ignore[attr-defined]
        raise


def line_of(error: BaseException) -> str:
    """Where an exception comes from in code that is neither of this library nor of JAX or NumPy: file:line and its text."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(NOT_THEIRS)]
    if not frames or frames[-1].lineno is None:
        return ""
    last = frames[-1]
    text = linecache.getline(last.filename, last.lineno or 0).strip()
    return f"{last.filename}:{last.lineno}" + (f" `{text}`" if text else "")


def _advice(error: Exception) -> str:
    """JAX does not know what a secret is, nor for whom it compiles; it says so in its own words."""
    if isinstance(error, jax.errors.ConcretizationTypeError | jax.errors.TracerArrayConversionError):
        return (
            ". It is compiled, for any numbers: choose by jnp.where instead of `if`, leave out float(), int() and NumPy of what "
            "follows from them"
        )
    if "mpcjax.secret" not in str(error) or "Secret'" not in str(error):
        return ""
    functions = [name for name in mpcjax.secret.__all__ if name[0].islower()]
    tried = _JAX_FUNCTION.search(str(error))
    name = (tried[1] or tried[2]) if tried else ""
    if name in functions and name in vars(jnp):  # a function of the rule's own may be called as one of ours
        return f". Functions of JAX do not take secrets: use mpcjax.secret.{name}"
    return (
        ". Functions and transformations of JAX do not take secrets: use operators and the function of the same name in "
        f"mpcjax.secret, which has {', '.join(functions)}"
    )
