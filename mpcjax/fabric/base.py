"""What protocol code may ask of the network. Arrays only: a fabric knows no field.

A *row* is a party held in this process. Arrays that go in have a leading axis over the rows; what comes back from
`broadcast` is public and has an axis over all parties (the senders) in its place. Protocol code never asks how many rows
there are.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.fabric.ledger import Ledger

DIGEST = 32  # bytes of the SHA-256 digest by which broadcasts are echo-checked
KEY = 32  # bytes of a key


@dataclasses.dataclass(frozen=True)
class Message:
    """What a tamper hook is told about a message: its label (unique within a phase), and who sends it.

    `kind` is "exchange" (array `[rows, receiver, ...]`), "broadcast" (`[rows, ...]`), "copies" (`[rows, receiver, ...]`:
    the copies of one broadcast, so that a sender may tell different things to different receivers; only where parties
    are apart) or "peers" (`[member, peer, ...]`: what the peers deal). `rows` are the senders.
    """

    phase: str
    label: str
    kind: str
    rows: np.ndarray


Tamper = Callable[[Message, Any], Any]


class Fabric(abc.ABC):
    """Moves data between the `parties` of a committee and counts it.

    `traceable`: whether sending is array code that can be part of a compiled program, and of a loop in it.
    """

    traceable: bool = False

    def __init__(self, parties: int, rows: np.ndarray, tamper: Tamper | None = None):
        self.parties, self.rows, self.tamper = parties, rows, tamper
        self.ledger = Ledger()
        self.canonical: Callable[[Any], Any] = lambda x: x  # any word on the wire to the element it stands for

    def exchange(self, x: Any, label: str) -> Any:
        """Everybody sends to everybody: `[rows, receiver, ...]` to `[rows, sender, ...]`. One round, private."""
        self._require(x.ndim >= 2 and x.shape[1] == self.parties, label, x.shape)
        self.ledger.add(label, "exchange", 1, self._row_bytes(x) * (self.parties - 1) / self.parties)
        return self._received(self._exchange(self._tampered("exchange", label, x), label))

    def exchange_rest(self, x: Any, label: str, known: np.ndarray, expand: Callable[[], Any]) -> Any:
        """`exchange` of what receivers do not already know: where `known [sender, receiver]`, nothing is sent.

        There the receiver takes `expand()`, `[rows, sender, ...]`, what it makes of keys it was sent before; from an
        honest sender it is the same as its `x`. Every sender has the same number of receivers who know.
        """
        self._require(x.ndim >= 2 and x.shape[1] == self.parties, label, x.shape)
        receivers = self.parties - 1 - int(known[0].sum())
        if receivers:
            self.ledger.add(label, "exchange", 1, self._row_bytes(x) * receivers / self.parties)
            x = self._tampered("exchange", label, x)
        return self._received(self._exchange_rest(x, label, known, expand))

    def broadcast(self, x: Any, label: str) -> Any:
        """Everybody tells everybody the same: `[rows, ...]` to `[sender, ...]`, public.

        Two rounds: the message, and an echo in which digests are compared before anything depends on it.
        """
        self.ledger.add(label, "broadcast", 2, (self._row_bytes(x) + DIGEST) * (self.parties - 1))
        return self._received(self._broadcast(self._tampered("broadcast", label, x), label))

    def keys_to_members(self, keys: Callable[[], Any], known: int, label: str) -> Any:
        """Every peer held here sends a key of its `keys()`, `[known, 8]` uint32 each, to each of the first `known` members.

        They go along with its first message. Where parties are apart, what this one received: `[n, 8]`, zeros elsewhere.
        """
        self.ledger.add(label, "peers", 0, 0.0, float(known * KEY))
        return None

    def from_peers(self, x: Any, label: str, known: int = 0, expand: Callable[[], Any] | None = None) -> Any:
        """What every peer deals to every member, `[member, peer, ...]`, reduced to the rows held here. One round.

        To the first `known` members nothing is sent: they expand it (`expand()`, `[rows, peer, ...]`, where parties are
        apart) from keys that the peer has sent them before.
        Dealers are committed to what they send, so that a member can later show what it was sent (`evidence`).
        """
        self._require(x.ndim >= 2 and x.shape[0] == self.parties, label, x.shape)
        uploaded = x.size * x.dtype.itemsize / x.shape[1] * (self.parties - known) / self.parties
        self.ledger.add(label, "peers", 1, 0.0, uploaded)
        x = x if self.tamper is None else self.tamper(Message(self.ledger.phase, label, "peers", self.rows), x)
        return self._received(self._from_peers(x, label, known, expand))

    def roll_call(self, said: Any, label: str, alike: int = 0) -> tuple[Any, Any]:
        """Who dealt, and what every peer says of itself: `said [peer, K]` bool of the peers held here.

        Gives `present [n]`, true where no member missed a message of the peer, and `said [n, K]` of all, as most members
        heard it: the same at every party. The peers' words go along with what they dealt before; the members' vote is a
        broadcast, 2 rounds. Digests of dealings, between real parties, are not counted. The last `alike` of the K are what all
        that compute the same say alike: between real parties a member that says something else than most ends the attempt.
        """
        self.ledger.add(label, "peers", 0, 0.0, float(said.shape[1]))
        self.ledger.add(
            label, "broadcast", 2, float(self.peers_of(said) * (said.shape[1] + 1) + DIGEST) * (self.parties - 1)
        )
        return self._roll_call(said, label, alike)

    def told(self, x: Any) -> Any:
        """`x`, public among the members: peers that are not on the committee wait for it, and are told."""
        return x

    def require(self, name: str, ok: Any, parties: Any = None) -> None:  # noqa: B027 - only one has something to do
        """The protocol goes on only if `ok`: where messages are sent while a program runs, it stops there."""

    def evidence(self, x: Any, said: Any, label: str, disputed: Any) -> Any:
        """What members should have said, `[member, peer, ...]`, where they `said` that: it follows from what they were sent.

        `x [rows, peer, ...]` is what does. What comes back of peers that are not `disputed [peer]` means nothing. Where all
        parties are in one process members show what follows from what they have, and nothing tampers with it; between real
        parties only a member that the dealer names shows anything, by digests to which the dealer is committed
        (`mpcjax.peers.disputes`). Used in disputes only and therefore not in the ledger: an honest run never sends it.
        """
        return self._received(self._broadcast(x, label))

    @contextmanager
    def repeated(self, phase: str) -> Iterator[None]:
        """What was sent in `phase` is computed once more instead of being kept: as it was then, and not booked again."""
        ledger, self.ledger = self.ledger, Ledger()
        try:
            with self.ledger.in_phase(phase):
                yield
        finally:
            self.ledger = ledger

    def _received(self, x: Any) -> Any:
        """Field code takes words below p for granted, and reads others differently in every operation: no sender may
        choose among the readings, so every word that comes in is reduced first."""
        return self.canonical(x)

    def _tampered(self, kind: str, label: str, x: Any) -> Any:
        return x if self.tamper is None else self.tamper(Message(self.ledger.phase, label, kind, self.rows), x)

    @staticmethod
    def _row_bytes(x: Any) -> float:
        return x.size * x.dtype.itemsize / x.shape[0]

    def _require(self, ok: bool, label: str, shape: tuple[int, ...]) -> None:
        if not ok:
            raise ValueError(
                f"message {label!r} of shape {shape} has no axis for {self.parties} parties where one is due"
            )

    @abc.abstractmethod
    def _exchange(self, x: Any, label: str) -> Any: ...

    @abc.abstractmethod
    def _exchange_rest(self, x: Any, label: str, known: np.ndarray, expand: Callable[[], Any]) -> Any: ...

    @abc.abstractmethod
    def _broadcast(self, x: Any, label: str) -> Any: ...

    def _from_peers(self, x: Any, label: str, known: int, expand: Callable[[], Any] | None) -> Any:
        """Here every process holds all peers: nothing is sent."""
        return x[self.rows] if len(self.rows) < self.parties else x

    def _roll_call(self, said: Any, label: str, alike: int) -> tuple[Any, Any]:
        return jnp.ones((said.shape[0],), bool), said

    def peers_of(self, said: Any) -> int:
        """How many peers there are, where `said [peer, ...]` is of those held here."""
        return said.shape[0]
