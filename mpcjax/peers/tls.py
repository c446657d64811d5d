"""Links over channels of TLS 1.3, see `mpcjax.net`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mpcjax.net import Channels, Frame, Gone, Kind, Malformed, Silent
from mpcjax.peers.links import TIMELESS, Links, Lost, Stopped

CONTEXT = "mpcjax notice"
GLANCE = 0.2  # seconds after which a peer that waits looks whether it still should


class Tls(Links):
    """`channels` are started. `grace`: seconds after which a peer without connection is given up, in one wait."""

    def __init__(self, channels: Channels, slot: float, grace: float):
        super().__init__()
        self.channels, self.slot, self.grace = channels, slot, grace
        self.me, self.peers = channels.config.index, len(channels.config.peers)
        self.patience = channels.config.limits.step_seconds
        self._names = [peer.name for peer in channels.config.peers]
        # peers that began anew: they owe nothing of what the process before them did, and first ask others what they missed
        self._anew = set[int]()
        channels.on_anew(self._anew.add)
        channels.on_notice(lambda peer, notice: self.heard(peer, notice))

    def send(self, peer: int, when: tuple[int, int], label: str, x: np.ndarray) -> None:
        self.channels.send(peer, Frame(Kind.DATA, x, *when, label))

    def receive(
        self,
        peer: int,
        when: tuple[int, int],
        label: str,
        like: np.ndarray | Any,
        until: float,
        stopped: Callable[[], bool] = lambda: False,
    ) -> np.ndarray:
        absent = time.monotonic() + self.grace
        while True:
            now = time.monotonic()
            try:
                return self.channels.receive(
                    peer, round=when[0], attempt=when[1], label=label, dtype=like.dtype, shape=tuple(like.shape),
                    deadline=min(until, now + GLANCE),
                )  # fmt: skip
            except Silent:
                if peer in self._anew and when != TIMELESS:
                    raise Lost(peer, label, f"{self._names[peer]} has begun anew and takes no part yet") from None
                absent = time.monotonic() + self.grace
            except Gone as gone:
                if time.monotonic() >= absent:
                    raise Lost(peer, label, str(gone)) from gone
                time.sleep(GLANCE / 10)  # who has left is not waited for by the channel
            except Malformed as malformed:
                raise Lost(peer, label, str(malformed)) from malformed
            if stopped():
                raise Stopped(label)
            if time.monotonic() >= until:
                raise Lost(peer, label, f"{self._names[peer]} did not send it in time", late=True)

    def forget(self, peer: int, when: tuple[int, int], label: str) -> None:
        self.channels.forget(peer, round=when[0], attempt=when[1], label=label)

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        self.channels.asking(True)
        try:
            yield
        finally:
            self.channels.asking(False)

    def present(self, peer: int) -> bool:
        return self._names[peer] in self.channels.connected()

    def left(self, peer: int) -> bool:
        return peer in self._anew or not self.present(peer)

    def takes_part(self, peer: int) -> None:
        self._anew.discard(peer)

    def notify(self, peer: int, notice: np.ndarray) -> None:
        self.channels.notify(peer, notice)

    def advance(self, when: tuple[int, int]) -> None:
        self.channels.advance(*when)

    def sign(self, statement: bytes) -> bytes:
        return self.channels.sign(CONTEXT, self.session + statement)

    def signed(self, peer: int, statement: bytes, signature: bytes) -> bool:
        return self.channels.signed(peer, CONTEXT, self.session + statement, signature)
