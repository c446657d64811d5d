"""A round with nothing checked: what security against active corruption costs, by comparison.

Peers encode and deal, the committee adds up and opens; no dealing check, no certificate, no verification. It lives here
because the library has no switch that turns checks off. For additive rules, whose combination needs no interaction.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax.api import setup_of
from mpcjax.fabric import Simulated
from mpcjax.fields import fixed
from mpcjax.lanes import side_by_side
from mpcjax.offline import Counter
from mpcjax.phases import Output
from mpcjax.prg import Stream
from mpcjax.rules import Public, Rule
from mpcjax.runtime import Runtime
from mpcjax.secret import Secret
from mpcjax.setup import Setup
from mpcjax.sharing import deal_rows
from mpcjax.simulator import Committee


def runner(rule: Rule, committee: Committee, updates: Any, reference: Any = None) -> Callable[[Any], Any]:
    """`seed [8]` to the aggregate of `updates [n, d]`, in the groups and lanes of the checked round, which share memory alike.

    What the rule makes of the sum (`settle`) is computed when that is open.
    """
    peers, length = updates.shape
    setup = setup_of(rule, committee, peers, length)
    part, public, field = setup.part, Public.of(peers, length, reference=reference), setup.scheme.field
    options = _compat.program_options()
    add = jax.jit(_group, static_argnums=0, donate_argnums=4, compiler_options=options)
    last = jax.jit(_opened, static_argnums=0, compiler_options=options)

    def added(total: Output | None, more: Output) -> Output:
        return more if total is None else Output(field.add(total.shares, more.shares), more.scale)

    @_compat.x64_scope
    def run(seed: Any) -> Any:
        def lane(numbers: range) -> Output:
            total: Any = None
            scratch: Any = None
            for start in (number * part.peers for number in numbers):
                chosen = updates[start : start + part.peers]
                own = dataclasses.replace(setup, peers=chosen.shape[0], groups=1, total=peers)
                if scratch is None or scratch.shape[1] != own.peers:
                    scratch = jnp.zeros((setup.scheme.parties, own.peers, setup.message_length), field.dtype)
                own_seed = jnp.asarray(seed).at[0].add(np.uint32(start))
                more, scratch = add(own, own_seed, chosen, np.int32(start), scratch, reference)
                total = added(total, more)
            return total

        return last(setup, functools.reduce(added, side_by_side(lane, setup.lanes)), public)

    return run


def _group(setup: Setup, seed: Any, updates: Any, first: Any, scratch: Any, reference: Any) -> tuple[Output, Any]:
    public, scheme = Public.of(*updates.shape, reference=reference), setup.scheme
    message = jax.vmap(setup.rule.local, in_axes=(0, 0, None))(updates, first + jnp.arange(setup.peers), public)
    own = Stream.from_seed(seed).per_row("peer", range(setup.peers))
    streams = own.shared("members", scheme.threshold)
    integers = fixed.to_integers(message, setup.bits, setup.certificate.inward)
    shares = deal_rows(
        scheme.field, scheme.parties, scheme.threshold, integers, *streams.claim("message"), scratch=scratch
    )
    rt = Runtime(scheme, Simulated(scheme.parties), streams, Counter(scheme.field, scheme.parties))
    bound = setup.bound
    combined = setup.rule.combine(Secret(rt, shares, setup.bits, bound), public)
    return Output(combined.shares, combined.scale), shares


def _opened(setup: Setup, output: Output, public: Public) -> Any:
    value = fixed.decode(setup.scheme.field, setup.scheme.reconstruct(output.shares), output.scale)
    return setup.rule.finish(setup.rule.settle(value, public), public)
