"""Openings: every one uses all shares and is checked, or claims its check for `verify`.

Guarantee (t < m/2, active): a value is public and right, or the run aborts. With t < m/3 up to t wrong shares are
corrected and their senders recorded (Reed-Solomon, one word per opening). What is revealed: the opened value.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.fields import kernels
from mpcjax.protocols.packing import key_elements, stream_from_elements
from mpcjax.protocols.weights import missed, weights_of
from mpcjax.runtime import Runtime

BULK = 64  # from so many values on, a king costs less traffic than everybody telling everybody


def open_now(rt: Runtime, x: Any, label: str, *, output: bool = False) -> Any:
    """Open `x [rows, ...]` of degree t to all: public `[...]`, consistent or `Abort`.

    Cost: 2 rounds, m - 1 elements per value and party. `output` marks a declared output: it is gated by every check made
    so far, and refused while claims are unverified.
    """
    if output:
        x = gated(rt, x, label)
    shares = rt.fabric.broadcast(x, rt.fresh(label))
    return _corrected(rt, shares) if rt.scheme.robust else checked(rt, shares)


def gated(rt: Runtime, x: Any, label: str) -> Any:
    """What may be sent of the declared output `x`: nothing while claims are pending, zeros if a check has failed."""
    rt.require_settled(label)
    rt.fabric.ledger.opened.append(label)
    return rt.gate(x)


def open_many(rt: Runtime, x: Any, label: str, *, output: bool = False) -> Any:
    """Open many values `x [rows, ...]` of degree t: through kings when that is cheaper.

    Cost: 3 rounds and about 2 elements per value and party. That the kings were right is claimed for `verify`; for an
    `output` the caller must verify once more afterwards.
    """
    if rt.scheme.robust or x.size // x.shape[0] < BULK:
        return open_now(rt, x, label, output=output)
    if output:
        x = gated(rt, x, label)
    value = king_open(rt, x, rt.scheme.threshold, label)
    rt.claim_zero(rt.field.sub(x, value))
    return value


def king_open(rt: Runtime, x: Any, degree: int, label: str) -> Any:
    """Open `x [rows, ...]` of `degree` through rotating kings (DN07): public `[...]`, unchecked.

    Value k goes to king k mod m, who reconstructs and tells all (echo-checked by the broadcast). A lying king or share
    adds an error known to the adversary, which the verification of products or of the opening catches later.
    Cost: 3 rounds, 2 (m - 1) / m elements per value and party.
    """
    m, shape = rt.scheme.parties, x.shape[1:]
    flat = x.reshape(x.shape[0], -1)
    count = flat.shape[1]
    padded = jnp.pad(flat, ((0, 0), (0, -count % m)))
    name = rt.fresh(label)
    to_kings = rt.fabric.exchange(padded.reshape(x.shape[0], m, -1), f"{name}/to king")
    told = rt.scheme.reconstruct(jnp.moveaxis(to_kings, 1, 0), degree)
    opened = rt.fabric.broadcast(told, f"{name}/from king").reshape(-1)[:count].reshape(shape)
    return kernels.once(opened)  # or every later use reconstructs it anew: sorting by bits takes six times as long


def checked(rt: Runtime, shares: Any) -> Any:
    """The value of broadcast `shares [parties, ...]` of degree t, if they are consistent."""
    value, consistent = rt.scheme.opened(shares)
    rt.check("opening", consistent)
    return value


def _corrected(rt: Runtime, shares: Any) -> Any:
    """Find the bad parties once, on random combinations of the columns drawn after the shares are fixed."""
    field, flat = rt.field, shares.reshape(shares.shape[0], -1)
    repeats = rt.repetitions(missed(field))
    columns = flat
    if flat.shape[1] > max(repeats, key_elements(field)):  # fewer are decoded one by one: no coin costs less
        weights = weights_of(_coin_for_decoding(rt), "columns", field, repeats, flat.shape[1])
        columns = jnp.stack([field.dot(flat, weights[r][None, :], axis=-1) for r in range(repeats)], axis=1)
    return without_errors(rt, columns, shares)


def without_errors(rt: Runtime, words: Any, shares: Any) -> Any:
    """The value of broadcast `shares [parties, ...]`, without those who are wrong in `words [parties, K]`."""
    bad, ok = rt.scheme.locate(words)
    rt.check("decoding", ok)  # names nobody: beyond t errors the nearest codeword means nothing
    rt.accuse(bad)
    return rt.scheme.reconstruct_without(bad, shares)


def _coin_for_decoding(rt: Runtime) -> Any:
    """A public coin whose few words are decoded one by one (no coin is needed to decode them)."""
    field = rt.field
    shares = rt.fabric.broadcast(rt.take("random", (key_elements(field),)), rt.fresh("coin"))
    return stream_from_elements(field, without_errors(rt, shares, shares))
