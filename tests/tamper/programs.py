"""The catalogue of protocol programs that are tampered with. Each knows its right answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import circuits, protocols
from mpcjax.circuits.bits import solved_bits
from mpcjax.fields import Field
from mpcjax.offline import Demand, Stock, prepare, preprocess
from mpcjax.offline.demand import KINDS, PARTS
from mpcjax.prg import Stream
from mpcjax.runtime import Material, Runtime
from mpcjax.sharing import Shamir
from tests.tamper.case import PEERS, Answer, Case
from tests.tamper.material import uniform

LENGTH = 2


def _handing_out(demand: Demand) -> Callable[[Runtime, Any, Any], Answer]:
    """Offline material is what it claims to be, or nobody goes on. Looks at all shares at once, which no party can."""

    def offline(rt: Runtime, key: Any, given: Any) -> Answer:
        scheme, field = rt.scheme, rt.field
        stock = prepare(rt, demand)
        verified = rt.verified
        (random,), (low, high), (zero,), (bit,), triple = (_taken(rt, stock, demand, kind) for kind in KINDS)
        b, (x, y, z) = scheme.reconstruct(bit), (scheme.reconstruct(part) for part in triple)
        residual = [
            scheme.syndrome(jnp.concatenate([random, low, bit, *triple], axis=1)),
            scheme.reconstruct(field.sub(low, high), 2 * scheme.threshold),
            scheme.reconstruct(zero, 2 * scheme.threshold),
            field.sub(field.square(b), b),
            field.sub(field.mul(x, y), z),
        ]
        return Answer(jnp.concatenate([part.reshape(-1) for part in residual]), verified=verified)

    return offline


def _taken(rt: Runtime, stock: Stock, demand: Demand, kind: str) -> tuple[Any, ...]:
    amount = getattr(demand, kind)
    none = tuple(rt.field.zeros((rt.scheme.parties, 0)) for _ in range(PARTS[kind]))
    return stock.take(kind, (amount,)) if amount else none


sharings = _handing_out(Demand(random=2, double=3, zero=1))
bits = _handing_out(Demand(bit=1))
triples = _handing_out(Demand(triple=1))
offline = _handing_out(Demand(random=2, double=4, bit=2, triple=1))


def inputs(rt: Runtime, key: Any, given: Any) -> Answer:
    """Peers deal, the dealings are checked, what they dealt opens. `given["bend"] [peer, member]`: wrong shares dealt."""
    x = uniform(rt.field, jax.random.fold_in(key, 0), (PEERS, LENGTH))
    shares, accepted = _dealt(rt, key, x, given["bend"])
    opened = protocols.open_now(rt, shares, "output", output=True)
    return Answer(rt.field.sub(opened, jnp.where(accepted[:, None], x, rt.field.zeros(()))), accepted)


def openings(rt: Runtime, key: Any, given: Any) -> Answer:
    """Few values and many, in passing and as outputs."""
    shares = rt.take("random", (6,))
    early, bulk = protocols.open_now(rt, shares, "early"), protocols.open_many(rt, shares, "bulk")
    protocols.verify(rt)
    right = protocols.open_now(rt, shares, "output small", output=True)
    last = protocols.open_many(rt, shares, "output bulk", output=True)
    protocols.verify(rt)
    return Answer(rt.field.sub(jnp.stack([early, bulk, last]), right))


def _products(rt: Runtime, x: Any) -> list[Any]:
    """Every kind of product of shares `x [rows, J, L]`: multiply, beaver, dot, weighted squares, combination, gram."""
    return [
        protocols.multiply(rt, x, x),
        protocols.beaver(rt, x, x),
        protocols.dot(rt, x, x),
        protocols.weighted_squares(rt, x, _weights(rt.field, x.shape[-1])),
        protocols.combination(rt, x[..., 0], x),
        protocols.gram(rt, x),
    ]


def _right(field: Field, x: Any) -> list[Any]:
    """The same on plain `x [J, L]`."""
    squares = field.square(x)
    return [
        squares,
        squares,
        field.sum(squares),
        field.dot(squares, _weights(field, x.shape[-1])),
        field.dot(x[:, :1], x, axis=0),
        field.matmul(x, x.T),
    ]


def _weights(field: Field, length: int) -> Any:
    return jnp.arange(1, length + 1).astype(field.dtype)


def _product(kind: int) -> Callable[[Runtime, Any, Any], Answer]:
    """One kind of product alone, verified and opened: small enough for the smallest field."""

    def product(rt: Runtime, key: Any, given: Any) -> Answer:
        x = rt.take("random", (2, 1) if kind else (1, 1))
        z = _KINDS[kind](rt, x).reshape(x.shape[0], -1)
        protocols.verify(rt)
        both = jnp.concatenate([x.reshape(x.shape[0], -1), z], axis=1)
        opened = protocols.open_now(rt, both, "output", output=True)
        values, found = opened[: x[0].size].reshape(x.shape[1:]), opened[x[0].size :]
        return Answer(rt.field.sub(found, _right(rt.field, values)[kind].reshape(-1)))

    return product


_KINDS: dict[int, Callable[[Runtime, Any], Any]] = {
    0: lambda rt, x: protocols.multiply(rt, x, x),
    1: lambda rt, x: protocols.beaver(rt, x, x),
    2: lambda rt, x: protocols.dot(rt, x, x),
    3: lambda rt, x: protocols.weighted_squares(rt, x, _weights(rt.field, x.shape[-1])),
    4: lambda rt, x: protocols.combination(rt, x[..., 0], x),
    5: lambda rt, x: protocols.gram(rt, x),
}
multiply, beaver, dot, squares, combination, gram = (_product(kind) for kind in range(6))


def online(rt: Runtime, key: Any, given: Any) -> Answer:
    """Peers deal, the dealings are checked, every kind of product and of opening is used, everything opens."""
    field = rt.field
    x = uniform(field, jax.random.fold_in(key, 0), (PEERS, LENGTH))
    shares, accepted = _dealt(rt, key, x)
    x = jnp.where(accepted[:, None], x, field.zeros(()))
    found = [*_products(rt, shares), _reopened(rt, shares)]
    right = jnp.concatenate([part.reshape(-1) for part in (*_right(field, x), x)])
    protocols.verify(rt)
    found = jnp.concatenate([part.reshape(part.shape[0], -1) for part in found], axis=1)
    small = protocols.open_now(rt, found[:, :3], "output small", output=True)
    bulk = protocols.open_many(rt, found[:, 3:], "output bulk", output=True)
    protocols.verify(rt)
    return Answer(field.sub(jnp.concatenate([small, bulk]), right), accepted)


def ranks(rt: Runtime, key: Any, given: Any) -> Answer:
    """Of three numbers of two bits, of which secret bits say who counts: the lower ones' sum, and the next. All opens.

    So few are sorted by `lowest`; the next one is found once more, as in a trie.
    """
    field, counts = rt.field, jnp.arange(2, dtype=jnp.int32)
    planes, kept = rt.take("bit", (2, 1, PEERS)), rt.take("bit", (PEERS,))
    found = *circuits.lowest(rt, planes, counts, kept), circuits.of_rank(rt, planes, counts, kept)
    protocols.verify(rt)
    parts = [part.reshape(part.shape[0], -1) for part in (planes, kept, *found)]
    opened = protocols.open_now(rt, jnp.concatenate(parts, axis=1), "output", output=True)
    bits, chosen, found = jnp.split(opened, (2 * PEERS, 3 * PEERS))
    numbers = jnp.sort(jnp.where(chosen != 0, bits[:PEERS] + 2 * bits[PEERS:], 3))
    enough = counts <= chosen.sum().astype(jnp.int32)  # else the answer means nothing
    right = jnp.stack([jnp.where(counts > 0, numbers[0], 0), numbers[counts], numbers[counts]])
    return Answer(jnp.where(enough, field.sub(found.reshape(3, -1), right), 0))


def robust(rt: Runtime, key: Any, given: Any) -> Answer:
    """For committees that correct wrong shares: dealings, products by triples, an opening of a few and one of many."""
    field = rt.field
    x = uniform(field, jax.random.fold_in(key, 0), (PEERS, LENGTH))
    shares, accepted = _dealt(rt, key, x)
    x = jnp.where(accepted[:, None], x, field.zeros(()))
    z = protocols.dot(rt, shares, shares)
    protocols.verify(rt)
    found = jnp.concatenate([shares.reshape(shares.shape[0], -1), z], axis=1)
    opened = protocols.open_now(rt, found, "output", output=True)
    return Answer(field.sub(opened, jnp.concatenate([x.reshape(-1), field.sum(field.square(x))])), accepted)


def _dealt(rt: Runtime, key: Any, values: Any, bend: Any = None) -> tuple[Any, Any]:
    """Shares of every peer's `values`, zero for those that dealt badly, and which did not."""
    peers = protocols.dealers(rt, peers_of(key))
    shares, masks = protocols.deal(rt, values, peers, "message"), protocols.deal_masks(rt, peers)
    if bend is not None:
        shares = rt.field.add(shares, jnp.swapaxes(bend, 0, 1)[:, :, None])
    accepted = protocols.check_dealings(rt, protocols.coin(rt), [shares], masks)
    return jnp.where(accepted[None, :, None], shares, rt.field.zeros(())), accepted


