"""The others, as one peer sees them: by name or place, who is connected, and what each did."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from mpcjax.net.config import Config
from mpcjax.net.greeting import MEMORY_BYTES, Greeting
from mpcjax.net.link import Link

Who = str | int  # a peer by its name or by its place in the consortium


class Roster:
    """A link per other peer. `call` runs a function in the thread of the loop that serves the links."""

    def __init__(self, config: Config, call: Callable[[Callable[[], Any]], None]):
        self.config = config
        self._agreement = config.agreement()
        greeting = Greeting(self._agreement, *config.digests(), secrets.token_bytes(MEMORY_BYTES))
        self._links = [
            None if i == config.index else Link(peer.name, config.limits, greeting, call)
            for i, peer in enumerate(config.peers)
        ]
        self._others = [link for link in self._links if link is not None]

    def _link(self, peer: Who) -> Link:
        names = [p.name for p in self.config.peers]
        index = names.index(peer) if isinstance(peer, str) and peer in names else peer
        link = self._links[index] if isinstance(index, int) and 0 <= index < len(names) else None
        if link is None:
            raise ValueError(f"peer is {peer!r}, legal: another one of {', '.join(names)}, or its index")
        return link

    def connected(self) -> list[str]:
        """The names of those to whom there is a channel now, in the consortium's order."""
        return [link.name for link in self._others if link.connected]

    def wait_connected(self, peers: list[str] | None = None, deadline: float | None = None) -> list[str]:
        """Waits until these (all) are connected, or until `deadline` as in `receive`; who is connected then."""
        wanted = {link.name for link in self._others} if peers is None else set(peers)
        until = time.monotonic() + self.config.limits.step_seconds if deadline is None else deadline
        while not wanted <= set(self.connected()) and time.monotonic() < until:
            time.sleep(0.005)
        return self.connected()

    def refusals(self) -> dict[str, str]:
        """Why there is no channel to a peer that was reached: what to tell people, by name."""
        return {link.name: link.refusal for link in self._others if link.refusal}

    def faults(self, peer: Who) -> dict[str, int]:
        """What this peer did wrong so far, see `mpcjax.net.faults`."""
        return self._link(peer).faults.counts()

    def traffic(self, peer: Who) -> tuple[int, int]:
        """Bytes of frames sent to and received from this peer, control frames included."""
        traffic = self._link(peer).traffic
        return traffic.sent, traffic.received
