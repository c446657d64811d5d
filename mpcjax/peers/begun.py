"""Which attempts the peers go through: each says so when it has compiled what it runs, and listens to what becomes of it.

From then on its silence is its own.
"""

from __future__ import annotations

import struct

import numpy as np

from mpcjax.peers.links import Links

_BEGUN = struct.Struct("<cIH")  # an attempt at a round
When = tuple[int, int]


class Begun:
    """`last`: by peer, the last attempt that it has said to have begun with."""

    def __init__(self, links: Links):
        self.links, self.last = links, dict[int, When]()

    def say(self, when: When) -> None:
        """To all others, that this peer begins with it."""
        for peer in set(range(self.links.peers)) - {self.links.me}:
            self.links.notify(peer, np.frombuffer(_BEGUN.pack(b"R", *when), np.uint8))

    def hear(self, peer: int, data: bytes) -> bool:
        """Whether a notice says that."""
        if data[:1] != b"R" or len(data) != _BEGUN.size:
            return False
        _, number, attempt = _BEGUN.unpack(data)
        self.last[peer] = number, attempt
        self.links.takes_part(peer)
        return True

    def has(self, peer: int, when: When) -> bool:
        """Whether it has said that it goes through this attempt, or a later one."""
        return self.last.get(peer, (-1, 0)) >= when

    def count(self, when: When) -> int:
        """How many have, this peer included."""
        return 1 + sum(self.has(peer, when) for peer in range(self.links.peers) if peer != self.links.me)
