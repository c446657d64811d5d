"""Tampering as data: one compiled program takes any error on any message, and any check switched off, as arguments.

A hook adds errors mod p to what corrupt parties send. Which message, whose, where and by how much are traced arrays, so
a program is compiled once and then run, under `vmap`, on thousands of attacks.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import checks
from mpcjax.fabric import Message
from mpcjax.fields import Field

ALL = -1  # as `position`: every element of the message


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Additive:
    """Add `errors[sender]` (zero for the honest) to element `position` of what each sends as message number `message`.

    A sender's message is taken flat, receivers first; `position` counts modulo its size, `ALL` is all of it. Messages
    are numbered as the program sends them; a negative number tampers with nothing.
    """

    message: Any
    errors: Any
    position: Any


@dataclasses.dataclass(frozen=True)
class Sent:
    """What a dry run learns about a message: `senders` many, each of `size` elements."""

    phase: str
    label: str
    kind: str
    senders: int
    size: int


class Hook:
    """The fabric's tamper hook for an `Additive` attack; lists the messages and watches the outputs.

    `leaked`: whether shares of a declared output went out although a check had failed (`verified` says so).
    """

    def __init__(self, field: Field, attack: Additive | None = None):
        self.field, self.attack = field, attack
        self.sent: list[Sent] = []
        self.verified: Callable[[], Any] | None = None
        self.leaked: Any = jnp.array(False)

    def __call__(self, message: Message, x: Any) -> Any:
        number, axis = len(self.sent), 1 if message.kind == "peers" else 0
        rows = jnp.moveaxis(x, axis, 0)
        flat = rows.reshape(rows.shape[0], -1)
        self.sent.append(Sent(message.phase, message.label, message.kind, *flat.shape))
        own_shares = message.label.startswith("output") and not message.label.endswith("from king")
        if own_shares and self.verified is not None:
            self.leaked = self.leaked | (jnp.any(x != 0) & ~self.verified())
        if self.attack is None or x.dtype != self.field.dtype:
            return x
        place = jnp.arange(flat.shape[1])
        hit = (place == self.attack.position % flat.shape[1]) | (self.attack.position == ALL)
        errors = jnp.where(self.attack.message == number, self.attack.errors[: flat.shape[0]], self.field.zeros(()))
        moved = self.field.add(flat, jnp.where(hit, errors[:, None], self.field.zeros(())))
        return jnp.moveaxis(moved.reshape(rows.shape), 0, axis)


@contextmanager
def switched_off(off: Mapping[str, Any]) -> Iterator[None]:
    """Every check `name` passes where `off[name]` (a bool, may be traced); the others work as ever."""

    def verdict(name: str, ok: Any) -> Any:
        checks.CATALOGUE[name]
        return ok | off[name] if name in off else ok

    honest = checks.verdict  # `checks` is among the patched
    patched = [module for module in _modules() if getattr(module, "verdict", None) is honest]
    for module in patched:
        module.verdict = verdict  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in patched:
            module.verdict = honest  # type: ignore[attr-defined]


def _modules() -> list[Any]:
    return [module for name, module in list(sys.modules.items()) if name.startswith(("mpcjax.", "tests.tamper."))]


def switches(off: Any) -> dict[str, Any]:
    """A bool array over the catalogue, as `switched_off` takes it."""
    return {name: off[k] for k, name in enumerate(checks.CATALOGUE)}


def only(*names: str) -> np.ndarray:
    """The bool array that switches `names` off and nothing else."""
    return np.array([name in names for name in checks.CATALOGUE])
