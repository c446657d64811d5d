"""What the committee checks about each peer's message, without seeing it.

A certificate works in three steps, two of them the peer's: `helpers` are dealt together with the message (values the
peer knows anyway, such as bits of a slack), `responses` after a first public coin, and `tests` turns everything dealt
into sharings that are zero for an honest peer. Products in them are claimed as usual; the tests of all peers are opened
only after all products are verified. What a failing test opens depends on the failing peer's message; so a peer whose
message would fail (`holds`) withdraws, and only who lies about that is seen through.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import jax.numpy as jnp

from mpcjax.fields import Field
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime


@dataclasses.dataclass(frozen=True)
class Dealt:
    """Shares of what the peers dealt: `message [rows, n, d]`, `helpers [rows, n, h]`, `responses [rows, n, r]`."""

    message: Any
    helpers: Any
    responses: Any
    bits: int

    @property
    def blocks(self) -> list[Any]:
        """The non-empty parts, for the dealing check."""
        return [part for part in (self.message, self.helpers, self.responses) if part.shape[-1]]


class Certificate(abc.ABC):
    """One accepted/rejected bit per peer. Subclasses are frozen dataclasses."""

    name: str = ""

    @abc.abstractmethod
    def fraction_bits(self, field: Field, length: int, peers: int) -> int:
        """Most fractional bits at which messages of `length` can be encoded. `ValueError` when there is no room."""

    @abc.abstractmethod
    def bound(self, bits: int, length: int) -> int:
        """Largest magnitude of one encoded coordinate of an accepted message."""

    def holds(self, field: Field, message: Any, bits: int) -> Any:
        """Peer's side: whether each `message [n, d]` (signed integers) passes, `[n] bool`. All do by default."""
        return jnp.ones((message.shape[0],), bool)

    def helpers(self, field: Field, message: Any, bits: int) -> Any:
        """Peer's side: values dealt with `message [n, d]` (signed integers): `[n, h]` field elements; none by default."""
        return field.zeros((message.shape[0], 0))

    def agree(self, public: Stream, length: int) -> Any:
        """What everybody derives from the first coin; none by default."""
        return None

    def responses(self, field: Field, message: Any, bits: int, agreed: Any) -> Any:
        """Peer's side: values dealt after the first coin, `[n, r]` field elements; none by default."""
        return field.zeros((message.shape[0], 0))

    @abc.abstractmethod
    def tests(self, rt: Runtime, agreed: Any, second: Stream, dealt: Dealt) -> Any:
        """Committee's side: sharings `[rows, n, T]` that are zero for an honest peer.

        `agreed` is what the peers answered to, `second` a coin drawn after all dealings.
        """
