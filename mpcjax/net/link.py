"""One peer as seen from here: a new connection greets, and takes the place of the one before.

Everything here runs in the loop's thread but `drop`, which ends the connection of the moment from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Iterator

from mpcjax.net.config import Limits
from mpcjax.net.errors import FrameError
from mpcjax.net.faults import note
from mpcjax.net.flow import Call, Flow, Refused
from mpcjax.net.frame import Kind, encode
from mpcjax.net.greeting import UNKNOWN, Greeting
from mpcjax.net.wire import Wire

KNOCKING = 4  # connections of one peer whose greeting is awaited


class Link(Flow):
    """What `Flow` is, and which connection it runs on."""

    def __init__(self, name: str, limits: Limits, greeting: Greeting, call: Call):
        super().__init__(name, limits, call)
        self._greeting = greeting
        self._session: asyncio.Task[bool] | None = None
        self._knocking = 0
        self.drop = lambda: call(self._cancel)

    async def serve(self, wire: Wire, *, dialed: bool) -> bool:
        """Uses this connection, instead of the one before, until it ends; whether the greeting went well.

        Who was dialed hears the other's greeting before it ends anything: one who only knocks disturbs no session.
        """
        theirs = None if dialed else await self._heard(wire)
        if theirs is None and not dialed:
            wire.abort()
            return False
        while self._session is not None:  # its reader must have stopped before our greeting says how far it came
            old = self._session
            old.cancel()
            await asyncio.wait({old})
            if self._session is old:
                self._session = None
        self._session = session = asyncio.create_task(self._serve(wire, theirs))
        try:
            await asyncio.wait({session})
        finally:
            session.cancel()
            if self._session is session:
                self._session = None
        return not session.cancelled() and session.result()

    async def _heard(self, wire: Wire) -> Greeting | None:
        """The greeting of one who connects, if it is a right one and comes in time."""
        if self._knocking == KNOCKING:
            return None
        self._knocking += 1
        try:
            with self._accounting():
                async with asyncio.timeout(self._limits.connect_seconds):
                    return await self._hear(wire)
        finally:
            self._knocking -= 1

    async def leave(self, seconds: float) -> None:
        """Says goodbye once the other side has all that was sent to it, or hangs up after this time."""
        self._leaving = True
        self._work.set()
        if self._session is not None:
            await asyncio.wait({self._session}, timeout=seconds)
        self._cancel()

    def _cancel(self) -> None:
        if self._session is not None:
            self._session.cancel()

    @contextlib.contextmanager
    def _accounting(self) -> Iterator[None]:
        """Ends what fails on a connection, and counts or notes it."""
        try:
            yield
        except Refused as refused:
            note(logging.WARNING, "refused", peer=self.name, reason=refused)
        except FrameError as error:
            self.faults.add("frame", error=error)
        except (OSError, EOFError, TimeoutError) as error:
            note(logging.DEBUG, "ended", peer=self.name, error=type(error).__name__)

    async def _serve(self, wire: Wire, theirs: Greeting | None) -> bool:
        greeted = False
        try:
            with self._accounting():
                async with asyncio.timeout(self._limits.connect_seconds):
                    await self._greet(wire, theirs)
                greeted = True
                self._state(connected=True, departed=False)
                await self._both_ways(wire)
        finally:
            wire.abort()
            if greeted:
                self._state(connected=False, departed=self.departed)
        return greeted

    def _state(self, *, connected: bool, departed: bool) -> None:
        self.connected, self.departed = connected, departed
        note(logging.INFO, "connected" if connected else "disconnected", peer=self.name, left=departed)
        self.inbox.wake()

    async def _greet(self, wire: Wire, theirs: Greeting | None) -> None:
        mine = dataclasses.replace(self._greeting, known=self._known, received=self._received)
        await wire.write(encode(mine.frame()))
        theirs = theirs or await self._hear(wire)
        if not self.outbox.resume(theirs.received if theirs.known == mine.memory else None):
            raise FrameError(f"sequence received is {theirs.received}, legal: what was sent")
        if theirs.memory != self._known:
            before, self._known, self._received = self._known, theirs.memory, 0
            if before != UNKNOWN:
                self.anew()
        self._acknowledged = self._received

    async def _hear(self, wire: Wire) -> Greeting:
        kind, payload = await wire.control()
        if kind is Kind.REFUSE:
            self._refused(payload)
        if kind is not Kind.HELLO:
            raise FrameError(f"first frame is a {kind.name}, legal: HELLO")
        theirs = Greeting.parse(payload)
        self.refusal = self._greeting.disagreement(theirs)
        if self.refusal:
            self.faults.add("agreement", reason=self.refusal)
            await wire.say(Kind.REFUSE, self.refusal.encode())
            await wire.close()
            raise Refused(self.refusal)
        return theirs
