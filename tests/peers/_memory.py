"""Links within one process: peers are threads, messages lie in a dictionary. Signatures are what the sender's key makes."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mpcjax.peers.links import Links, Lost, Stopped


class Net:
    """`cheat(sender, receiver, label, x)`: what is sent instead of `x`; None is nothing."""

    def __init__(self, peers: int, patience: float = 60.0, slot: float = 0.3, cheat: Callable[..., Any] | None = None):
        self.peers, self.patience, self.slot, self.cheat = peers, patience, slot, cheat
        self.box: dict[Any, np.ndarray] = {}
        self.changed = threading.Condition()
        self.ends = [Memory(self, me) for me in range(peers)]


class Memory(Links):
    def __init__(self, net: Net, me: int):
        super().__init__()
        self.net, self.me, self.peers, self.patience, self.slot = net, me, net.peers, net.patience, net.slot
        self.notices = ThreadPoolExecutor(1)  # one after the other, and never in the sender's own thread

    def send(self, peer: int, when: tuple[int, int], label: str, x: np.ndarray) -> None:
        x = x if self.net.cheat is None else self.net.cheat(self.me, peer, label, x)
        if x is not None:
            with self.net.changed:
                self.net.box[self.me, peer, when, label] = np.array(x)
                self.net.changed.notify_all()

    def receive(
        self, peer: int, when: tuple[int, int], label: str, like: Any, until: float, stopped: Any = lambda: False
    ) -> np.ndarray:
        key = (peer, self.me, when, label)
        with self.net.changed:
            while key not in self.net.box:
                if stopped():
                    raise Stopped(label)
                if time.monotonic() >= until:
                    raise Lost(peer, label, "did not come in time", late=True)
                self.net.changed.wait(min(0.05, max(until - time.monotonic(), 0.001)))
            x = self.net.box.pop(key)
        if x.shape != tuple(like.shape) or x.dtype != like.dtype:
            raise Lost(peer, label, f"is {x.dtype}{x.shape}")
        return x

    def notify(self, peer: int, notice: np.ndarray) -> None:
        notice = notice if self.net.cheat is None else self.net.cheat(self.me, peer, "notice", notice)
        if notice is not None:
            self.net.ends[peer].notices.submit(lambda: self.net.ends[peer].heard(self.me, np.array(notice)))

    def advance(self, when: tuple[int, int]) -> None:
        pass

    def sign(self, statement: bytes) -> bytes:
        return _signature(self.me, statement)

    def signed(self, peer: int, statement: bytes, signature: bytes) -> bool:
        return signature == _signature(peer, statement)


def _signature(peer: int, statement: bytes) -> bytes:
    return hashlib.sha512(b"key of %d" % peer + statement).digest()
