"""What coordinate-wise order statistics share: peers deal the bits of every coordinate, ranks are found bit by bit."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax import secret
from mpcjax.certificates import Bits, Certificate
from mpcjax.rules._gram import require_majority, require_poisoned
from mpcjax.rules._settings import require_positive
from mpcjax.rules.base import Public, Rule


@dataclasses.dataclass(frozen=True)
class OrderRule(Rule):
    """The mean of some values of every coordinate, chosen by their order; they are multiples of 2 limit / 2^width."""

    limit: float = 1.0
    width: int = 16
    f: int | None = None
    mixes = False

    def __post_init__(self) -> None:
        require_positive("limit", self.limit, "what coordinates are clipped to")
        if isinstance(self.width, bool) or not isinstance(self.width, int) or not 2 <= self.width <= 24:
            raise ValueError(f"width={self.width!r}: legal are 2 to 24 bits a coordinate, what float32 tells apart")
        require_poisoned(self.f)

    @property
    def step(self) -> float:
        """The distance of neighbouring values."""
        return 2 * self.limit / (1 << self.width)

    @property
    def half(self) -> int:
        """How many steps lie below zero."""
        return 1 << (self.width - 1)

    def poisoned(self, peers: int) -> int:
        """How many of `peers` may be poisoned: f, by default a fifth, rounded down."""
        return peers // 5 if self.f is None else self.f

    def require(self, peers: int) -> None:
        """`ValueError` where f are too many of `peers`."""
        require_majority(self.name, self.f, peers)

    def plain(self, updates: Any, public: Public | None = None) -> Any:
        self.require(updates.shape[0])
        return super().plain(updates, public)

    def message_length(self, length: int) -> int:
        return self.width * length

    def certificate(self, peers: int) -> Certificate:
        self.require(peers)
        return Bits()

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        steps = jnp.clip(jnp.round(update / self.step), -self.half, self.half - 1).astype(jnp.int32) + self.half
        planes = (steps >> jnp.arange(self.width)[:, None]) & 1
        return planes.reshape(-1).astype(jnp.float32)

    def lowest(self, messages: Any, counts: Any, kept: Any) -> tuple[Any, Any]:
        """Of every coordinate the sums of the `counts [R]` lowest of the values kept, and the value after each of these.

        In steps from -limit, both `[R, d]`. kept: `[n]` public booleans or secret bits.
        """
        return secret.lowest(messages, self.width, counts, kept)

    def from_zero(self, sums: Any, count: Any, peers: int) -> Any:
        """Sums of `count` values (public, of at most `peers`) in steps from -limit, as steps from zero."""
        steps = self.half * jnp.asarray(count, jnp.float32)  # exact: of 24 bits and many peers they are no int32
        return sums - secret.public(steps, bits=0, bound=self.half * peers)

    def mean_of(self, total: Any, count: Any) -> Any:
        """Of opened sums of `count` values in steps from zero; of none it is zero."""
        return total * jnp.float32(self.step) / jnp.maximum(count, 1)
