"""Dealing many secrets of many peers, peer by peer, so that only the shares themselves need memory."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import Field
from mpcjax.prg import field_elements, lane_map, unhoisted

SMALL = 1 << 18  # elements up to which all peers are dealt at once
MANY = 64  # additions per secret from which computing each share apart costs more than passing all through a chunk
CHUNK = 1 << 14


def deal_rows(
    field: Field, parties: int, threshold: int, secrets: Any, keys: Any, nonces: Any, scratch: Any = None
) -> Any:
    """Shamir shares `[m, n, L]` of `secrets [n, L]` (field elements or signed integers), peer i under `keys[i]`.

    Written over `scratch`, an array like the result, if it is given and there are many.

    The randomness is `threshold` elements per secret, taken as forward differences at 0 (in bijection with the
    polynomial's coefficients): m t additions and t expanded elements per secret, m written.
    """
    n, length = secrets.shape
    if n * length <= SMALL:
        noise = field_elements(keys, nonces, field, (threshold, length))
        return jnp.stack(forward_differences(field, parties, _elements(field, secrets), jnp.moveaxis(noise, 1, 0)))

    def one_peer(i: Any, out: Any) -> Any:
        noise = field_elements(keys[i], nonces, field, (threshold, length))
        if parties * threshold >= MANY and length >= CHUNK:
            return _deal_in_chunks(field, parties, _elements(field, secrets[i]), noise, out, i)
        for j, share in enumerate(forward_differences(field, parties, _elements(field, secrets[i]), noise)):
            out = jax.lax.dynamic_update_slice(out, share[None, None], (j, i, 0))
        return out

    out = jax.lax.empty((parties, n, length), field.dtype) if scratch is None else scratch
    return jax.lax.fori_loop(np.int32(0), np.int32(n), one_peer, out)


def _deal_in_chunks(field: Field, parties: int, secret: Any, noise: Any, out: Any, i: Any) -> Any:
    """All shares of a chunk of `secret [L]` in one kernel, written to `out [m, n, L]` at peer i: m t additions and no more.

    As fusions of one output each, every share would be computed anew from the secret: some m^2 t / 2 additions.
    """
    length = secret.shape[0]

    def shares_of(_: Any, at_secret: Any) -> list[Any]:
        return forward_differences(field, parties, at_secret[0], at_secret[1:])

    def one_chunk(step: Any, out: Any) -> Any:
        start = jnp.minimum(unhoisted(step) * CHUNK, length - CHUNK)
        inputs = [jax.lax.dynamic_slice(x, (start,), (CHUNK,)) for x in (secret, *noise)]
        for j, share in enumerate(lane_map(shares_of, [], inputs, parties)):
            out = jax.lax.dynamic_update_slice(out, share[None, None], (j, i, start))
        return out

    return jax.lax.fori_loop(0, -(-length // CHUNK), one_chunk, out)


def _elements(field: Field, secrets: Any) -> Any:
    return field.from_signed(secrets) if jnp.issubdtype(secrets.dtype, jnp.signedinteger) else secrets


def forward_differences(field: Field, parties: int, secret: Any, noise: Any) -> list[Any]:
    """Values at 1 .. m of the polynomial with value `secret [...]` and forward differences `noise [t, ...]` at 0."""
    differences, rows = [secret, *noise], []
    for _ in range(parties):
        for k in range(len(differences) - 1):
            differences[k] = field.add(differences[k], differences[k + 1])
        rows.append(differences[0])
    return rows
