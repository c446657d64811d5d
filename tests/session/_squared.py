"""A rule that settles a sum over the peers, short to compile."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates import Certificate, Signs
from mpcjax.rules import Public, Rule
from mpcjax.secret import mask


@dataclasses.dataclass(frozen=True)
class Squared(Rule):
    """The squares of the sum of all messages but the last number, times that: products of what no group has."""

    name = "squared"
    additive = True
    takes = ("center",)

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return jnp.append(jnp.where(update < 0, -1.0, 1.0), 1.0)

    def message_length(self, length: int) -> int:
        return length + 1

    def certificate(self, peers: int) -> Certificate:
        return Signs()

    def combine(self, messages: Any, public: Public) -> Any:
        return mask(messages, public.accepted).sum(0)

    def settle(self, total: Any, public: Public) -> Any:
        return total[:-1] * total[:-1] * total[-1:]
