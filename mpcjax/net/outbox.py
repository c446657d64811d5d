"""What is sent to one peer, kept until it says that it has it: so a channel that breaks loses nothing and repeats nothing.

Frames are numbered from 1. A receiver acknowledges the last number it has; after a reconnect its greeting says it again, and
sending goes on from there. A peer that lost its memory (it restarted) gets all that is still kept.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque

from mpcjax.net.frame import Frame, encode

ENTRY_BYTES = 1024  # what Python keeps for a frame besides its payload, generously


@dataclasses.dataclass(frozen=True)
class Item:
    sequence: int
    when: tuple[int, int]
    buffers: list[bytes | memoryview]
    size: int


class Outbox:
    """At most `limit` bytes. Any thread may call any method."""

    def __init__(self, limit: int):
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: dict[int, Item] = {}  # in order of their numbers
        self._unsent: deque[Item] = deque()  # on the present connection
        self._used = self._last = self._sent = 0

    def add(self, frame: Frame) -> bool:
        """Queues a frame; False where the limit is passed: then all is forgotten, this one too, and room is made.

        The array is kept by reference. Raises `FrameError` for a frame that cannot be sent.
        """
        with self._lock:
            buffers = encode(dataclasses.replace(frame, sequence=self._last + 1))
            size = frame.array.nbytes + ENTRY_BYTES
            self._last += 1
            if self._used + size > self._limit:
                self._kept.clear()
                self._unsent.clear()
                self._used = 0
                return False
            item = Item(self._last, frame.key[:2], buffers, size)
            self._kept[item.sequence] = item
            self._unsent.append(item)
            self._used += size
            return True

    def resume(self, received: int | None) -> bool:
        """A new connection: the peer has all up to this number (None: it does not know us). Whether that can be."""
        with self._lock:
            if received is not None and received > self._sent:
                return False
            self._forget_to(received or 0)
            self._unsent = deque(self._kept.values())
            return True

    def next(self) -> Item | None:
        """What to write next on this connection."""
        with self._lock:
            if not self._unsent:
                return None
            item = self._unsent.popleft()
            self._sent = max(self._sent, item.sequence)
            return item

    def acknowledged(self, sequence: int) -> bool:
        """The peer has all up to this number: they are forgotten. Whether that can be."""
        with self._lock:
            if sequence > self._sent:
                return False
            self._forget_to(sequence)
            return True

    def forget_before(self, when: tuple[int, int]) -> None:
        """Drops what is for an older (round, attempt): receivers take gaps in the numbers."""
        with self._lock:
            for sequence in [item.sequence for item in self._kept.values() if item.when < when]:
                self._used -= self._kept.pop(sequence).size
            self._unsent = deque(item for item in self._unsent if item.sequence in self._kept)

    def _forget_to(self, sequence: int) -> None:
        while self._kept and (first := next(iter(self._kept))) <= sequence:
            self._used -= self._kept.pop(first).size

    @property
    def empty(self) -> bool:
        return not self._kept

    @property
    def used(self) -> int:
        """Bytes as the limit counts them."""
        return self._used
