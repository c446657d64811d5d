"""Dealing many secrets of many peers."""

from __future__ import annotations

import jax.numpy as jnp

from mpcjax.prg import field_elements


def deal_rows(field, parties, threshold, secrets, keys, nonce):
    noise = jnp.moveaxis(field_elements(keys, nonce, field, (threshold, secrets.shape[-1])), 1, 0)
    differences = [secrets, *noise]
    rows = []
    for _ in range(parties):
        for k in range(threshold):
            differences[k] = field.add(differences[k], differences[k + 1])
        rows.append(differences[0])
    return jnp.stack(rows)
