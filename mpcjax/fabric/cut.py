"""The program of one party, to be cut where it sends: tracing leaves marks there, and nothing is sent.

What stands between two marks is local and compiled; at a mark the host sends and waits (`mpcjax.segments`). The party's
place in the committee is an argument of the program, so all members run the same compiled code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import ShapedArray
from jax.extend.core import Primitive

from mpcjax.fabric.base import KEY, Fabric


@dataclasses.dataclass(frozen=True)
class Mark:
    """Where a program meets the outside.

    `kind` and what goes in and comes out:
    "exchange" `[1, receiver, ...]` to `[1, sender, ...]`; where `known [sender][receiver]`, nothing is sent, and the
    receiver takes a second argument of the result's shape. "broadcast" `[1, ...]` to `[sender, ...]`. "peers"
    `[member, 1, ...]` to `[1, peer, ...]`, sent to the members `to` (from, below), zeros at the others. "said" `[1, K]` to
    `[peer, 1 + K]`, whether it is present and what it says, the last `alike` as all do. "told": public, handed on. "shown":
    what members said `[member, peer, ...]` and who is disputed `[peer]`, to what they should have said.
    "check": a verdict and whom it proves corrupt `[member]`, to nothing.
    """

    kind: str
    phase: str
    label: str
    known: tuple[tuple[bool, ...], ...] = ()
    to: tuple[int, int] = (0, 0)
    alike: int = 0


mark_p = Primitive("mpcjax_mark")
mark_p.multiple_results = True


@mark_p.def_abstract_eval
def _(*_: Any, mark: Mark, out: tuple[tuple[tuple[int, ...], Any], ...]) -> list[Any]:
    return [ShapedArray(shape, dtype) for shape, dtype in out]


class Cut(Fabric):
    """One party at the place `seat`, int32 `[1]`, that may be traced; of a committee for `peers` peers, of whom this
    process is one."""

    traceable = True

    def __init__(self, parties: int, peers: int, seat: Any):
        super().__init__(parties, seat)
        self.peers, self._told = peers, 0

    def told(self, x: Any) -> Any:
        self._told += 1
        return self._mark("told", f"told#{self._told}", x.shape, x)

    def require(self, name: str, ok: Any, parties: Any = None) -> None:
        named = jnp.zeros((self.parties,), bool) if parties is None else parties
        mark_p.bind(ok, named, mark=Mark("check", self.ledger.phase, name), out=())

    def evidence(self, x: Any, said: Any, label: str, disputed: Any) -> Any:
        return self._received(self._mark("shown", label, said.shape, said, disputed))

    def peers_of(self, said: Any) -> int:
        return self.peers

    def _roll_call(self, said: Any, label: str, alike: int) -> tuple[Any, Any]:
        found = self._mark("said", label, (self.peers, 1 + said.shape[1]), said, alike=alike)
        return found[:, 0], found[:, 1:]

    def _exchange(self, x: Any, label: str) -> Any:
        return self._mark("exchange", label, x.shape, x)

    def _exchange_rest(self, x: Any, label: str, known: np.ndarray, expand: Callable[[], Any]) -> Any:
        who = tuple(tuple(bool(k) for k in row) for row in known)
        return self._mark("exchange", label, x.shape, x, expand(), known=who)

    def _broadcast(self, x: Any, label: str) -> Any:
        return self._mark("broadcast", label, (self.parties, *x.shape[1:]), x)

    def keys_to_members(self, keys: Callable[[], Any], known: int, label: str) -> Any:
        super().keys_to_members(keys, known, label)
        as_bytes = jax.lax.bitcast_convert_type(keys(), np.uint8).reshape(1, known, KEY)
        to_all = jnp.pad(jnp.swapaxes(as_bytes, 0, 1), ((0, self.parties - known), (0, 0), (0, 0)))
        received = self._mark("peers", label, (1, self.peers, KEY), to_all, to=(0, known))
        return jax.lax.bitcast_convert_type(received.reshape(self.peers, 8, 4), np.uint32)

    def _from_peers(self, x: Any, label: str, known: int, expand: Callable[[], Any] | None) -> Any:
        """The first `known` members expand; a branch, so that the others do not."""
        received = self._mark("peers", label, (1, self.peers, *x.shape[2:]), x, to=(known, self.parties))
        if not known or expand is None:
            return received
        return jax.lax.cond(self.rows[0] < known, lambda rest: expand(), lambda rest: rest, received)

    def _mark(self, kind: str, label: str, shape: tuple[int, ...], x: Any, *more: Any, **about: Any) -> Any:
        mark = Mark(kind, self.ledger.phase, label, **about)
        return mark_p.bind(x, *more, mark=mark, out=((tuple(shape), x.dtype),))[0]
