"""A member that does as it likes: a bare TLS socket in the place of peer a, which dials the others."""

from __future__ import annotations

import socket
import ssl

from mpcjax.net import Config, Frame
from mpcjax.net.frame import HEADER_BYTES, Header, Kind, encode
from mpcjax.net.greeting import Greeting
from mpcjax.net.tls import context


class Rogue:
    """Connected to peer `to` and past the greeting (`greeting`, or a right one); what it sends is up to the test."""

    def __init__(self, config: Config, to: int, greeting: Greeting | None = None, memory: bytes = b"m" * 16):
        peer = config.peers[to]
        plain = socket.create_connection((peer.host, peer.port), timeout=20)
        self.socket = context(config, config.identity(), server=False).wrap_socket(plain)
        if greeting is None:
            greeting = Greeting(config.agreement(), *config.digests(), memory)
        try:
            self.send(greeting.frame())
            self.hello = self.read()
        except (OSError, EOFError):
            self.socket.close()
            raise

    def send(self, *frames: Frame) -> None:
        for frame in frames:
            self.write(b"".join(encode(frame)))

    def write(self, data: bytes) -> None:
        self.socket.sendall(data)

    def exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def read(self) -> Frame:
        """The next frame from the other side; `EOFError` or `OSError` where it has hung up."""
        header = Header.parse(self.exactly(HEADER_BYTES), 1 << 24)
        head = header.head(self.exactly(header.rest))
        return head.frame(self.exactly(head.payload))

    def acknowledged(self) -> int:
        """The next acknowledgement: all before it was looked at."""
        while True:
            frame = self.read()
            if frame.kind is Kind.ACK:
                return frame.sequence

    def hung_up(self) -> bool:
        """Whether the other side ends the connection (waits for it)."""
        try:
            while True:
                self.read()
        except (EOFError, ssl.SSLError, ConnectionError):
            return True
        except TimeoutError:
            return False
