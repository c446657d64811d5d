"""What can go wrong, as types. Every message names the value, what was legal, and the remedy."""

from __future__ import annotations

from collections.abc import Sequence


class MpcError(Exception):
    """Base of the errors that are not about a caller's argument (those are `ValueError`)."""


class Abort(MpcError):
    """A check failed: the protocol stopped and no honest party accepted a result.

    Attributes: `phase` where it happened, `check` the name of the check (see `mpcjax.checks.CATALOGUE`), `remedy` what to
    do next. From `mpcjax.aggregate`: `round` of training, `parties` the peers proven corrupt. From a protocol run by hand:
    `round` of communication, `parties` by their place in the committee. `parties` is empty when nobody is proven corrupt.
    `opened`, from `Peer.aggregate`: corrupt members may have seen the round's output all the same. Of the same updates no second
    output should be shown: whose update is a function of the model alone takes no part until the model has changed.
    """

    def __init__(
        self,
        check: str,
        *,
        phase: str = "",
        round: int = 0,
        parties: Sequence[int] = (),
        remedy: str = "repeat the round with a freshly drawn committee",
        opened: bool = False,
    ):
        self.opened = opened
        self.phase, self.round, self.check, self.remedy = phase, round, check, remedy
        self.parties = tuple(int(p) for p in parties)
        named = f"; proven corrupt: {list(self.parties)}" if self.parties else "; nobody is named"
        super().__init__(f"aborted in phase {phase or '-'!r}, round {round}: check {check!r} failed{named}. {remedy}")


class NonceReuse(MpcError):
    """The same randomness was asked for twice: a bug in protocol code, found before any number is drawn."""


class OrderError(MpcError):
    """Protocol code broke an ordering law (something would open before what it rests on is verified)."""


class BoundError(ValueError):
    """An operation on secrets could leave the range in which the field represents them exactly."""
