"""What is sent to one peer, kept until it says that it has it: so a channel that breaks loses nothing and repeats nothing.

Frames are numbered from 1 in the order in which they are first written: what is urgent goes before all that waits. A receiver
acknowledges the last number it has; after a reconnect its greeting says it again, and sending goes on from there. A peer that
lost its memory (it restarted) gets all that is still kept.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import deque

from mpcjax.net.frame import Frame, encode

ENTRY_BYTES = 1024  # what Python keeps for a frame besides its payload, generously


class Outbox:
    """At most `limit` bytes. Any thread may call any method."""

    def __init__(self, limit: int):
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: dict[int, Frame] = {}  # those that were written, in order of their numbers
        self._again: deque[Frame] = deque()  # of these, what the present connection has not had
        self._waiting: tuple[deque[Frame], deque[Frame]] = deque(), deque()  # not written yet: urgent, and others
        self._used = self._last = 0

    def add(self, frame: Frame, urgent: bool = False) -> bool:
        """Queues a frame; False where the limit is passed: then all is forgotten, this one too, and room is made.

        The array is kept by reference. Raises `FrameError` for a frame that cannot be sent.
        """
        encode(frame)
        with self._lock:
            if self._used + _size(frame) > self._limit:
                for queue in (self._kept, self._again, *self._waiting):
                    queue.clear()
                self._used = 0
                return False
            self._waiting[0 if urgent else 1].append(frame)
            self._used += _size(frame)
            return True

    def resume(self, received: int | None) -> bool:
        """A new connection: the peer has all up to this number (None: it does not know us). Whether that can be."""
        with self._lock:
            if received is not None and received > self._last:
                return False
            self._forget_to(received or 0)
            self._again = deque(self._kept.values())
            return True

    def next(self) -> list[bytes | memoryview] | None:
        """What to write next on this connection."""
        with self._lock:
            if self._again:
                return encode(self._again.popleft())
            for queue in self._waiting:
                if queue:
                    self._last += 1
                    frame = self._kept[self._last] = dataclasses.replace(queue.popleft(), sequence=self._last)
                    return encode(frame)
            return None

    def acknowledged(self, sequence: int) -> bool:
        """The peer has all up to this number: they are forgotten. Whether that can be."""
        with self._lock:
            if sequence > self._last:
                return False
            self._forget_to(sequence)
            return True

    def forget_before(self, when: tuple[int, int]) -> None:
        """Drops what is for an older (round, attempt): receivers take gaps in the numbers."""
        with self._lock:
            self._kept = {number: frame for number, frame in self._kept.items() if frame.key[:2] >= when}
            self._again, *waiting = (
                deque(frame for frame in queue if frame.key[:2] >= when) for queue in (self._again, *self._waiting)
            )
            self._waiting = waiting[0], waiting[1]
            self._used = sum(map(_size, (*self._kept.values(), *waiting[0], *waiting[1])))

    def _forget_to(self, sequence: int) -> None:
        while self._kept and (first := next(iter(self._kept))) <= sequence:
            self._used -= _size(self._kept.pop(first))

    @property
    def empty(self) -> bool:
        return not self._kept and not any(self._waiting)

    @property
    def used(self) -> int:
        """Bytes as the limit counts them."""
        return self._used


def _size(frame: Frame) -> int:
    return frame.array.nbytes + ENTRY_BYTES
