"""Dealing many secrets of many peers, peer by peer, so that only the shares themselves need memory."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.fields import Field
from mpcjax.prg import field_elements

SMALL = 1 << 18  # elements up to which all peers are dealt at once


def deal_rows(field: Field, parties: int, threshold: int, secrets: Any, keys: Any, nonces: Any) -> Any:
    """Shamir shares `[m, n, L]` of `secrets [n, L]` (field elements or signed integers), peer i under `keys[i]`.

    The randomness is `threshold` elements per secret, taken as forward differences at 0 (in bijection with the
    polynomial's coefficients): m t additions and t expanded elements per secret, m written.
    """
    n, length = secrets.shape
    if n * length <= SMALL:
        noise = field_elements(keys, nonces, field, (threshold, length))
        return jnp.stack(forward_differences(field, parties, _elements(field, secrets), jnp.moveaxis(noise, 1, 0)))

    def one_peer(i: Any, out: Any) -> Any:
        noise = field_elements(keys[i], nonces, field, (threshold, length))
        for j, share in enumerate(forward_differences(field, parties, _elements(field, secrets[i]), noise)):
            out = jax.lax.dynamic_update_slice(out, share[None, None], (j, i, 0))
        return out

    return jax.lax.fori_loop(0, n, one_peer, jnp.zeros((parties, n, length), field.dtype))


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
