"""All authenticated channels of one peer: protocol code sends and receives arrays, a thread of their own moves them.

Why asyncio's streams with Python's ssl, and not grpc.aio, which others in this field run: (1) TLS 1.3 is demanded exactly;
gRPC's Python interface has no switch for it. (2) Who may connect is a list of self-signed certificates, compared whole
after the handshake; gRPC trusts roots, and shows the certificate only to a call that is already being served. (3) A frame's
length is checked before its payload is read, and where there is no room nothing is read, so memory is bounded per peer;
gRPC has a limit for a message, and buffers whole ones whether or not anybody asked for them. (4) A channel that breaks
resumes where it was, which gRPC leaves to its user. (5) No dependency besides `cryptography`. What is given up is
interoperability, which a protocol among equals that all run this program does not need.

What holds between two honest peers, whatever the others send: a frame is delivered at most once and unchanged, in a channel
that only these two can read; and exactly once where both processes live, the connection comes back, and neither the limits
of `Config.limits` nor `advance` have cut it off. Frames sent while the other is away are kept (`queue_bytes`) until it is back. A
peer that restarts gets what is still kept.

What a peer can do that is not honest: nothing to the channels of others, and use `inbox_bytes` + `frame_bytes` +
`queue_bytes` of memory here. Everything it does wrong is counted, see `mpcjax.net.faults`.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mpcjax.net.background import Background
from mpcjax.net.config import Config
from mpcjax.net.endpoint import Endpoint, listening
from mpcjax.net.errors import FrameError, Gone, Malformed, Silent
from mpcjax.net.flow import NOTICE, NOTICE_BYTES
from mpcjax.net.frame import Frame, Kind
from mpcjax.net.identity import Identity
from mpcjax.net.inbox import LAST
from mpcjax.net.roster import Roster, Who


class Channels(Roster):
    """The channels of the peer that `config.me` is. Methods may be called from any thread, `start` and `close` once.

    `listener`: a bound and listening socket instead of one at `config.listen`; it is closed in the end.
    """

    def __init__(self, config: Config, identity: Identity, *, listener: socket.socket | None = None):
        self._identity, self._listener = identity, listener
        self._background = Background(f"mpcjax-net-{config.me.name}")
        super().__init__(config, self._background.call)
        self._endpoint = Endpoint(config, identity, self._links)
        self._linger = 0.0
        self._floors = [(0, 0), (0, 0)]

    def start(self) -> None:
        """Listens, and connects with all others in the background. Raises `OSError` where the address is not to be had."""
        if self._listener is None:
            self._listener = listening(self.config.listen)
        self._background.start(self._main)

    async def _main(self, stop: asyncio.Event) -> None:
        assert self._listener is not None
        with self._listener as listener:
            running = asyncio.create_task(self._endpoint.run(listener))
            await stop.wait()
            await asyncio.gather(*(link.leave(self._linger) for link in self._others))
            running.cancel()
            await asyncio.wait({running})

    def close(self, linger: float = 2.0) -> None:
        """Says goodbye to everybody and ends. Waits up to `linger` seconds until those connected have what was sent."""
        self._linger = linger
        self._background.stop()
        if self._listener is not None:
            self._listener.close()

    def __enter__(self) -> Channels:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, peer: Who, frame: Frame) -> None:
        """Queues a DATA frame and returns. The array is kept by reference: leave it as it is.

        A peer that does not take its frames loses them: what passes `queue_bytes` empties its queue, ends the connection
        and counts as its `overflow`. Raises `FrameError` for a frame that cannot be sent.
        """
        link = self._link(peer)
        if frame.kind is not Kind.DATA:
            raise FrameError(f"kind is {frame.kind.name}, legal: DATA")
        most = self.config.limits.frame_bytes
        if frame.array.nbytes > most:
            raise FrameError(f"bytes of payload is {frame.array.nbytes}, legal: 0..{most}; raise limits.frame_bytes")
        if link.outbox.add(frame, urgent=frame.label == NOTICE):
            link.wake()
        else:
            link.faults.add("overflow", round=frame.round, attempt=frame.attempt, label=frame.label)
            link.drop()

    def notify(self, peer: Who, notice: np.ndarray) -> None:
        """Queues up to `NOTICE_BYTES` of uint8 for what the peer's `on_notice` gets, before all arrays that wait to be sent.

        Raises `FrameError` for more.
        """
        if notice.nbytes > NOTICE_BYTES:
            raise FrameError(f"bytes of a notice is {notice.nbytes}, legal: 0..{NOTICE_BYTES}; send several")
        self.send(peer, Frame(Kind.DATA, notice, round=LAST, label=NOTICE))

    def on_notice(self, heard: Callable[[int, np.ndarray], None]) -> None:
        """`heard(peer, notice)` is called in the loop's thread: it must be short. A peer that floods slows the loop down."""
        for index, link in enumerate(self._links):
            if link is not None:
                link.notice = functools.partial(heard, index)

    def on_anew(self, heard: Callable[[int], None]) -> None:
        """`heard(peer)` is called in the loop's thread when a peer that was connected is again, as another process."""
        for index, link in enumerate(self._links):
            if link is not None:
                link.anew = functools.partial(heard, index)

    def sign(self, context: str, statement: bytes) -> bytes:
        """By this peer, for this run: 64 bytes that `signed` knows."""
        return self._identity.sign(context, self._agreement + statement)

    def signed(self, peer: int, context: str, statement: bytes, signature: bytes) -> bool:
        """Whether the peer at this place (also this one) has signed that in this run."""
        return self.config.peers[peer].certificate.verify(context, self._agreement + statement, signature)

    def receive(
        self,
        peer: Who,
        *,
        round: int,
        attempt: int,
        label: str,
        dtype: npt.DTypeLike,
        shape: tuple[int, ...],
        deadline: float | None = None,
    ) -> np.ndarray:
        """What `peer` sent under this label, once; waits for it until `deadline`, a time of `time.monotonic()`.

        Without a deadline it is `limits.step_seconds` from now. Values are not looked at: words may be out of any field,
        floats not finite. Raises `Silent`, `Gone` or `Malformed`, each with the peer's name; `ValueError` for a message
        that was received before or whose round is over.
        """
        link = self._link(peer)
        until = time.monotonic() + self.config.limits.step_seconds if deadline is None else deadline
        frame = link.inbox.take((round, attempt, label), until, lambda: link.departed and not link.connected)
        if frame is None:
            raise (
                Silent(link.name, label, "did not come by the deadline")
                if link.connected
                else Gone(link.name, label, "it has left" if link.departed else "not connected at the deadline")
            )
        found, due = (frame.array.dtype, frame.array.shape), (np.dtype(dtype), tuple(shape))
        if found != due:
            link.faults.add("malformed", round=round, attempt=attempt, label=label)
            texts = (f"{dtype} {list(shape)}" for dtype, shape in (found, due))
            raise Malformed(link.name, label, "is {}, due: {}".format(*texts))
        return frame.array

    def forget(self, peer: Who, *, round: int, attempt: int, label: str) -> None:
        """What `peer` has sent under this label, or sends later, is dropped, as if it had been received."""
        self._link(peer).inbox.drop((round, attempt, label))

    def asking(self, asking: bool) -> None:
        """Whether others are asked for something that comes in the round `LAST`: what they sent for rounds makes way for it."""
        for link in self._others:
            link.inbox.asks(asking)

    def advance(self, round: int, attempt: int) -> None:
        """Now is this (round, attempt): what is older and arrives, or has arrived, is dropped and counted as `stale`.

        What was queued for others is dropped one step later, as they may be one step behind. Never goes back.
        """
        floor = max(self._floors[-1], (round, attempt))
        if floor == self._floors[-1]:
            return
        self._floors = [self._floors[-1], floor]
        for link in self._others:
            for _ in range(link.inbox.advance(floor)):
                link.faults.add("stale")
            link.outbox.forget_before(self._floors[0])
