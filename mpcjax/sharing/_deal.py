"""Dealing many secrets of many peers, peer by peer, so that only the shares themselves need memory."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import Field, kernels, linalg
from mpcjax.prg import field_elements

SMALL = 1 << 18  # elements up to which all peers are dealt at once
MANY = 16  # additions per secret from which computing each value apart costs more than a matrix
CHUNK = 1 << 12
SHORT = 1 << 14  # elements of a key up to which many keys are expanded together, as one alone keeps no core busy


def deal_rows(
    field: Field, parties: int, threshold: int, secrets: Any, keys: Any, nonces: Any, scratch: Any = None
) -> Any:
    """Shamir shares `[m, n, L]` of `secrets [n, L]` (field elements or signed integers), written over `scratch`, an array
    like the result, if it is given and there are many.

    The shares of the first `threshold` members are random: `keys [n threshold, 8]` are those that each peer has in common
    with each of these members, who expand them for themselves. Per secret t expanded elements, m t additions, m written.
    """
    n, length = secrets.shape
    if n * length <= SMALL:
        noise = field_elements(keys, nonces, field, (length,)).reshape(n, threshold, length)
        return jnp.stack(shares_from(field, parties, _elements(field, secrets), jnp.moveaxis(noise, 1, 0)))
    keys = keys.reshape(n, threshold, 8)
    short = field_elements(keys, nonces, field, (length,)) if length <= SHORT else None

    def one_peer(i: Any, out: Any) -> Any:
        noise = field_elements(keys[i], nonces, field, (length,)) if short is None else short[i]
        if threshold * (parties - threshold) >= MANY and length >= CHUNK:
            return _deal_in_chunks(field, parties, _elements(field, secrets[i]), noise, out, i)
        for j, share in enumerate(shares_from(field, parties, _elements(field, secrets[i]), noise)):
            out = jax.lax.dynamic_update_slice(out, share[None, None], (j, i, 0))
        return out

    out = jax.lax.empty((parties, n, length), field.dtype) if scratch is None else scratch
    return jax.lax.fori_loop(np.int32(0), np.int32(n), one_peer, out)


def _deal_in_chunks(field: Field, parties: int, secret: Any, noise: Any, out: Any, i: Any) -> Any:
    """All shares of a chunk of `secret [L]` while it is in cache, written to `out [m, n, L]` at peer i."""
    length, known = secret.shape[0], 1 + len(noise)
    weights = linalg.lagrange(field, range(known), range(known, parties + 1))

    def one_chunk(step: Any, out: Any) -> Any:
        start = jnp.minimum(kernels.unhoisted(step) * CHUNK, length - CHUNK)
        values = [jax.lax.dynamic_slice(x, (start,), (CHUNK,)) for x in (secret, *noise)]
        continued = linalg.apply_static(field, weights, jnp.stack(values))
        for j, share in enumerate([*values[1:], *continued]):
            out = jax.lax.dynamic_update_slice(out, share[None, None], (j, i, start))
        return out

    return jax.lax.fori_loop(0, -(-length // CHUNK), one_chunk, out)


def _elements(field: Field, secrets: Any) -> Any:
    return field.from_signed(secrets) if jnp.issubdtype(secrets.dtype, jnp.signedinteger) else secrets


def shares_from(field: Field, parties: int, secret: Any, noise: Any) -> list[Any]:
    """Values at 1 .. m of the polynomial with value `secret [...]` at 0 and the values `noise [t, ...]` at 1 .. t."""
    first = list(noise)
    return first + continued(field, [secret, *first], parties - len(first))


def continued(field: Field, values: list[Any], count: int) -> list[Any]:
    """The next `count` values of the polynomial with these `values` at consecutive points, one more than its degree.

    By a matrix, or, for few of them, by backward differences: as many subtractions as there are pairs, then one addition per
    degree and value. These are fewer operations, but each of many values would be computed from the start.
    """
    known, more = len(values), range(len(values), len(values) + count)
    if values[0].ndim and (known - 1) * count >= MANY:
        weights, together = linalg.lagrange(field, range(known), more), jnp.stack(values, axis=-2)
        if together.size <= SMALL:  # a fraction of the code to compile
            return list(jnp.moveaxis(field.matmul(field.asarray(weights), together), -2, 0))
        return list(jnp.moveaxis(linalg.apply_static(field, weights, together, -2), -2, 0))
    differences, row = [], values
    while row:
        differences.append(row[-1])
        row = [field.sub(b, a) for a, b in itertools.pairwise(row)]
    found = []
    for _ in range(count):
        for k in reversed(range(len(differences) - 1)):
            differences[k] = field.add(differences[k], differences[k + 1])
        found.append(differences[0])
    return found


def expanding(parties: int, degree: int) -> np.ndarray:
    """Who expands its share from a key in common with the dealer, `[dealer, receiver] bool`: `degree` others each."""
    receivers = np.arange(parties)
    skipping = np.delete(np.tile(receivers, (parties, 1)), [j * parties + j for j in receivers]).reshape(parties, -1)
    return np.stack([np.isin(receivers, others[:degree]) for others in skipping])


def share_to_others(field: Field, parties: int, dealers: Any, secret: Any, noise: Any) -> Any:
    """`secret [rows, L]` of the parties `dealers [rows]`, `noise [rows, degree, L]`: shares `[rows, m, L]`.

    The noise is the shares of the first `degree` parties other than the dealer (`expanding`). One share is a linear
    combination of these and the secret: the dealer's own, or the next. Cost: degree + 1 products, then additions.
    """
    degree = noise.shape[1]
    if not degree:
        return jnp.broadcast_to(secret[:, None], (secret.shape[0], parties, *secret.shape[1:]))
    missing = jnp.minimum(jnp.asarray(dealers), degree) + 1  # the point among 1 .. degree + 1 that no noise belongs to
    gaps = range(1, degree + 2)
    points = [[0, *(x for x in gaps if x != gap)] for gap in gaps]
    weights = np.concatenate([linalg.lagrange(field, xs, [gap]) for xs, gap in zip(points, gaps, strict=True)])
    own = kernels.combine(
        field, field.asarray(weights)[missing - 1], jnp.concatenate([secret[:, None], noise], axis=1), axis=1
    )
    known = _in_order(own, noise, missing[:, None])
    more = continued(field, [known[:, x] for x in range(degree + 1)], parties - degree - 1)
    return jnp.concatenate([known, jnp.stack(more, axis=1)], axis=1) if more else known


def _in_order(own: Any, noise: Any, place: Any) -> Any:
    """`own [rows, L]` put between `noise [rows, degree, L]` as share number `place [rows, 1]`: `[rows, degree + 1, L]`."""
    degree = noise.shape[1]

    def at(x: Any) -> Any:
        before, after = (jnp.take(noise, k, axis=1, mode="clip") for k in (x - 1, x - 2))
        return jnp.where(place > x, before, jnp.where(place == x, own, after))

    if degree < 8:
        return jnp.stack([at(x) for x in range(1, degree + 2)], axis=1)

    def put(step: Any, out: Any) -> Any:
        x = kernels.unhoisted(step)
        return jax.lax.dynamic_update_slice_in_dim(out, at(x + 1)[:, None], x, axis=1)

    out = jnp.zeros((noise.shape[0], degree + 1, *noise.shape[2:]), noise.dtype)
    return jax.lax.fori_loop(np.int32(0), np.int32(degree + 1), put, out)
