"""What the committee checks about each peer's message, without seeing it.

A certificate works in three steps, two of them the peer's: `helpers` are dealt together with the message (values the
peer knows anyway, such as bits of a slack), `responses` after a first public coin; a second coin draws the `equations`,
public and quadratic, between these values, which the peer proves (`mpcjax.protocols.proof`). They become sharings that are
zero for an honest peer; these tests of all peers are opened only after all products in them are verified. What a failing
test opens depends on the failing peer's message; so a peer whose message would fail (`holds`) withdraws, and only who
lies about that is seen through.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.fields import Field, kernels
from mpcjax.prg import Stream
from mpcjax.protocols import Form
from mpcjax.runtime import Runtime
from mpcjax.spreading import WHOLE, Spread

PARTS = ("message", "helpers", "responses")
SPREAD = ("message",)  # of which a device may have a slice; it has the others whole


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Dealt:
    """What the peers dealt, as shares `message [rows, n, d]`, `helpers [rows, n, h]`, `responses [rows, n, r]`.

    Also as the peers themselves hold them, without the axis of rows, the message then as integers.
    """

    message: Any
    helpers: Any
    responses: Any
    bits: int = dataclasses.field(metadata={"static": True})

    def part(self, names: tuple[str, ...], field: Field | None = None) -> Any:
        """The parts of these names as one vector; of `field` elements, which a message of integers among others becomes."""
        parts = [getattr(self, name) for name in names]
        if len(parts) == 1:
            return parts[0]
        if field is not None:
            parts = [field.from_signed(x) if jnp.issubdtype(x.dtype, jnp.signedinteger) else x for x in parts]
        return jnp.concatenate(parts, axis=-1)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Equation:
    """`form` of the parts `about` (without parts: zero) is `constant`, plus public sums of the parts, by their weights.

    `message [d]`, `helpers [h]`, `responses [r]`: these weights, None for a part that is not in the sum.
    """

    constant: Any
    about: tuple[str, ...] = dataclasses.field(default=(), metadata={"static": True})
    form: Form = dataclasses.field(default_factory=Form)
    message: Any = None
    helpers: Any = None
    responses: Any = None

    def right_side(self, field: Field, shares: Dealt, spread: Spread = WHOLE) -> Any:
        """Shares `[rows, n]`."""
        total = self.constant
        for name in PARTS:
            weights = getattr(self, name)
            if weights is not None:
                part = kernels.inner(field, shares.part((name,)), weights)
                total = field.add(total, spread.total(field, part) if name in SPREAD else part)
        return total


class Certificate(abc.ABC):
    """One accepted/rejected bit per peer. Subclasses are frozen dataclasses.

    Attributes: `spreads`, whether it can be shown of messages in slices on several devices: all but `sums`, `holds` and
    `fraction_bits` then see slices (`rt.spread`, or `spread=` on the peer's side, tells the whole length and adds up over the
    devices), helpers and responses are short, and every message is part of a quadratic form. `filler`: an encoded
    coordinate that is always legal, with which the last slice is filled up. `coordinatewise`: it holds of a message where it
    holds of each of its coordinates. `inward`: messages are encoded by rounding toward
    zero, not to nearest, so that rounding makes none longer.
    """

    name: str = ""
    spreads: bool = False
    filler: int = 0
    coordinatewise: bool = False
    inward: bool = False

    def given(self, public: Any, bits: int) -> Certificate:
        """This certificate of messages of `bits` fractional bits in a round of which that (`rules.Public`) is known."""
        return self

    def fingerprint(self, field: Field) -> Any:
        """Of what `given` made of public numbers, `[bits] bool`, the same for the same numbers; nothing by default.

        A peer that was given others fails the tests, and what they open would tell its message: it is left out before.
        """
        return jnp.zeros((0,), bool)

    @abc.abstractmethod
    def fraction_bits(self, field: Field, length: int, peers: int) -> int:
        """Most fractional bits at which messages of `length` can be encoded. `ValueError` when there is no room."""

    def least_bits(self, length: int) -> int:
        """Fewest fractional bits of messages of `length` at which it says what it should; none are needed by default."""
        return 0

    @abc.abstractmethod
    def bound(self, bits: int, length: int) -> int:
        """Largest magnitude of one encoded coordinate of an accepted message."""

    def sums(self, field: Field, message: Any) -> tuple[Any, ...]:
        """Peer's side: what `holds` and `helpers` need to know of whole messages `[n, d]` (signed integers) and is dear to work
        out twice: integers `[n]`, zero of a message of zeros; nothing by default."""
        return ()

    def holds(self, field: Field, message: Any, bits: int, sums: tuple[Any, ...] = ()) -> Any:
        """Peer's side: whether each `message [n, d]` (signed integers) passes, `[n] bool`. All do by default.

        `sums`: of these messages; if not given they are worked out.
        """
        return jnp.ones((message.shape[0],), bool)

    def helpers(self, field: Field, message: Any, bits: int, sums: tuple[Any, ...] = (), spread: Spread = WHOLE) -> Any:
        """Peer's side: values dealt with `message [n, d]` (signed integers): `[n, h]` field elements; none by default.

        `sums` as in `holds`; of slices they must be given.
        """
        return field.zeros((message.shape[0], 0))

    def agree(self, public: Stream, length: int) -> Any:
        """What everybody derives from the first coin, for a message or slice of `length`; none by default."""
        return None

    def responses(self, field: Field, message: Any, bits: int, agreed: Any, spread: Spread = WHOLE) -> Any:
        """Peer's side: values dealt after the first coin, `[n, r]` field elements; none by default."""
        return field.zeros((message.shape[0], 0))

    @abc.abstractmethod
    def equations(self, rt: Runtime, agreed: Any, second: Stream, dealt: Dealt) -> list[Equation]:
        """What holds for an honest peer and, but with a small probability, for no other. Of `dealt` only shapes are read.

        `agreed` is what the peers answered to, `second` a coin drawn after all dealings.
        """
