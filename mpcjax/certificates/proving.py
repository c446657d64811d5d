"""From the claims of a certificate to what the committee opens: the peers prove, the committee tests."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.certificates.base import PARTS, Claim, Dealt
from mpcjax.prg import Stream
from mpcjax.protocols import Proof, Statement, prove, value
from mpcjax.runtime import Runtime

Proofs = tuple[Proof | None, ...]


def prove_claims(rt: Runtime, peers: Stream, claims: list[Claim], known: Dealt, shares: Dealt) -> Proofs:
    """The peers' proofs, one a claim; None for a claim about nothing, or one that the committee works out itself."""
    about = [claim for claim in claims if claim.about]
    statements = [Statement(known.part(claim.about), shares.part(claim.about), claim.form) for claim in about]
    proofs = iter(prove(rt, peers, statements))
    return tuple(next(proofs) if claim.about else None for claim in claims)


def to_check(claims: list[Claim], proofs: Proofs, shares: Dealt) -> list[Any]:
    """All that the peers dealt, `[rows, n, L]` each, for the dealing check: of what is proven, the fold stands for it."""
    covered, blocks = set[str](), []
    for claim, proof in zip(claims, proofs, strict=True):
        if proof is not None:
            covered.update(claim.about)
            blocks += [proof.folded, *proof.sent]
    rest = [shares.part((name,)) for name in PARTS if name not in covered]
    return [block for block in rest if block.shape[-1]] + blocks


def tests(rt: Runtime, claims: list[Claim], proofs: Proofs, shares: Dealt) -> Any:
    """Sharings `[rows, n, T]` that are zero for an honest peer. Cost: a product per peer and quadratic claim, claimed."""
    found = []
    for claim, proof in zip(claims, proofs, strict=True):
        right, more = claim.right_side(rt.field, shares), []
        left = rt.field.zeros(right.shape)
        if claim.about:
            left, more = value(rt, claim.form, shares.part(claim.about), proof)
        found += [rt.field.sub(left, right), *more]
    shape = shares.message.shape[:-1]
    return jnp.stack([jnp.broadcast_to(test, shape) for test in found], axis=-1)
