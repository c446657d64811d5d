"""The first frame on a connection, both ways: that we mean the same run, and where the sequence of frames goes on.

`memory` is a random name of what a process remembers: a peer that restarts has another one. With `known`, the other's
memory as last seen, `received` says how far the other's frames have come.
"""

from __future__ import annotations

import dataclasses
import struct

from mpcjax.net.errors import FrameError
from mpcjax.net.frame import Frame, Kind, control

MEMORY_BYTES = 16
UNKNOWN = bytes(MEMORY_BYTES)
_LAYOUT = struct.Struct(f"<32s32s32s{MEMORY_BYTES}s{MEMORY_BYTES}sQ")


@dataclasses.dataclass(frozen=True)
class Greeting:
    agreement: bytes
    consortium: bytes
    run: bytes
    memory: bytes
    known: bytes = UNKNOWN
    received: int = 0

    def frame(self) -> Frame:
        return control(Kind.HELLO, _LAYOUT.pack(*dataclasses.astuple(self)))

    @classmethod
    def parse(cls, payload: bytes) -> Greeting:
        """Raises `FrameError` where the length is another."""
        if len(payload) != _LAYOUT.size:
            raise FrameError(f"length of a greeting is {len(payload)}, legal: {_LAYOUT.size}")
        return cls(*_LAYOUT.unpack(payload))

    def disagreement(self, other: Greeting) -> str:
        """Why these two may not talk, for people to read; empty where they may."""
        if self.agreement == other.agreement:
            return ""
        parts = []
        if self.consortium != other.consortium:
            parts.append("[consortium] (its name, or its peers, their order or certificates)")
        if self.run != other.run:
            parts.append("[run]")
        differing = " and ".join(parts) or "how the agreement is computed"
        return f"the configurations differ in {differing}; make these parts of peer.toml the same for all peers"
