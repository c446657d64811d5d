"""Random bits and Beaver triples, made from random sharings and verified before anybody uses them.

Bits: open a^2 for random a; (a / sqrt(a^2) + 1) / 2 is a uniform bit, the root being the canonical one (Damgard et al.
2006). Triples: a, b random, c = ab by one double sharing. All products are verified (`verify`) before the material is
handed out: a "bit" that is not a bit, or a triple with an error, would turn a later opening into a leak.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.fabric import Ledger, Simulated
from mpcjax.fields import kernels
from mpcjax.offline import hyperinvertible, replicated
from mpcjax.offline.demand import Counter, Demand, Stock, merge
from mpcjax.prg import Stream
from mpcjax.protocols.multiply import damgard_nielsen, opened_product
from mpcjax.protocols.verify import verify
from mpcjax.runtime import SECURITY_BITS, Runtime
from mpcjax.sharing import Shamir


def at_once(rt: Runtime, demand: Demand) -> Stock:
    """Verified material that meets `demand`. On any failed check: `Abort` (or a false verdict inside a trace)."""
    base, inner = _base(demand), _base(_taken(rt.scheme, demand))
    both = base + inner
    source = replicated if replicated.suits(rt.scheme) else hyperinvertible
    main, rest = source.make_sharings(rt, both.random, both.double, both.zero).split([base, inner])
    rt.material = rest
    return merge([main, _derive(rt, demand)])


def dealt_for(scheme: Shamir, demand: Demand) -> int:
    """Bytes of all sharings, random ones and halves of double ones, that parties deal each other for `demand`."""
    both = _base(demand + _taken(scheme, demand))
    each = scheme.parties**2 * scheme.field.nbytes  # by every dealer to every party
    return each * (both.random + 2 * (both.double + both.zero)) // (scheme.parties - scheme.threshold)


def _base(demand: Demand) -> Demand:
    """What is dealt; bits and triples are derived from it."""
    return Demand(random=demand.random, double=demand.double, zero=demand.zero)


def count(program: Any, scheme: Shamir) -> tuple[Demand, Ledger]:
    """What `program(runtime)` takes and sends, without computing anything: demand and ledger are exact."""
    fabric = Simulated(scheme.parties)
    counter = Counter(scheme.field, scheme.parties)

    def abstract(key: Any) -> None:
        keys = Stream.from_seed(key).per_row("party", fabric.rows)
        program(Runtime(scheme, fabric, keys, counter))

    jax.eval_shape(abstract, jax.ShapeDtypeStruct((8,), jnp.uint32))
    return counter.demand, fabric.ledger


@lru_cache(maxsize=256)
def _taken(scheme: Shamir, demand: Demand) -> Demand:
    """Of what bits and triples are made. (Tests that change constants of protocols clear this.)"""
    return count(lambda abstract: _derive(abstract, demand), scheme)[0]


def _derive(rt: Runtime, demand: Demand) -> Stock:
    arrays: dict[str, tuple[Any, ...]] = {}
    if demand.bit:
        arrays["bit"] = (_bits(rt, demand.bit),)
    if demand.triple:
        a, b = rt.take("random", (demand.triple,)), rt.take("random", (demand.triple,))
        arrays["triple"] = (a, b, damgard_nielsen(rt, a, b))
    verify(rt)
    return Stock(arrays)


def _bits(rt: Runtime, amount: int) -> Any:
    """`[rows, amount]` shares of uniform bits; candidates with a = 0 are thrown away."""
    field, spare = rt.field, spares(amount, 1 / rt.field.modulus)
    a = rt.take("random", (amount + spare,))
    square = opened_product(rt, a, a, "bit square")
    rt.check("bit square", jnp.sum(square != 0) >= amount)
    if spare:
        chosen = jnp.argsort(square == 0, stable=True)[:amount]
        a, square = a[:, chosen], square[chosen]
    half = field.asarray((field.modulus + 1) // 2)
    inverse_root = field.pow(square, (field.modulus - 3) // 4)  # 1 / sqrt(s), as s^((p-1)/2) = 1
    return field.add(field.mul(a, kernels.once(field.mul(inverse_root, half))), half)


def spares(amount: int, failure: float) -> int:
    """Spare candidates so that fewer than `amount` are good with probability at most 2**-SECURITY_BITS."""
    if amount * failure <= 2.0**-SECURITY_BITS or failure < 2.0**-50:
        return 0
    spare = 0
    while _tail(amount + spare, failure, spare) > 2.0**-SECURITY_BITS:
        spare += 1 + spare // 4
    return spare


def _tail(trials: int, failure: float, allowed: int) -> float:
    """Probability of more than `allowed` failures among `trials`, by the Chernoff bound."""
    share = (allowed + 1) / trials
    if share <= failure:
        return 1.0
    if share >= 1.0:
        return failure**trials
    divergence = share * math.log(share / failure) + (1 - share) * math.log((1 - share) / (1 - failure))
    return math.exp(-trials * divergence)
