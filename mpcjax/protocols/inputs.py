"""Peers deal their messages to the committee, and the committee checks that they were dealt.

The check: with public coefficients drawn after the dealing, the members open a random combination of everything a peer
dealt, masked by a random value the same peer dealt, and test that it has degree at most t. The coefficients are
independent (powers of one challenge over 10^8 terms would leave only 2^-34). A dealing is signed by its dealer; when an
opening is inconsistent, the accused members show what they were sent, and either the dealer is excluded or the members
whose statement differs are proven corrupt.

Guarantee (t < m/2): what is accepted lies on polynomials of degree t at the honest members, except with probability
p^-repetitions <= 2**-SECURITY_BITS per peer. Revealed: whether each peer dealt properly.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.checks import verdict
from mpcjax.fields import kernels
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import deal_rows


def deal(rt: Runtime, values: Any, peers: Stream, label: str) -> Any:
    """Peers (rows of `peers`) share `values [n, L]`: `[rows, n, L]`. One round, m L elements uploaded per peer."""
    scheme = rt.scheme
    shares = deal_rows(rt.field, scheme.parties, scheme.threshold, values, peers.leaf(label).raw())
    return rt.fabric.from_peers(shares, label)


def deal_masks(rt: Runtime, peers: Stream) -> Any:
    """One random sharing per peer and repetition of the dealing check: `[rows, n, R]`."""
    repeats = rt.repetitions(1 / rt.field.modulus)
    own = peers.child("mask")
    return deal(rt, own.uniform("value", rt.field, (repeats,)), own, "mask")


def check_dealings(rt: Runtime, public: Stream, blocks: list[Any], masks: Any) -> Any:
    """Which peers dealt sharings of degree t in all `blocks` (`[rows, n, L]` each): `[n] bool`, public. 2 rounds."""
    combined = jnp.stack(
        [_combined(rt, public.child("repeat", r), blocks, masks[..., r]) for r in range(masks.shape[-1])], axis=-1
    )
    said = rt.fabric.broadcast(combined, rt.fresh("dealing check"))
    shown = rt.fabric.evidence(combined, "dispute")
    fine, dealt_well = _consistent(rt, said), verdict("dealing", _consistent(rt, shown))
    framed = ~fine & dealt_well  # the dealer is right: whoever said something else lied
    liars = jnp.any((said != shown) & framed[None, :, None], axis=(1, 2))
    if rt.scheme.robust:
        rt.accuse(liars)
    else:
        rt.check("member", ~framed, parties=liars)
    return fine | dealt_well


def _combined(rt: Runtime, public: Stream, blocks: list[Any], mask: Any) -> Any:
    total = mask
    for k, block in enumerate(blocks):
        weights = public.uniform(f"block {k}", rt.field, (block.shape[-1],))[0]
        total = rt.field.add(total, kernels.inner(rt.field, block, weights))
    return total


def _consistent(rt: Runtime, shares: Any) -> Any:
    return jnp.all(rt.scheme.consistent(shares), axis=-1)
