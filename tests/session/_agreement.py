"""A coordinate-wise rule that multiplies secrets."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.certificates import Certificate, Signs
from mpcjax.rules import Public, Rule


@dataclasses.dataclass(frozen=True)
class Agreement(Rule):
    """The square of the sum of the signs of every coordinate, over that of the number of peers that count."""

    name = "agreement"
    coordinatewise = True
    takes = ("center",)

    def certificate(self, peers: int) -> Certificate:
        return Signs()

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return jnp.where(update < public.center, -1.0, 1.0)

    def combine(self, messages: Any, public: Public) -> Any:
        total = messages.sum(0)
        return total * total

    def finish(self, combined: Any, public: Public) -> Any:
        return combined / jnp.sum(public.accepted) ** 2
