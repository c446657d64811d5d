"""What arrived from one peer and is not asked for yet: bounded, each frame once, old ones forgotten.

The loop's thread puts, protocol threads take. The bound counts `ENTRY_BYTES` besides each payload, so that many small
frames fill it as few large ones do. One frame is read at a time, and only after `room` said that it fits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mpcjax.net.frame import Frame, Head

ENTRY_BYTES = 1024  # what Python keeps for a frame besides its payload, generously
LAST = (1 << 32) - 1  # the round of what no `advance` forgets
ANSWERS = 64  # of that round so many are still refused a second time: of older questions none is on its way
Key = tuple[int, int, str]


class Inbox:
    """`freed()` is called from any thread whenever there may be room again."""

    def __init__(self, limit: int, freed: Callable[[], None]):
        self._limit, self._freed = limit, freed
        self._changed = threading.Condition()
        self._frames: dict[Key, Frame] = {}
        self._taken: dict[
            Key, None
        ] = {}  # as many as were asked for since the last `advance`, and some of the round `LAST`
        self._used, self._asking = 0, False
        self._before: dict[Key, None] = {}  # of the frames, those that are no answers
        self._floor = (0, 0)

    @property
    def used(self) -> int:
        """Bytes as the limit counts them."""
        return self._used

    def refusal(self, head: Head) -> str | None:
        """The fault for which a frame is not taken: `stale`, `duplicate` or `crowded`."""
        with self._changed:
            return self._refusal(head.key) or self._crowded(head)

    def asks(self, asking: bool) -> None:
        """Whether an answer is waited for, which is in the round `LAST`. Then arrays that do not fit are dropped: nothing behind
        them would be read before somebody takes some. And those that are kept make way for answers, the latest first."""
        with self._changed:
            self._asking = asking
        self._freed()

    def _crowded(self, head: Head) -> str | None:
        """Half the room at once: who has filled it with small frames must not have them sorted for each that it sends then. Nor
        must answers that nobody has asked for be looked through, which make way for nothing."""
        if self._asking and head.round == LAST and self._before and not self._fits(head):
            for key in sorted(self._before, reverse=True):
                if self._used <= self._limit // 2 and self._fits(head):
                    break
                self._remove(key)
        return "crowded" if self._asking and not self._fits(head) else None

    def _remove(self, key: Key) -> Frame | None:
        frame = self._frames.pop(key, None)
        if frame is not None:
            self._used -= _cost(frame)
            self._before.pop(key, None)
        return frame

    def _refusal(self, key: Key) -> str | None:
        if key[:2] < self._floor:
            return "stale"
        return "duplicate" if key in self._frames or key in self._taken else None

    def room(self, head: Head) -> bool:
        with self._changed:
            return self._fits(head)

    def _fits(self, head: Head) -> bool:
        return self._used + head.payload + ENTRY_BYTES <= self._limit

    def put(self, frame: Frame) -> str | None:
        """Takes the frame in, or returns the fault for which it does not."""
        with self._changed:
            fault = self._refusal(frame.key)
            if fault is None:
                self._frames[frame.key] = frame
                self._used += _cost(frame)
                if frame.key[0] < LAST:
                    self._before[frame.key] = None
                self._changed.notify_all()
            return fault

    def take(self, key: Key, deadline: float, given_up: Callable[[], bool]) -> Frame | None:
        """The frame under this key, once; None if it is not there by the deadline (`time.monotonic()`) or given up.

        Raises `ValueError` for a key that was taken before, or whose round or attempt is over.
        """
        with self._changed:
            while key not in self._frames:
                if key in self._taken or key[:2] < self._floor:
                    raise ValueError(f"message {key} was received before or is over: now is {self._floor}")
                left = deadline - time.monotonic()
                if left <= 0 or given_up():
                    return None
                self._changed.wait(left)
            frame = self._remove(key)
            self._taken[key] = None
        self._freed()
        return frame

    def drop(self, key: Key) -> None:
        """The frame under this key is not wanted, also if it comes later."""
        with self._changed:
            self._remove(key)
            self._taken[key] = None
        self._freed()

    def advance(self, floor: tuple[int, int]) -> int:
        """Forgets what is older than this (round, attempt), a later one than before; how many frames that were."""
        with self._changed:
            self._floor = floor
            old = [key for key in self._frames if key[:2] < self._floor]
            for key in old:
                self._remove(key)
            lasting = [key for key in self._taken if key[0] == LAST][-ANSWERS:]
            self._taken = dict.fromkeys([*(key for key in self._taken if self._floor <= key[:2] < (LAST, 0)), *lasting])
            self._changed.notify_all()
        self._freed()
        return len(old)

    def wake(self) -> None:
        """Lets those who wait look again at whether to give up."""
        with self._changed:
            self._changed.notify_all()


def _cost(frame: Frame) -> int:
    return frame.array.nbytes + ENTRY_BYTES
