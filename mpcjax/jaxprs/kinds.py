"""Which types the numbers of secrets may have: those whose arithmetic is that of the field, without wrapping around."""

from __future__ import annotations

from typing import Any

from mpcjax.jaxprs.refusals import refuse
from mpcjax.secret import Secret

LEGAL = ("bool", "int32", "int64", "float32", "float64")
ADVICE = "astype(jnp.float32), or astype(jnp.int32) for whole numbers, before it"


def check(eqn: Any) -> None:
    """Refuse an equation of secrets whose results would wrap around, overflow or be rounded as nothing on shares is."""
    for var in eqn.outvars:
        kind = str(var.aval.dtype)
        if kind not in LEGAL:
            refuse(eqn.primitive.name, f"to {kind} of a secret: legal are bool, int32 and float32", ADVICE)


def check_result(eqn: Any, x: Any, kind: Any) -> None:
    """Refuse a secret whole number that JAX might wrap around."""
    if isinstance(x, Secret) and kind.kind == "i" and x.bound > 2.0 ** (8 * kind.itemsize - 1 + x.scale) - 1:
        refuse(eqn.primitive.name, f"of secrets, with results that may not fit {kind}", "astype(jnp.float32) before it")
