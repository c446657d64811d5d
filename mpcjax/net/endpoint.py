"""Connections as they come and go: of each pair of peers, the one with the smaller index dials, and never gives up.

Of those who are not authenticated yet, at most `STRANGERS` are attended to at once and each for `connect_seconds`: who has
no certificate can make an honest peer that reconnects wait, and use no more memory than that.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from mpcjax.net.config import Config
from mpcjax.net.faults import note
from mpcjax.net.identity import Identity
from mpcjax.net.link import Link
from mpcjax.net.tls import context, member
from mpcjax.net.wire import CHUNK, Wire

STRANGERS = 64
BACKOFF_SECONDS = (0.05, 2.0)  # the first and the longest pause between two attempts
# A peer whose machine vanished is noticed in half a minute while idle, in a minute while data is on its way to it.
KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}


def listening(address: tuple[str, int]) -> socket.socket:
    """A socket that accepts connections at this address. Raises `OSError`, with the address, where it cannot be had."""
    family, kind, protocol, _, found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(found)
        made.listen(128)
    except OSError as error:
        made.close()
        remedy = "end what uses it, or set me.listen to a free address of this machine"
        raise OSError(error.errno, f"{error.strerror} ({address[0]}:{address[1]}); {remedy}") from error
    return made


class Endpoint:
    """All connections of one peer. `links` has an entry per peer, None in its own place."""

    def __init__(self, config: Config, identity: Identity, links: Sequence[Link | None]):
        self._config, self._links = config, links
        self._accepting = context(config, identity, server=True)
        self._dialing = context(config, identity, server=False)
        self._strangers = asyncio.Semaphore(STRANGERS)

    async def run(self, listener: socket.socket) -> None:
        """Accepts and dials until cancelled."""
        listener.setblocking(False)
        later = [(i, link) for i, link in enumerate(self._links) if link is not None and i > self._config.index]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._accept(listener, group))
            for index, link in later:
                group.create_task(self._keep_dialing(index, link))

    async def _accept(self, listener: socket.socket, group: asyncio.TaskGroup) -> None:
        while True:
            await self._strangers.acquire()
            try:
                transport = await _next(listener)
            except OSError as error:  # out of file descriptors, say: others may be closed meanwhile
                self._strangers.release()
                note(logging.ERROR, "accept", error=error)
                await asyncio.sleep(0.1)
                continue
            task = group.create_task(self._accepted(transport))
            task.add_done_callback(functools.partial(_end, transport))

    async def _accepted(self, transport: asyncio.Transport) -> None:
        try:
            link, wire = await self._authenticated(transport)
        except Exception as error:  # whatever a stranger makes fail must not end the channels of others
            note(logging.ERROR, "stranger", error=repr(error))
            return
        finally:
            self._strangers.release()
        if link is not None and wire is not None:
            await _served(link, wire, dialed=False)

    async def _authenticated(self, transport: asyncio.Transport) -> tuple[Link | None, Wire | None]:
        try:
            reader, writer = await _secured(transport, self._accepting, self._config.limits.connect_seconds)
        except (OSError, EOFError, TimeoutError) as error:  # ssl.SSLError is an OSError
            note(logging.INFO, "stranger", error=error)
            return None, None
        index = _member(self._config, writer)
        link = self._links[index] if index is not None and index < self._config.index else None
        if link is None:
            note(logging.WARNING, "unexpected", index=index)
            writer.transport.abort()
            return None, None
        return link, Wire(reader, writer, link.traffic)

    async def _keep_dialing(self, index: int, link: Link) -> None:
        shortest, longest = BACKOFF_SECONDS
        pause = shortest
        while True:
            try:
                wire = await self._dial(index, link)
            except (OSError, EOFError, TimeoutError, UnicodeError) as error:  # the last from odd names of hosts
                note(logging.DEBUG, "unreachable", peer=link.name, error=error)
                greeted = False
            else:
                greeted = wire is not None and await _served(link, wire, dialed=True)
            pause = shortest if greeted else min(longest, 2 * pause)
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))

    async def _dial(self, index: int, link: Link) -> Wire | None:
        """A connection to this very peer, or None where another member answers at its address."""
        peer = self._config.peers[index]
        seconds = self._config.limits.connect_seconds
        async with asyncio.timeout(seconds):
            transport, _ = await asyncio.get_running_loop().create_connection(_Unread, peer.host, peer.port)
            reader, writer = await _secured(transport, self._dialing, seconds, peer.host)
        found = _member(self._config, writer)
        if found != index:
            note(logging.WARNING, "other", peer=link.name, index=found)
            writer.transport.abort()
            return None
        return Wire(reader, writer, link.traffic)


class _Unread(asyncio.Protocol):
    """Leaves what comes first to TLS."""

    def connection_made(self, transport: Any) -> None:
        # in the next turn, before anything is read in it: on Python 3.11.2 a transport that pauses at once reads all the same
        asyncio.get_running_loop().call_soon(transport.pause_reading)


async def _next(listener: socket.socket) -> asyncio.Transport:
    """The next connection. (`sock_accept` of the loop loses one that has come in the turn in which nobody waits any more.)"""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(listener, came.set)
    try:
        while (connection := _waiting(listener)) is None:
            came.clear()
            await came.wait()
    finally:
        loop.remove_reader(listener)
    try:
        return (await loop.connect_accepted_socket(_Unread, connection))[0]
    except OSError:
        connection.close()
        raise


def _waiting(listener: socket.socket) -> socket.socket | None:
    with contextlib.suppress(BlockingIOError):
        return listener.accept()[0]
    return None


async def _secured(
    transport: asyncio.Transport, how: ssl.SSLContext, seconds: float, host: str | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """TLS over this connection, as the side that has dialed `host`, or as the other.

    (A connection that is to have TLS from its beginning asyncio leaves open where it is given up in its first turn.)
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(CHUNK)
    protocol = asyncio.StreamReaderProtocol(reader)
    _alive(transport.get_extra_info("socket"))
    secured = await loop.start_tls(
        transport, protocol, how, server_side=host is None, server_hostname=host, ssl_handshake_timeout=seconds
    )
    if secured is None:
        transport.abort()
        raise ConnectionResetError("the connection ended while TLS began")
    protocol.connection_made(secured)
    return reader, asyncio.StreamWriter(secured, protocol, reader, loop)


def _end(transport: asyncio.Transport, _: asyncio.Task[None]) -> None:
    transport.abort()  # also where its task was cancelled before it began


def _member(config: Config, writer: asyncio.StreamWriter) -> int | None:
    connection: ssl.SSLObject = writer.get_extra_info("ssl_object")
    return member(config, connection)


async def _served(link: Link, wire: Wire, *, dialed: bool) -> bool:
    try:
        return await link.serve(wire, dialed=dialed)
    except Exception:  # one peer's channel must not end those of the others
        logging.getLogger("mpcjax.net").exception("event=error peer=%s", link.name)
        return False
    finally:
        wire.abort()  # also where we are closed before a session has begun


def _alive(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # a connection that has ended already
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE.items():
            if hasattr(socket, name):  # not everywhere
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
