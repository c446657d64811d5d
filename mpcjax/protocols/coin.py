"""Public coins: randomness nobody could predict when what it challenges was fixed, and nobody could bias.

A coin is the opening of random shared values. t + 1 honest shares determine them, so a rushing adversary can only make
the opening inconsistent, that is, abort.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from mpcjax.prg import Stream
from mpcjax.protocols.opening import checked, open_now
from mpcjax.protocols.packing import key_elements, stream_from_elements
from mpcjax.runtime import Runtime


def coin(rt: Runtime) -> Stream:
    """A public stream, from verified random sharings. Cost: 2 rounds, ceil(256 / e) openings."""
    opened = open_now(rt, rt.take("random", (key_elements(rt.field),)), "coin")
    return stream_from_elements(rt.field, rt.fabric.told(opened))


def challenge(rt: Runtime, count: int) -> Any:
    """`count` public uniform field elements `[count]`, from verified random sharings. Cost: 2 rounds, `count` openings."""
    return rt.fabric.told(open_now(rt, rt.take("random", (count,)), "challenge"))


def first_coin(rt: Runtime) -> Stream:
    """A public stream before any material exists: every party deals random values, the sums are opened.

    A corrupt dealer cannot bias it: it deals before it sees any honest value, and the honest parties' t + 1 shares fix
    the sum. Cost: 3 rounds.
    """
    scheme, field, count = rt.scheme, rt.field, key_elements(rt.field)
    name = rt.fresh("first coin")
    own = rt.stream.uniform(name, field, (scheme.threshold + 1, count))
    shares = scheme.share(own[:, 0], jnp.moveaxis(own[:, 1:], 1, 0))
    dealt = rt.fabric.exchange(jnp.moveaxis(shares, 0, 1), f"{name}/deal")
    return stream_from_elements(field, open_now_plain(rt, field.sum(dealt, axis=1), "first coin"))


def open_now_plain(rt: Runtime, x: Any, label: str) -> Any:
    """Open with the consistency check alone, also where bad shares could be corrected (offline: repeat instead)."""
    shares = rt.fabric.broadcast(x, rt.fresh(label))
    return checked(rt, shares)
