"""What all honest peers agree on about each other, after a round: who is waited for, and who may sit on a committee."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from mpcjax.peers.outcome import Outcome


@dataclasses.dataclass(frozen=True)
class Conduct:
    """Numbers of peers.

    `away`: members did not hear them when they should have dealt, or they dealt badly; `gone`: in two rounds in a row, so
    that they are not waited for any more until they say that they are back. An honest peer that is slow comes in here, so it
    does not matter for committees, and after one time a peer is waited for as long as all others.
    `silent`: more than t members of a committee signed that they said nothing any more, did not show what they had to,
    complained about more peers than are corrupt, or had another reference than most. Not drawn until they have dealt in a round.
    `caught`: proven to have cheated: they told members different things, sent wrong shares that were corrected, said
    something false of a dealing or dealt badly and answered when asked, or failed a certificate. Never drawn again.
    """

    away: frozenset[int] = frozenset()
    gone: frozenset[int] = frozenset()
    silent: frozenset[int] = frozenset()
    caught: frozenset[int] = frozenset()

    @property
    def undrawn(self) -> frozenset[int]:
        """Who does not sit on a committee, as long as enough others are left."""
        return self.silent | self.caught

    def failed(self, silent: Iterable[int], caught: Iterable[int]) -> Conduct:
        """After an attempt that failed."""
        return dataclasses.replace(self, silent=self.silent | set(silent), caught=self.caught | set(caught))

    def settled(self, outcome: Outcome, liars: Iterable[int]) -> Conduct:
        """After a round; `liars` sent wrong shares. An honest peer whose certificate would fail withdraws before (`fits`)."""
        well, fits, certified = (outcome.bits[name] for name in ("well", "fits", "certified"))
        present = set(np.flatnonzero(well).tolist())
        false = set(np.flatnonzero(outcome.bits["false"] | (well & fits & ~certified)).tolist())
        away = frozenset(range(len(well))) - present
        return Conduct(away, self.away & away, self.silent - present, self.caught | set(liars) | false)

    def packed(self, peers: int) -> np.ndarray:
        """`[4 peers]` uint8."""
        return np.concatenate([np.isin(np.arange(peers), list(kept)) for kept in dataclasses.astuple(self)]).astype(
            np.uint8
        )

    @staticmethod
    def unpacked(packed: np.ndarray) -> Conduct:
        return Conduct(*(frozenset(np.flatnonzero(row).tolist()) for row in packed.reshape(4, -1)))
