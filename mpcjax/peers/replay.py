"""The dealing phase once more, from what one member was sent: what should it have said in the check of the dealings?

A member's part in that check is a function of what it was sent and of public coins. So whoever holds the former computes it
with the very program that members run; nothing else that the program takes matters, and zeros stand for it.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax._compat import x64_scope
from mpcjax.fabric import Mark
from mpcjax.peers.programs import OFFLINE, SEED, Programs
from mpcjax.phases import ALL, starting
from mpcjax.protocols import DEALING_CHECK
from mpcjax.rules import Public
from mpcjax.seeds import keys_of
from mpcjax.segments import Outside

Parts = dict[str, np.ndarray]  # of one dealing, by label


class _Said(Exception):
    """What the member says in the check, `[peer, R]`."""

    def __init__(self, what: np.ndarray):
        self.what = what
        super().__init__()


class _AsSent(Outside):
    """`told`: the bytes of all coins, in their order."""

    def __init__(self, dealings: dict[int, Parts], told: bytes):
        self.dealings, self.told = dealings, told

    def meet(self, mark: Mark, step: str, due: Any, *x: Any) -> Any:
        if mark.kind == "check":
            return None
        if mark.kind == "broadcast" and mark.label.startswith(DEALING_CHECK):
            raise _Said(np.asarray(x[0])[0])
        found = np.zeros(due.shape, due.dtype)
        if mark.kind == "told":
            found = np.frombuffer(self.told[: found.nbytes], found.dtype).reshape(found.shape)
            self.told = self.told[found.nbytes :]
        elif mark.kind == "peers":
            for peer, parts in self.dealings.items():
                found[0, peer] = parts.get(f"{mark.phase}/{mark.label}{step}", 0)
        return found


class Replay:
    """Of an attempt with these programs and public arguments. A call compiles nothing where a member's programs are."""

    def __init__(self, programs: Programs, public: Public):
        self.programs, self.public = programs, public

    @x64_scope
    def said(self, seat: int, dealings: dict[int, Parts], told: bytes) -> np.ndarray:
        """What the member at `seat`, sent these `dealings` by peer, has to say of all peers: `[peer, R]`."""
        programs = self.programs
        programs.compile(member=True)  # a peer without a seat may not have yet
        stocks, standing = programs.phases[OFFLINE].result
        stock, standing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), (stocks[0], standing))
        update = np.zeros((1, programs.setup.length), np.float32)
        state = starting(update, self.public, np.int32(0))
        where = np.array([seat], np.int32)
        try:
            programs.phases[ALL[0]].run(_AsSent(dealings, told), keys_of(SEED, 0, 0), where, stock, state, standing)
        except _Said as said:
            return said.what
        raise AssertionError("the dealing phase has no check")
