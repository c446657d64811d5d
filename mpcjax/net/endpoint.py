"""Connections as they come and go: of each pair of peers, the one with the smaller index dials, and never gives up.

Of those who are not authenticated yet, at most `STRANGERS` are attended to at once and each for `connect_seconds`: who has
no certificate can make an honest peer that reconnects wait, and use no more memory than that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import socket
import ssl
from collections.abc import Sequence

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
        loop = asyncio.get_running_loop()
        while True:
            await self._strangers.acquire()
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:  # out of file descriptors, say: others may be closed meanwhile
                self._strangers.release()
                note(logging.ERROR, "accept", error=error)
                await asyncio.sleep(0.1)
                continue
            group.create_task(self._accepted(connection))

    async def _accepted(self, connection: socket.socket) -> None:
        try:
            link, wire = await self._authenticated(connection)
        except Exception as error:  # whatever a stranger makes fail must not end the channels of others
            note(logging.ERROR, "stranger", error=repr(error))
            return
        finally:
            self._strangers.release()
        if link is not None and wire is not None:
            await _served(link, wire, dialed=False)

    async def _authenticated(self, connection: socket.socket) -> tuple[Link | None, Wire | None]:
        try:
            reader, writer = await self._secured(connection)
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

    async def _secured(self, connection: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        _alive(connection)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(CHUNK)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=self._accepting,
            ssl_handshake_timeout=self._config.limits.connect_seconds,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

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
        async with asyncio.timeout(self._config.limits.connect_seconds):
            reader, writer = await asyncio.open_connection(peer.host, peer.port, ssl=self._dialing, limit=CHUNK)
        _alive(writer.get_extra_info("socket"))
        found = _member(self._config, writer)
        if found != index:
            note(logging.WARNING, "other", peer=link.name, index=found)
            writer.transport.abort()
            return None
        return Wire(reader, writer, link.traffic)


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
