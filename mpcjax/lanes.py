"""Groups of peers that go through their phases side by side, and a clock for phases that overlap.

Much of what XLA runs on a CPU it runs on one core, such as every loop that writes into one array: two groups at once keep
two cores busy (dealing: twice as fast on two), in the memory of one group of twice the size.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from mpcjax._compat import as_here

_T = TypeVar("_T")
_R = TypeVar("_R")


def side_by_side(work: Callable[[_T], _R], lanes: Sequence[_T]) -> list[_R]:
    """`work` of every lane, each on a thread of its own, with the JAX settings of this one. The first failure is raised."""
    if len(lanes) == 1:
        return [work(lanes[0])]
    with ThreadPoolExecutor(len(lanes)) as pool:
        return list(pool.map(as_here(work), lanes))


class Clock:
    """Seconds by phase, adding up to the time in which any ran: what runs at the same time shares that time equally.

    `stopped`: the phase whose check failed first, empty as long as none has.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.stopped = ""
        self._running: list[str] = []
        self._since = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def runs(self, phase: str) -> Iterator[None]:
        self._turn(phase, self._running.append)
        try:
            yield
        finally:
            self._turn(phase, self._running.remove)

    def stop(self, phase: str) -> None:
        with self._lock:
            self.stopped = self.stopped or phase

    def _turn(self, phase: str, change: Callable[[str], None]) -> None:
        with self._lock:
            now = time.perf_counter()
            self.seconds.setdefault(phase, 0.0)
            for one in self._running:
                self.seconds[one] += (now - self._since) / len(self._running)
            self._since = now
            change(phase)
