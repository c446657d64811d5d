"""The data of one peer in both directions: its inbox and outbox, and what moves between them and a connection.

It outlives connections: how far the frames of either side have come is kept here. Everything runs in the loop's thread but
`wake`, and what `Inbox`, `Outbox` and `Faults` allow others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np

from mpcjax.net.config import Limits
from mpcjax.net.errors import FrameError
from mpcjax.net.faults import Faults
from mpcjax.net.frame import Head, Kind
from mpcjax.net.greeting import UNKNOWN
from mpcjax.net.inbox import Inbox
from mpcjax.net.outbox import Outbox
from mpcjax.net.wire import Traffic, Wire

Call = Callable[[Callable[[], Any]], None]


NOTICE = (
    "!"  # the label of what goes before all that waits, and is handed over when it arrives, not when it is asked for
)
NOTICE_BYTES = 1 << 16


class Refused(ConnectionError):
    """One of the two sides does not want to talk, for a reason that people can read."""


class Flow:
    """`call` runs a function in the loop's thread; `wake`, from any thread, says that there is something to send."""

    def __init__(self, name: str, limits: Limits, call: Call):
        self.name, self._limits = name, limits
        self.faults, self.traffic = Faults(name), Traffic()
        self._work, self._room = asyncio.Event(), asyncio.Event()
        self.inbox = Inbox(limits.inbox_bytes, lambda: call(self._room.set))
        self.outbox = Outbox(limits.queue_bytes)
        self.wake = lambda: call(self._work.set)
        self.notice: Callable[[np.ndarray], None] = lambda notice: None
        self.anew: Callable[[], None] = lambda: None
        self.connected = self.departed = self._leaving = False
        self.refusal = ""
        # the other process as last seen, the last of its frames that came here, and the last it was told of
        self._known, self._received, self._acknowledged = UNKNOWN, 0, 0

    def _refused(self, payload: bytes) -> None:
        text = payload.decode(errors="replace")
        self.refusal = "it says: " + "".join(c if c.isprintable() else "?" for c in text)
        raise Refused(self.refusal)

    async def _both_ways(self, wire: Wire) -> None:
        tasks = [asyncio.create_task(self._read(wire)), asyncio.create_task(self._write(wire))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, wire: Wire) -> None:
        while not self.departed:
            await asyncio.sleep(0)  # what has arrived is read without waiting: others have their turn all the same
            head = await wire.head(self._limits.frame_bytes)
            if head.kind is Kind.DATA:
                await self._data(wire, head)
                continue
            payload = (await wire.body(head)).array.tobytes()
            if head.kind is Kind.REFUSE:
                self._refused(payload)
            elif head.kind is Kind.BYE:
                self.departed = True
            elif head.kind is not Kind.ACK:
                raise FrameError(f"frame within a session is a {head.kind.name}, legal: DATA, ACK, REFUSE, BYE")
            elif not self.outbox.acknowledged(head.sequence):
                raise FrameError(f"acknowledged sequence is {head.sequence}, legal: what was sent")
            elif self._leaving:
                self._work.set()

    async def _data(self, wire: Wire, head: Head) -> None:
        if head.label == NOTICE and head.sequence > self._received:
            if head.payload > NOTICE_BYTES:
                raise FrameError(f"bytes of a notice is {head.payload}, legal: 0..{NOTICE_BYTES}")
            if (head.dtype, len(head.shape)) != (np.uint8, 1):
                raise FrameError(f"a notice is {head.dtype} {list(head.shape)}, legal: uint8 of one dimension")
            self.notice((await wire.body(head)).array)
            self._received = head.sequence
            self._work.set()
            return
        fault = "replayed" if head.sequence <= self._received else self.inbox.refusal(head)
        while fault is None and not self.inbox.room(head):
            # nothing is read meanwhile, so the peer's TCP stops: our memory is bounded, and others are not affected
            self._room.clear()
            if not self.inbox.room(head):
                await self._room.wait()
            fault = self.inbox.refusal(head)
        if fault is None:
            fault = self.inbox.put(await wire.body(head))
        else:
            await wire.skip(head)
        self._received = max(self._received, head.sequence)
        self._work.set()
        if fault:
            self.faults.add(fault, round=head.round, attempt=head.attempt, label=head.label)

    async def _write(self, wire: Wire) -> None:
        while True:
            self._work.clear()
            while (buffers := self.outbox.next()) is not None:
                await self._acknowledge(wire)
                await wire.write(buffers)
            await self._acknowledge(wire)
            if self._leaving and self.outbox.empty:
                await wire.say(Kind.BYE)
                await wire.close()
                return
            await self._work.wait()

    async def _acknowledge(self, wire: Wire) -> None:
        if self._received > self._acknowledged:
            self._acknowledged = self._received
            await wire.say(Kind.ACK, sequence=self._acknowledged)
