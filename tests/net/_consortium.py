"""A consortium on loopback for tests: its configurations, its channels with real TLS, all in this process."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import numpy as np

from mpcjax.net import Channels, Config, Frame, Kind
from mpcjax.net import config as configs
from mpcjax.net.identity import create
from tests.net._rogue import Rogue

SOON = 20.0  # seconds by which something surely happens, on a busy machine too
LIMITS = dict(connect_seconds=5.0, step_seconds=SOON, frame_bytes=1 << 20, inbox_bytes=1 << 22, queue_bytes=1 << 22)


class Consortium:
    """`peers` members named a, b, c ...; each has an address from the start, and listens when it is asked for."""

    def __init__(self, folder: Path, peers: int = 3):
        self.folder, self.names = folder, [chr(ord("a") + i) for i in range(peers)]
        self.listeners: list[socket.socket | None] = []
        self.ports: list[int] = []
        self.stack = contextlib.ExitStack()
        for name in self.names:
            create(name, folder / f"{name}.key", folder / f"{name}.crt")
            listener = self.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            self.listeners.append(listener)
            self.ports.append(listener.getsockname()[1])

    def values(self, index: int, **changes) -> dict:
        """The TOML values of one peer; `run` and `limits` may be changed."""
        peers = [
            dict(name=name, address=f"127.0.0.1:{port}", certificate=f"{name}.crt")
            for name, port in zip(self.names, self.ports, strict=True)
        ]
        return dict(
            consortium=dict(name="tests", peers=peers),
            run=changes.get("run", dict(rule="mean", clip=1.5)),
            me=dict(name=self.names[index], key=f"{self.names[index]}.key"),
            limits=LIMITS | changes.get("limits", {}),
        )

    def config(self, index: int, **changes) -> Config:
        return configs.parse(self.values(index, **changes), self.folder)

    def channels(self, index: int, config: Config | None = None, before=lambda made: None, **changes) -> Channels:
        """Started channels, closed with the consortium; for a second time, after the first was closed. `before` they start."""
        config = config or self.config(index, **changes)
        listener, self.listeners[index] = self.listeners[index], None
        made = Channels(config, config.identity(), listener=listener)
        before(made)
        made.start()
        self.stack.callback(made.close, 0.0)
        return made

    def rogue(self, config: Config, to: int, *args, **kwargs) -> Rogue:
        """A bare connection to peer `to`, closed with the consortium."""
        made = Rogue(config, to, *args, **kwargs)
        self.stack.callback(made.socket.close)
        return made

    def all(self, **changes) -> list[Channels]:
        """Everybody, connected with everybody."""
        made = [self.channels(i, **changes) for i in range(len(self.names))]
        for channels in made:
            assert len(channels.wait_connected(deadline=time.monotonic() + SOON)) == len(self.names) - 1
        return made


def data(label: str = "x", round: int = 1, attempt: int = 0, array: np.ndarray | None = None) -> Frame:
    return Frame(Kind.DATA, np.arange(6, dtype="<u8").reshape(2, 3) if array is None else array, round, attempt, label)


def due(label: str = "x", round: int = 1, attempt: int = 0, dtype="<u8", shape=(2, 3), seconds: float = SOON) -> dict:
    """The arguments of `receive` for what `data` makes."""
    until = time.monotonic() + seconds
    return dict(round=round, attempt=attempt, label=label, dtype=dtype, shape=shape, deadline=until)


def until(condition, seconds: float = SOON) -> None:
    """Waits for something that the other thread is about to do."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.005)
