"""The nearest of many, the first of the smallest: choices among secrets by comparisons."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax import circuits
from mpcjax.protocols import multiply
from mpcjax.secret.array import Secret
from mpcjax.secret.order import others_last, sort


def nearest(distances: Any, kept: Any, count: Any) -> Any:
    """1 for the `count` (public, at least 1) smallest entries of every row of `distances [k, n]`, ties by column, else 0.

    Columns that are not publicly `kept [n]` come last. Cost: `sort` of every row, and a comparison an entry.
    """
    last = jnp.maximum(count, 1) - 1
    if not isinstance(distances, Secret):
        order = jnp.argsort(jnp.where(kept, distances, jnp.inf), axis=-1, stable=True)
        return (jnp.argsort(order, axis=-1, stable=True) <= last).astype(distances.dtype)
    numbered = others_last(_numbered(distances), kept)
    ordered = sort(numbered)
    limit = jnp.take(ordered.shares, jnp.asarray(last, jnp.int32), axis=-1)[..., None]
    field = distances.rt.field
    beyond = circuits.less_than(distances.rt, limit, numbered.shares)
    return Secret(distances.rt, field.sub(1, beyond), 0, 1, "nearest", bit=True)


def _numbered(x: Secret) -> Secret:
    """Entries that are different along the last axis, in the same order, ties by index: 2^t x + index."""
    n, field = x.shape[-1], x.rt.field
    up = 1 << (n - 1).bit_length()
    checked = x._like(x.shares, x.scale, x.bound * up + up, "numbered")
    index = field.from_signed(jnp.arange(n, dtype=jnp.int32))
    return checked._like(field.add(field.scale_small(x.shares, up), index), x.scale, checked.bound, "numbered")


def ranked(x: Any, place: Any) -> Any:
    """The entry of `x [n]` at a public `place` (0: the smallest) in ascending order. Cost: `sort`."""
    ordered = sort(x)
    if not isinstance(x, Secret):
        return ordered[place]
    shares = jnp.take(ordered.shares, jnp.asarray(place, jnp.int32), axis=1)
    return x._like(shares, x.scale, x.bound, "ranked")


def of_smallest(x: Any, table: Any) -> Any:
    """The row of the public `table [k, n]` of 0 and 1 that belongs to the first of the smallest of `x [k]`.

    Cost: k - 1 comparisons in ceil(log2 k) levels, and n + 1 products with each.
    """
    if not isinstance(x, Secret):
        return table[jnp.argmin(x)].astype(x.dtype)
    Secret(x.rt, x.shares, x.scale, 2 * x.bound, "of the smallest")
    rt, field = x.rt, x.rt.field
    rows = jnp.broadcast_to(field.from_signed(table.astype(jnp.int32)), (x.shares.shape[0], *table.shape))
    state = jnp.concatenate([x.shares[..., None], rows], axis=-1)
    while (k := state.shape[1]) > 1:
        first, second = state[:, : k // 2 * 2 : 2], state[:, 1::2]
        smaller = circuits.less_than(rt, second[..., 0], first[..., 0])  # of equals the first
        chosen = field.add(first, multiply(rt, smaller[..., None], field.sub(second, first)))
        state = jnp.concatenate([chosen, state[:, k // 2 * 2 :]], axis=1)
    return Secret(rt, state[:, 0, 1:], 0, 1, "of the smallest", bit=True)


def entries(x: Any, left: Any, right: Any, kept: Any) -> Any:
    """`x[left, right]` of `x [n, n]` for public places, zero where not publicly `kept`. Local."""
    if not isinstance(x, Secret):
        return jnp.where(kept, x[left, right], 0)
    return x._like(jnp.where(kept, x.shares[:, left, right], 0), x.scale, x.bound, "entries")


def signs_of_votes(votes: Any) -> Any:
    """-1, 0 or 1 for whole numbers `votes [d]`: two comparisons each, of numbers as long as the bound."""
    if not isinstance(votes, Secret):
        return jnp.sign(votes)
    rt, field = votes.rt, votes.rt.field
    both = jnp.stack([votes.shares, field.sub(votes.shares, field.asarray(1))], axis=1)
    below = circuits.is_negative(rt, both, width=(votes.bound + 1).bit_length())
    shares = field.sub(1, field.add(below[:, 0], below[:, 1]))
    return Secret(rt, shares, 0, 1, "signs")
