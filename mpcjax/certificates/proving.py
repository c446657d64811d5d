"""From the equations of a certificate to what the committee opens: the peers prove, the committee tests."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.certificates.base import PARTS, SPREAD, Dealt, Equation
from mpcjax.protocols import Dealers, Proof, Statement, prove, value
from mpcjax.runtime import Runtime
from mpcjax.spreading import WHOLE

Proofs = tuple[Proof | None, ...]


def prove_equations(rt: Runtime, peers: Dealers, equations: list[Equation], known: Dealt, shares: Dealt) -> Proofs:
    """The peers' proofs, one a equation; None for a equation about nothing, or one that the committee works out itself."""
    statements = []
    for equation in equations:
        if equation.about:
            spread = rt.spread if set(equation.about) <= set(SPREAD) else WHOLE
            values, sharings = known.part(equation.about, rt.field), shares.part(equation.about)
            statements.append(Statement(values, sharings, equation.form, spread))
    proofs = iter(prove(rt, peers, statements))
    return tuple(next(proofs) if equation.about else None for equation in equations)


def to_check(equations: list[Equation], proofs: Proofs, shares: Dealt) -> list[Any]:
    """All that the peers dealt, `[rows, n, L]` each, for the dealing check: of what is proven, the fold stands for it."""
    covered, blocks = set[str](), []
    for equation, proof in zip(equations, proofs, strict=True):
        if proof is not None:
            covered.update(equation.about)
            blocks += [proof.folded, *proof.sent]
    rest = [shares.part((name,)) for name in PARTS if name not in covered]
    return [block for block in rest if block.shape[-1]] + blocks


def tests(rt: Runtime, equations: list[Equation], proofs: Proofs, shares: Dealt) -> Any:
    """Sharings `[rows, n, T]` that are zero for an honest peer. Cost: a product per peer and quadratic equation, claimed."""
    found = []
    for equation, proof in zip(equations, proofs, strict=True):
        right, more = equation.right_side(rt.field, shares, rt.spread), []
        left = rt.field.zeros(right.shape)
        if equation.about:
            left, more = value(rt, equation.form, shares.part(equation.about), proof)
        found += [rt.field.sub(left, right), *more]
    shape = shares.message.shape[:-1]
    return jnp.stack([jnp.broadcast_to(test, shape) for test in found], axis=-1)
