"""A network between peers on one machine: every address is a proxy's, which passes all on later, and now and then much later.

TCP loses nothing: what a lost packet does to a stream is that it and all behind it wait for being sent again.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 1400  # bytes, about a packet


class Proxies:
    """`passed` packets so far, `lost` of them, and both counted over all connections."""

    def __init__(self, delay: float, loss: float, again: float):
        self.delay, self.loss, self.again = delay, loss, again
        self.passed = self.lost = 0
        self._chance = random.Random(0)

    async def serve(self, port: int, target: int) -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers = [writer]
            try:
                there = await asyncio.open_connection("127.0.0.1", target)
                writers.append(there[1])
                await asyncio.gather(self._pipe(reader, there[1]), self._pipe(there[0], writer))
            except OSError:
                pass
            finally:  # also where a task is cancelled before it has begun
                for one in writers:
                    one.close()

        return await asyncio.start_server(connected, "127.0.0.1", port)

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sending = asyncio.create_task(self._send(queue, writer))
        loop, due = asyncio.get_running_loop(), 0.0
        try:
            while data := await reader.read(CHUNK):
                lost = self._chance.random() < self.loss
                self.passed, self.lost = self.passed + 1, self.lost + lost
                due = max(due, loop.time() + self.delay + self.again * lost)
                queue.put_nowait((due, data))
        except ConnectionError:
            pass
        finally:
            queue.put_nowait((due, b""))
        await sending

    @staticmethod
    async def _send(queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - loop.time()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@contextmanager
def proxies(ports: list[tuple[int, int]], delay: float, loss: float, again: float = 0.2) -> Iterator[Proxies]:
    """One for every `(port, target)`: `delay` seconds one way, `again` more for the share `loss` of packets."""
    found, ready, stops = Proxies(delay, loss, again), threading.Event(), []

    async def serve() -> None:
        servers, stop = [await found.serve(*pair) for pair in ports], asyncio.Event()
        stops.extend((asyncio.get_running_loop(), stop))
        ready.set()
        await stop.wait()
        for server in servers:
            server.close()
        await asyncio.sleep(0.1)  # who was just accepted begins, and is ended in turn

    thread = threading.Thread(target=lambda: asyncio.run(serve()))  # which ends what still runs
    thread.start()
    assert ready.wait(10)
    try:
        yield found
    finally:
        stops[0].call_soon_threadsafe(stops[1].set)
        thread.join(10)
