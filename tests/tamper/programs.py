"""The catalogue of protocol programs that are tampered with. Each knows its right answer."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from mpcjax import protocols
from mpcjax.fields import Field
from mpcjax.offline import Demand, prepare
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.tamper.case import PEERS, Answer, Case
from tests.tamper.material import uniform

LENGTH = 2


def peers_of(key: Any, count: int = PEERS) -> Stream:
    return Stream.from_seed(jax.random.bits(jax.random.fold_in(key, 1), (8,), jnp.uint32)).per_row("peer", range(count))


def offline(rt: Runtime, key: Any) -> Answer:
    """Random and double sharings, bits and triples: what is handed out is what it claims to be.

    Looks at all shares at once, which no party can, instead of opening them.
    """
    scheme, field = rt.scheme, rt.field
    with rt.fabric.ledger.in_phase("offline"):
        stock = prepare(rt, Demand(random=2, double=4, bit=2, triple=1))
    (random,), (low, high) = stock.take("random", (2,)), stock.take("double", (4,))
    (bits,), (a, b, c) = stock.take("bit", (2,)), stock.take("triple", (1,))
    handed = jnp.concatenate([random, low, bits, a, b, c], axis=1)
    bit, x, y, z = (scheme.reconstruct(part) for part in (bits, a, b, c))
    residual = [
        scheme.syndrome(handed),
        scheme.reconstruct(field.sub(low, high), 2 * scheme.threshold),
        field.sub(field.square(bit), bit),
        field.sub(field.mul(x, y), z),
    ]
    return Answer(jnp.concatenate([part.reshape(-1) for part in residual]))


def online(rt: Runtime, key: Any) -> Answer:
    """Peers deal, the dealings are checked, every kind of multiplication and opening is used, everything opens."""
    field = rt.field
    x = uniform(field, jax.random.fold_in(key, 0), (PEERS, LENGTH))
    shares, accepted = _dealt(rt, key, x)
    x = jnp.where(accepted[:, None], x, field.zeros(()))
    weights = field.asarray(jnp.arange(1, LENGTH + 1).astype(field.dtype))
    squares, sums = field.square(x), field.sum(field.square(x), axis=1)
    found = [
        protocols.multiply(rt, shares, shares),
        protocols.beaver(rt, shares, shares),
        protocols.dot(rt, shares, shares),
        protocols.weighted_squares(rt, shares, weights),
        protocols.combination(rt, protocols.dot(rt, shares, shares), shares),
        _reopened(rt, shares),
    ]
    right = [squares, squares, sums, field.dot(squares, weights), field.dot(sums[:, None], x, axis=0), x]
    protocols.verify(rt)
    found = jnp.concatenate([part.reshape(part.shape[0], -1) for part in found], axis=1)
    right = jnp.concatenate([part.reshape(-1) for part in right])
    small = protocols.open_now(rt, found[:, :3], "output small", output=True)
    bulk = protocols.open_many(rt, found[:, 3:], "output bulk", output=True)
    protocols.verify(rt)
    return Answer(field.sub(jnp.concatenate([small, bulk]), right), accepted)


def _dealt(rt: Runtime, key: Any, values: Any) -> tuple[Any, Any]:
    """Shares of every peer's `values`, zero for those that dealt badly, and which did not."""
    peers = peers_of(key)
    shares, masks = protocols.deal(rt, values, peers, "message"), protocols.deal_masks(rt, peers)
    accepted = protocols.check_dealings(rt, protocols.coin(rt), [shares], masks)
    return jnp.where(accepted[None, :, None], shares, rt.field.zeros(())), accepted


def _reopened(rt: Runtime, shares: Any) -> Any:
    """`shares` again, after they were opened in bulk under masks that are taken off again."""
    mask = rt.take("random", shares.shape[1:])
    opened = protocols.open_many(rt, rt.field.add(shares, mask), "masked")
    return rt.field.sub(jnp.broadcast_to(opened, mask.shape), mask)


def product(rt: Runtime, key: Any) -> Answer:
    """One multiplication, verified and opened: small enough for the smallest field."""
    field = rt.field
    a, b = rt.take("random", (1,)), rt.take("random", (1,))
    z = protocols.multiply(rt, a, b)
    protocols.verify(rt)
    opened = protocols.open_now(rt, jnp.concatenate([a, b, z], axis=1), "output", output=True)
    return Answer(field.sub(field.mul(opened[0], opened[1]), opened[2]))


def scheme(exponent: int, parties: int, threshold: int) -> Shamir:
    return Shamir(Field(exponent), parties, threshold)
