"""Programs that meet the outside: cut at its marks into segments, each compiled, with the host between them.

`trace` makes a jaxpr of a party's program (on the fabric `Cut`); what stands between two marks is one jitted function. A
loop with marks in it is run step by step, its body cut once. What costs nothing to compute again (constants, index ranges)
is computed where it is used, so that no segment hands it on.

`peers_only` is the part that a peer without a seat on the committee runs: what its dealings depend on, where it is told the
coins, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax import _compat
from mpcjax.segments.cutting import cut, dealing
from mpcjax.segments.steps import Outside, Program

__all__ = ["Outside", "Program", "Traced"]


class Traced:
    """A function of pytrees, traced for the shapes of `args`: `of_member` is all of it, `of_peer` what a peer runs."""

    def __init__(self, function: Callable[..., Any], *args: Any):
        leaves, structure = jax.tree_util.tree_flatten(args)
        self._results: Any = None

        def flat(*leaves: Any) -> list[Any]:
            results = function(*jax.tree_util.tree_unflatten(structure, leaves))
            found, self._results = jax.tree_util.tree_flatten(results)
            return found

        jaxpr, consts = _compat.opened(jax.make_jaxpr(flat)(*leaves))
        known = dict(zip(jaxpr.constvars, map(jnp.asarray, consts), strict=True))
        shapes = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in jaxpr.outvars]
        self.result: Any = jax.tree_util.tree_unflatten(self._results, shapes)  # abstract
        self.of_member = cut(jaxpr.invars, known, jaxpr.eqns, jaxpr.outvars)
        self.of_peer = cut(jaxpr.invars, known, dealing(jaxpr.eqns), [], blind=True)

    def run(self, outside: Outside, *args: Any) -> Any:
        """As a member of the committee."""
        leaves = jax.tree_util.tree_leaves(args)
        return jax.tree_util.tree_unflatten(self._results, self.of_member.run(outside, leaves))

    def run_as_peer(self, outside: Outside, *args: Any) -> None:
        """As a peer without a seat, which only deals."""
        self.of_peer.run(outside, jax.tree_util.tree_leaves(args))
