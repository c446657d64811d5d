"""What can go wrong between two peers, as types. Those about a peer name it, so that who decides about it need not parse."""

from __future__ import annotations

from typing import Any

from mpcjax.errors import MpcError


class FrameError(ValueError):
    """Bytes that are no frame, or a frame that cannot be sent: the message gives the value and the legal range."""


def require(ok: bool, what: str, value: Any, legal: str) -> None:
    """Raises `FrameError` unless `ok`."""
    if not ok:
        raise FrameError(f"{what} is {value!r}, legal: {legal}")


class NetworkError(MpcError):
    """A peer did not deliver what was due. `peer` is its name, `label` what was waited for."""

    def __init__(self, peer: str, label: str, what: str):
        self.peer, self.label = peer, label
        super().__init__(f"peer {peer!r}, message {label!r}: {what}")


class Silent(NetworkError):
    """Connected, and did not send by the deadline."""


class Gone(NetworkError):
    """Disconnected, and not back by the deadline; or it said that it leaves."""


class Malformed(NetworkError):
    """Sent something else under this label: another dtype or shape."""
