"""An asyncio loop in a thread of its own, for code that is not asynchronous."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any

Main = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class Background:
    """Runs one coroutine function, which is given the event that asks it to end."""

    def __init__(self, name: str):
        self._name = name
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    def start(self, main: Main) -> None:
        """Returns when the loop runs. Once only."""
        if self._thread is not None:
            raise RuntimeError(f"{self._name} was started before; make a new one")
        ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, args=(main, ready), name=self._name, daemon=True)
        self._thread.start()
        ready.result()

    def _run(self, main: Main, ready: concurrent.futures.Future[None]) -> None:
        async def body() -> None:
            self._loop = asyncio.get_running_loop()
            ready.set_result(None)
            await main(self._stop)

        asyncio.run(body())

    def call(self, function: Callable[[], Any]) -> None:
        """Runs in the loop's thread, soon; not at all where there is no loop, or none any more."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it was closed meanwhile
                self._loop.call_soon_threadsafe(function)

    def stop(self) -> None:
        """Asks `main` to end and waits until it has."""
        if self._thread is not None:
            self.call(self._stop.set)
            self._thread.join()
