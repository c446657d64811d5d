"""Opening the declared output, also where every device has a slice of it.

Guarantee and cost: as `open_many`; of slices, a coin more, whose random combinations stand for the slices' own checks.
Revealed: the output.
"""

from __future__ import annotations

from typing import Any

from mpcjax.fields import kernels
from mpcjax.protocols.coin import coin
from mpcjax.protocols.opening import gated, king_open, open_many, without_errors
from mpcjax.protocols.weights import missed, weights_of
from mpcjax.runtime import Runtime


def open_output(rt: Runtime, x: Any, label: str) -> Any:
    """Open the output `x [rows, L]` of degree t to all: public `[L]`. The caller verifies once more afterwards."""
    if rt.spread.axis is None:
        return open_many(rt, x, label, output=True)
    x = gated(rt, x, label)
    if rt.scheme.robust:
        with rt.fabric.ledger.by_each(rt.spread.devices):
            shares = rt.fabric.broadcast(x, rt.fresh(label))
        return without_errors(rt, _combined(rt, shares), shares)
    with rt.fabric.ledger.by_each(rt.spread.devices):
        value = king_open(rt, x, rt.scheme.threshold, label)
    rt.claim_zero(_combined(rt, rt.field.sub(x, value)))
    return value


def _combined(rt: Runtime, shares: Any) -> Any:
    """Random combinations of all columns of all slices `shares [rows, L]`, drawn when these are fixed: `[rows, R]`."""
    own, tries = rt.spread.own(coin(rt)), rt.repetitions(missed(rt.field))
    weights = weights_of(own, "output", rt.field, tries, shares.shape[1])
    return rt.spread.total(rt.field, kernels.inner(rt.field, shares[:, None], weights[None]))
