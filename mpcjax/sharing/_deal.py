"""Dealing many secrets of many peers, peer by peer, so that only the shares themselves need memory."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import Field, kernels, linalg
from mpcjax.prg import field_elements, lane_map, unhoisted

SMALL = 1 << 18  # elements up to which all peers are dealt at once
MANY = 64  # additions per secret from which computing each share apart costs more than passing all through a chunk
CHUNK = 1 << 14


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

    def one_peer(i: Any, out: Any) -> Any:
        noise = field_elements(keys[i], nonces, field, (length,))
        if parties * threshold >= MANY and length >= CHUNK:
            return _deal_in_chunks(field, parties, _elements(field, secrets[i]), noise, out, i)
        for j, share in enumerate(shares_from(field, parties, _elements(field, secrets[i]), noise)):
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
        return shares_from(field, parties, at_secret[0], at_secret[1:])

    def one_chunk(step: Any, out: Any) -> Any:
        start = jnp.minimum(unhoisted(step) * CHUNK, length - CHUNK)
        inputs = [jax.lax.dynamic_slice(x, (start,), (CHUNK,)) for x in (secret, *noise)]
        for j, share in enumerate(lane_map(shares_of, [], inputs, parties)):
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

    By backward differences: as many subtractions as there are pairs, then one addition per degree and value. Of few elements
    and many values by a matrix, which is a fraction of the code to compile.
    """
    known = len(values)
    few = values[0].ndim and known * values[0].size <= SMALL  # a scalar is one of many in a kernel
    if few and (known - 1) * count >= MANY:
        weights = linalg.lagrange(field, range(known), range(known, known + count))
        return list(jnp.moveaxis(field.dot(jnp.stack(values, axis=-1)[..., None, :], weights), -1, 0))
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
    gap = missing[:, None]

    def at(x: int) -> Any:
        before, after = noise[:, min(x, degree) - 1], noise[:, max(x - 2, 0)]
        return jnp.where(gap > x, before, jnp.where(gap == x, own, after))

    known = [at(x) for x in range(1, degree + 2)]
    return jnp.stack(known + continued(field, known, parties - len(known)), axis=1)
