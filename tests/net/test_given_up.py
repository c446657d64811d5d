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
