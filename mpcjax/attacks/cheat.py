"""A cheat against the protocol, not the model: a committee member that sends wrong shares."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class Cheat:
    """An adversary for ``mpcjax.simulate(..., tamper=Cheat(peers=(24,), round=10))``.

    The first of ``peers`` that sits on the committee adds ``error`` to every field element that it sends to the other
    members in ``phase``. The outcome that the protocol promises: the round ends in an abort and is repeated with
    another committee, or, in robust mode, the shares are corrected and the sender is named. Never a wrong result.

    Attributes:
      peers: who cheats, in order of preference; nobody does if none of them sits.
      round: in which round; None for every one.
      phase: a phase of the round, as the report lists them; ``"offline"`` too.
      label: only messages of this label; None for all.
      error: what is added, modulo p; not a multiple of p.
      attempts: in how many attempts at a round: 1 leaves the first repetition in peace.
    """

    peers: tuple[int, ...]
    round: int | None = None
    phase: str = "open"
    label: str | None = None
    error: int = 1
    attempts: int = 1

    def __post_init__(self) -> None:
        if not self.peers or self.error == 0:
            raise ValueError(f"{self}: name one peer at least, and an error other than zero")

    def cheater(self, members: tuple[int, ...], round: int | None, attempt: int) -> int | None:
        """Who of the committee ``members`` cheats in this attempt, or None."""
        elsewhere = None not in (round, self.round) and round != self.round
        if elsewhere or attempt >= self.attempts:
            return None
        return next((peer for peer in self.peers if peer in members), None)

    def arrays(self, members: tuple[int, ...], round: int | None, attempt: int) -> np.ndarray:
        """bool ``[m]``: which seat cheats. Not static, so one compiled program serves honest and disturbed rounds."""
        cheater = self.cheater(members, round, attempt)
        return np.asarray([peer == cheater for peer in members], bool)

    def hook(self, field: Any, arrays: Any) -> Any:
        """The fabric's tamper hook: ``(message, x [rows, ...]) -> x``."""
        error = np.asarray(self.error % field.modulus, field.dtype)

        def tamper(message: Any, x: Any) -> Any:
            chosen = message.phase == self.phase and self.label in (None, message.label)
            if not chosen or message.kind not in ("exchange", "broadcast") or x.dtype != field.dtype:
                return x
            seats = jnp.asarray(arrays)[message.rows].reshape((-1,) + (1,) * (x.ndim - 1))
            return jnp.where(seats, field.add(x, error), x)

        return tamper
