"""Frames over one TLS stream: reads a header, then what it announces, and copies nothing more than once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from mpcjax.net.frame import CONTROL_BYTES, HEADER_BYTES, Frame, Head, Header, Kind, control, encode

CHUNK = 1 << 18  # bytes; as much is buffered for a connection in each direction, times a few
CLOSE_SECONDS = 1.0


class Traffic:
    """Bytes of frames on all connections with one peer; TLS and TCP add a few percent."""

    def __init__(self) -> None:
        self.sent = self.received = 0


class Wire:
    """One connection. Reading raises `EOFError` at its end, `FrameError` for bytes that are no frame, else `OSError`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, traffic: Traffic):
        self._reader, self._writer, self._traffic = reader, writer, traffic

    async def _exactly(self, size: int) -> bytes:
        data = await self._reader.readexactly(size)  # its IncompleteReadError is an EOFError
        self._traffic.received += size
        return data

    async def head(self, limit: int) -> Head:
        """The next frame but for its payload, which is at most `limit` bytes and is read by `body` or `skip`."""
        header = Header.parse(await self._exactly(HEADER_BYTES), limit)
        return header.head(await self._exactly(header.rest))

    async def body(self, head: Head) -> Frame:
        """Takes the memory of the payload: call it when there is room for `head.payload` bytes."""
        body = bytearray(head.payload)
        view, start = memoryview(body), 0
        while start < len(body):
            piece = await self._piece(len(body) - start)
            view[start : start + len(piece)] = piece
            start += len(piece)
        return head.frame(body)

    async def skip(self, head: Head) -> None:
        """Reads past the payload, keeping none of it."""
        left = head.payload
        while left:
            left -= len(await self._piece(left))

    async def _piece(self, most: int) -> bytes:
        piece = await self._reader.read(min(most, CHUNK))
        if not piece:
            raise EOFError("the connection ended within a frame")
        self._traffic.received += len(piece)
        return piece

    async def control(self) -> tuple[Kind, bytes]:
        """The next frame, which must be short: its kind and its payload."""
        head = await self.head(CONTROL_BYTES)
        return head.kind, (await self.body(head)).array.tobytes()

    async def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """Returns when little of it is still to be sent; waits as long as the other side does not read."""
        for buffer in buffers:
            view = memoryview(buffer)
            for start in range(0, len(view), CHUNK):
                piece = view[start : start + CHUNK]
                self._writer.write(piece)
                await self._writer.drain()
                # lets others go on, and the end of a connection be noticed before more is written
                await asyncio.sleep(0)
                self._traffic.sent += len(piece)

    async def say(self, kind: Kind, payload: bytes = b"", sequence: int = 0) -> None:
        await self.write(encode(control(kind, payload, sequence)))

    async def close(self) -> None:
        """Ends the connection in order, so that what was written last arrives; by force after a second."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), CLOSE_SECONDS)
        self.abort()

    def abort(self) -> None:
        self._writer.transport.abort()
