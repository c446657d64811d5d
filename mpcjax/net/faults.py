"""What a peer did wrong on its channel, counted; and the log, in which every line is `event=... key=value`.

Counts convince this peer alone: nothing here proves anything to others. Their names:

- `frame`: bytes that are no frame, or one that is too long, or of a kind that is not due; its channel was closed
- `replayed`: a frame with a sequence number that came before
- `duplicate`: a second frame for the same (round, attempt, label)
- `stale`: a frame for a (round, attempt) that is over here; honest peers that are late send some
- `crowded`: an array for which there was no room while this peer asked what it missed; honest peers that are ahead send some
- `overflow`: it did not take what was sent to it, and what was queued for it was forgotten
- `malformed`: an awaited array of another dtype or shape
- `agreement`: it greeted with other parameters of the run
"""

from __future__ import annotations

import collections
import json
import logging
import threading

LOG = logging.getLogger("mpcjax.net")


def note(level: int, event: str, **fields: object) -> None:
    """One line of the log. Values are quoted where they are not plain, so that none can forge another key or line."""
    if LOG.isEnabledFor(level):
        LOG.log(level, "%s", " ".join((f"event={event}", *(f"{key}={_plain(v)}" for key, v in fields.items()))))


def _plain(value: object) -> str:
    text = str(value)
    return text if text and all(c.isalnum() or c in "._-:/+" for c in text) and text.isascii() else json.dumps(text)


class Faults:
    """A peer's counts; any thread may add."""

    def __init__(self, peer: str):
        self.peer = peer
        self._counts: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()

    def add(self, fault: str, **fields: object) -> None:
        with self._lock:
            self._counts[fault] += 1
            count = self._counts[fault]
        # a flood of faults is no flood of lines
        level = logging.WARNING if fault not in ("stale", "crowded") and count & (count - 1) == 0 else logging.DEBUG
        note(level, "fault", peer=self.peer, fault=fault, count=count, **fields)

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)