def peers_of(key: Any) -> Stream:
    words = jax.random.bits(jax.random.fold_in(key, 1), (8,), jnp.uint32)
    return Stream.from_seed(words).per_row("peer", range(PEERS))


def _reopened(rt: Runtime, shares: Any) -> Any:
    """`shares` again, after they were opened in bulk under masks that are taken off again."""
    mask = rt.take("random", shares.shape[1:])
    opened = protocols.open_many(rt, rt.field.add(shares, mask), "masked")
    return rt.field.sub(jnp.broadcast_to(opened, mask.shape), mask)


class _Unlucky(Material):
    """Material in which the first item of one kind has the worst of its values: all zeros, or all ones."""

    def __init__(self, material: Material, kind: str, value: int):
        self.material, self.kind, self.value, self.fresh = material, kind, value, True

    def take(self, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
        parts = self.material.take(kind, shape)
        if kind != self.kind or not self.fresh:
            return parts
        self.fresh = False
        return tuple(jnp.full_like(part, self.value) for part in parts)


def unlucky_bits(rt: Runtime, key: Any, given: Any) -> Answer:
    """Random bits made from zeros, whose squares have no root to divide by."""
    rt.material = _Unlucky(rt.material, "random", 0)
    bit = preprocess._bits(rt, 2)
    protocols.verify(rt)
    value = rt.scheme.reconstruct(bit)
    return Answer(rt.field.sub(rt.field.square(value), value))


def unlucky_masks(rt: Runtime, key: Any, given: Any) -> Answer:
    """Masks with their bits, made from ones only: they would spell p, which is no field element."""
    rt.material = _Unlucky(rt.material, "bit", 1)
    mask = solved_bits(rt, (2,))
    ones = rt.field.sum(rt.scheme.reconstruct(mask.bits), axis=-1) == rt.field.exponent % rt.field.modulus
    return Answer(ones)


def _no_bend(parties: int, dtype: Any) -> Callable[[], Any]:
    return lambda: {"bend": np.zeros((PEERS, parties), dtype)}


@cache
def case(name: str, exponent: int, parties: int, threshold: int) -> Case:
    """The program `name` of this module, in a field and for a committee."""
    scheme = Shamir(Field(exponent), parties, threshold)
    alone = name in ("sharings", "bits", "triples", "offline")
    defaults = _no_bend(parties, scheme.field.dtype) if name == "inputs" else dict
    return Case(name, scheme, globals()[name], not alone, defaults)
