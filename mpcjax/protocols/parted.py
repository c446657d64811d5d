"""A secret linear combination sum_j w[j] x[j] of long vectors that are never held all at once.

The parts' local sums, of degree 2t, are added up and their degree is reduced once (`fixed_sum`). When the result z is
fixed, public directions rho are drawn; every part once more gives the inner products of its vectors with them
(`projections`), and what remains of the claim is sum_j w[j] <x[j], rho> = <z, rho>, as short as w (`claim_sum`). That is
what `verify` makes of a `Combination`; the vectors are only read at two separate times.

Guarantee: a z that is wrong somewhere differs from the sum along a direction except with probability 2 / p at most
(`weights`). Every try of `verify` has a direction of its own, so its repetitions bring that below 2**-SECURITY_BITS
too. Not for robust mode, whose products need no verification.
"""

from __future__ import annotations

from typing import Any

from mpcjax.fields import kernels
from mpcjax.protocols.coin import coin
from mpcjax.protocols.multiply import reduce_degree
from mpcjax.protocols.verify import tries
from mpcjax.protocols.weights import weights_of
from mpcjax.runtime import Claim, Projected, Runtime


def fixed_sum(rt: Runtime, local: Any, w: Any, pending: list[Claim]) -> tuple[Any, Any]:
    """`local [rows, L]` of degree 2t to z `[rows, L]` of degree t, and public directions `[R, L]`. L openings, a coin.

    `w [rows, J]`, and the claims `pending` that will be verified with this one, tell how many directions are needed.
    """
    z = reduce_degree(rt, local, "combination")
    repeats = tries(rt, [*pending, Projected(w, None, None)])
    return z, weights_of(coin(rt), "directions", rt.field, repeats, local.shape[1])


def projections(rt: Runtime, x: Any, directions: Any) -> Any:
    """<x[j], rho> for `x [rows, J, L]`, `directions [R, L]`: `[rows, R, J]`. Local."""
    return kernels.inner(rt.field, x[:, None], directions[None, :, None])


def claim_sum(rt: Runtime, w: Any, projected: Any, z: Any, directions: Any) -> None:
    """Claim z `[rows, L]` for `w [rows, J]` and all `projected [rows, R, J]`."""
    rt.claim(Projected(w, projected, kernels.inner(rt.field, z[:, None], directions[None])))
