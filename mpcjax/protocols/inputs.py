"""Peers deal their messages to the committee, and the committee checks that they were dealt.

The check: with public coefficients drawn after the dealing, the members open a random combination of everything a
peer dealt, masked by a random value the same peer dealt, and test that it has degree at most t. The coefficients are
independent or products of two (`weights`; powers of one challenge over 10^8 terms would leave only 2^-34). Of what a
peer proved (`protocols.proof`) the fold stands for all shares: it has degree t only if they have. A dealer is
committed to what it sends; when an opening is inconsistent, accused members show what they were sent, and either the
dealer is excluded or the members whose statement differs are proven corrupt.

Guarantee (t < m/2): what is accepted lies on polynomials of degree t at the honest members, except with probability
2**-SECURITY_BITS per peer. Revealed: whether each peer dealt properly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax.checks import verdict
from mpcjax.fields import Field, kernels
from mpcjax.prg import Stream, field_elements
from mpcjax.protocols.weights import missed, weights_of
from mpcjax.runtime import Runtime
from mpcjax.sharing import deal_rows

DEALING_CHECK = "dealing check"  # what the broadcast of it is called


@dataclasses.dataclass(frozen=True)
class Dealers:
    """The peers' randomness: of each alone (`own`, a row a peer), and in common with each of the first t members.

    `received`: the member's end of that, a row a peer, where parties are apart.
    """

    own: Stream
    members: Stream
    received: Stream | None = None

    def expanded(self, field: Field, label: str, length: int) -> Callable[[], Any] | None:
        """What a member that has the peers' keys makes of them under `label`, `[1, n, length]`; None if it needs none."""
        if self.received is None:
            return None
        keys, nonces = self.received.claim(label)
        return lambda: field_elements(keys, nonces, field, (length,))[None]


def dealers(rt: Runtime, peers: Stream) -> Dealers:
    """Peers (rows of `peers`) send a key to each of the first t members, who expand their shares from it later.

    The keys go along with the first message.
    """
    known = rt.scheme.threshold
    members = peers.shared("members", known)
    received = rt.fabric.keys_to_members(lambda: members.to_be_sent(), known, "member keys")
    return Dealers(peers, members, None if received is None else Stream(received))


def deal(rt: Runtime, values: Any, peers: Dealers, label: str, scratch: Any = None) -> Any:
    """Peers share `values [n, L]`: `[rows, n, L]`. One round, (m - t) L elements uploaded per peer.

    `values` are field elements or signed integers (int32, int64), which are taken mod p. `scratch`: see `deal_rows`.
    """
    scheme = rt.scheme
    shares = deal_rows(rt.field, scheme.parties, scheme.threshold, values, *peers.members.claim(label), scratch=scratch)
    known = peers.expanded(rt.field, label, values.shape[1])
    return rt.fabric.from_peers(shares, label, scheme.threshold, known)


def deal_with(rt: Runtime, values: Any, noise: Any, label: str, known: Callable[[], Any] | None = None) -> Any:
    """The same for a few field elements `[n, L]`, with `noise [n t, L]`, which the members that are `known` expand too."""
    noise = noise.reshape(values.shape[0], rt.scheme.threshold, values.shape[1])
    shares = rt.scheme.share(values, jnp.moveaxis(noise, 1, 0))
    return rt.fabric.from_peers(shares, label, rt.scheme.threshold, known)


def deal_masks(rt: Runtime, peers: Dealers) -> Any:
    """One random sharing per peer and repetition of the dealing check: `[rows, n, R]`."""
    repeats = rt.repetitions(missed(rt.field))
    return deal(rt, peers.own.uniform("mask", rt.field, (repeats,)), peers, "mask")


def check_dealings(rt: Runtime, public: Stream, blocks: list[Any], masks: Any, present: Any = np.True_) -> Any:
    """Which of the peers that are `present [n]` dealt sharings of degree t in all `blocks` (`[rows, n, L]` each).

    `[n] bool`, public. 2 rounds.
    """
    combined = _combined(rt, public, blocks, masks)
    said = rt.fabric.broadcast(combined, rt.fresh(DEALING_CHECK))
    return _settled(rt, combined, said, _consistent(rt, said) | ~present) & present


def _settled(rt: Runtime, combined: Any, said: Any, fine: Any) -> Any:
    """Who dealt well, after the disputes about peers that are not `fine [n]`."""
    if _compat.is_concrete(fine) and bool(jnp.all(fine)):
        return fine  # no dispute: where values are known, nothing more is shown
    shown = rt.fabric.evidence(combined, said, "dispute", ~fine)
    dealt_well = verdict("dealing", _consistent(rt, shown))
    framed = ~fine & dealt_well  # the dealer is right: whoever said something else lied
    liars = jnp.any((said != shown) & framed[None, :, None], axis=(1, 2))
    if rt.scheme.robust:
        rt.accuse(liars)
    else:
        rt.check("member", ~framed, parties=liars)
    return fine | dealt_well


def _combined(rt: Runtime, public: Stream, blocks: list[Any], masks: Any) -> Any:
    """Masked random combinations of everything dealt: mask r + sum_k weights[r, k] value[k], `[rows, n, R]`."""
    lengths = [block.shape[-1] for block in blocks]
    weights = weights_of(public, "dealing check", rt.field, masks.shape[-1], sum(lengths))
    total, start = masks, 0
    for block, length in zip(blocks, lengths, strict=True):
        part = kernels.inner(rt.field, block[..., None, :], weights[:, start : start + length])
        total, start = rt.field.add(total, part), start + length
    return total


def _consistent(rt: Runtime, shares: Any) -> Any:
    return jnp.all(rt.scheme.consistent(shares), axis=-1)
