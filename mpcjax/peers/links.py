"""What a round asks of the network: arrays to and from one peer, short signed notices to all.

An array is named by its sender, round, attempt and a label, is delivered at most once, and to its receiver alone. A notice is
handed over at once, whatever the receiver waits for. Both come from whom they say, over channels that only two peers read.
"""

from __future__ import annotations

import abc
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mpcjax.errors import MpcError

TIMELESS = ((1 << 32) - 1, 0)  # in place of round and attempt: what `advance` never forgets


class Lost(MpcError):
    """What `peer` should have sent did not come in time (`late`: it may come yet), or was nothing that can be used."""

    def __init__(self, peer: int, label: str, why: str, late: bool = False):
        self.peer, self.label, self.why, self.late = peer, label, why, late
        super().__init__(f"peer {peer}, {label!r}: {why}")


class Stopped(MpcError):
    """The attempt is over for everybody: others have said so while this one waited."""


class Links(abc.ABC):
    """The peer number `me` of `peers`. `patience`: seconds that a message may take; `slot`: that a notice may, at most.

    `stopped()`, asked while waiting, ends a wait with `Stopped`. `heard` is called with every notice, in another thread.
    `session`: what no other session of these peers has; without it, what a peer signed in one would count in another.
    """

    me: int
    peers: int
    patience: float
    slot: float

    def __init__(self) -> None:
        self.session = b""
        self.heard: Callable[[int, np.ndarray], None] = lambda peer, notice: None

    @abc.abstractmethod
    def send(self, peer: int, when: tuple[int, int], label: str, x: np.ndarray) -> None:
        """Does not wait. `when` is the round and the attempt."""

    @abc.abstractmethod
    def receive(
        self,
        peer: int,
        when: tuple[int, int],
        label: str,
        like: np.ndarray | Any,
        until: float,
        stopped: Callable[[], bool] = lambda: False,
    ) -> np.ndarray:
        """The array of the shape and dtype of `like`; raises `Lost`, `Stopped`. `until` is a time of `time.monotonic()`."""

    def each(
        self, labels: dict[int, str], when: tuple[int, int], like: np.ndarray | Any, until: float,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[int, np.ndarray]]:  # fmt: skip
        """What comes from any of these peers under its label, as it comes: a little for each in turn, as some may never send.

        Of `labels` those are left in the end that may come yet.
        """
        while labels and time.monotonic() < until:
            for who, label in list(labels.items()):
                try:
                    x = self.receive(who, when, label, like, time.monotonic() + self.slot / 8, stopped)
                except Lost as lost:
                    if not lost.late:  # it has sent something that is of no use, or is gone
                        del labels[who]
                    continue
                del labels[who]
                yield who, x

    def forget(self, peer: int, when: tuple[int, int], label: str) -> None:  # noqa: B027 (where nothing is kept)
        """What the peer may still send under this label is of no use."""

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """While others are asked what this peer has missed: what they have sent for rounds since then makes way for answers."""
        yield

    def present(self, peer: int) -> bool:
        """Whether there is a connection with the peer now."""
        return True

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Calls it after so long, in another thread."""
        timer = threading.Timer(seconds, call)
        timer.daemon = True
        timer.start()

    def left(self, peer: int) -> bool:
        """Whether there is no process that owes anything of a round: no connection, or one that began anew and takes no part."""
        return False

    def takes_part(self, peer: int) -> None:  # noqa: B027 (links that lose no process have nothing to do)
        """The peer, which may have begun anew as another process, has said that it goes through rounds again."""

    @abc.abstractmethod
    def notify(self, peer: int, notice: np.ndarray) -> None:
        """Hands `notice`, uint8, to the peer's `heard`. Does not wait."""

    @abc.abstractmethod
    def advance(self, when: tuple[int, int]) -> None:
        """What is older is forgotten."""

    @abc.abstractmethod
    def sign(self, statement: bytes) -> bytes:
        """64 bytes; nobody else can make them, and they are of no use in another run or session."""

    @abc.abstractmethod
    def signed(self, peer: int, statement: bytes, signature: bytes) -> bool:
        """Whether `peer` has signed that."""

    def due(self) -> float:
        """When a message that is waited for from now on must have come."""
        return time.monotonic() + self.patience
