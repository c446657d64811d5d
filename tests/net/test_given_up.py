"""Connections that are given up in whatever turn of the loop are closed: nothing is left for the garbage collector to find."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import warnings
from collections.abc import Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mpcjax.net.endpoint import Endpoint
from tests.net._consortium import Consortium

TURNS = 16  # of the loop: in fewer a connection has begun TLS


def left_open(run: Coroutine[Any, Any, None]) -> list[str]:
    """What is found open after this has run in a loop of its own."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(run)
        gc.collect()
    return [str(one.message) for one in caught if issubclass(one.category, ResourceWarning)]


async def ended_after(turns: int, running: asyncio.Task[None]) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Consortium]:
    made = Consortium(tmp_path, peers=2)
    with made.stack:
        yield made


@pytest.mark.parametrize("turns", range(TURNS))
def test_who_comes_just_before_the_end(two: Consortium, turns: int) -> None:
    config, listener = two.config(1), two.listeners[1]
    assert listener is not None

    async def run() -> None:
        running = asyncio.create_task(Endpoint(config, config.identity(), [None, None]).run(listener))
        await asyncio.sleep(0.01)
        with socket.create_connection(listener.getsockname()):
            await ended_after(turns, running)

    assert left_open(run()) == []


@pytest.mark.parametrize("turns", range(TURNS))
def test_who_is_dialed_just_before_the_end(two: Consortium, turns: int) -> None:
    config, links = two.config(0), [None, SimpleNamespace(name="b")]

    async def run() -> None:
        endpoint = Endpoint(config, config.identity(), cast(Any, links))
        await ended_after(turns, asyncio.create_task(endpoint._keep_dialing(1, cast(Any, links[1]))))

    assert left_open(run()) == []


@pytest.mark.parametrize("dialing", [False, True])
def test_a_connection_that_ends_while_tls_begins_ends_nothing_else(two: Consortium, dialing: bool) -> None:
    """asyncio then says neither that it failed nor what to use."""
    config, listener = two.config(0 if dialing else 1), two.listeners[1]
    links = [None, SimpleNamespace(name="b")] if dialing else [None, None]
    assert listener is not None
    tried = []

    async def none(*given: Any, **named: Any) -> None:
        tried.append(given[0])

    async def run() -> None:
        asyncio.get_running_loop().start_tls = none  # type: ignore[method-assign]
        endpoint = Endpoint(config, config.identity(), cast(Any, links))
        running = asyncio.create_task(
            endpoint._keep_dialing(1, cast(Any, links[1])) if dialing else endpoint.run(listener)
        )
        await asyncio.sleep(0.01)
        with contextlib.nullcontext() if dialing else socket.create_connection(listener.getsockname()):
            while not tried:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.01)
            assert not running.done()
            await ended_after(0, running)

    asyncio.run(run())
    assert tried and all(transport.is_closing() for transport in tried)
