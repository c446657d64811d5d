"""Rules on plain arrays as one program, compiled once for all tests of a rule: alone, every operation would be compiled.

That a rule is the same outside of `jit` is for `test_contract.test_is_part_of_a_compiled_program`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.rules import Public, Rule


@partial(jax.jit, static_argnums=0)
def plain(rule: Rule, x: Any, public: Public) -> Any:
    return rule.plain(x, public)


@partial(jax.jit, static_argnums=0)
def messages(rule: Rule, x: Any, public: Public) -> Any:
    """What the peers send, whether they are accepted or not."""
    return jax.vmap(rule.local, in_axes=(0, 0, None))(x, jnp.arange(x.shape[0]), public)


@partial(jax.jit, static_argnums=0)
def finish(rule: Rule, combined: Any, public: Public) -> Any:
    return rule.finish(combined, public)


@partial(jax.jit, static_argnums=0)
def of_messages(rule: Rule, sent: Any, public: Public) -> Any:
    """Without their encoding."""
    return rule.finish(rule.settle(rule.combine(sent, public), public), public)


def of_accepted(rule: Rule, x: Any, public: Public) -> Any:
    """`plain`, step by step."""
    return of_messages(rule, jnp.where(public.accepted[:, None], messages(rule, x, public), 0), public)
