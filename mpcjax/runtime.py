"""One party's (or, in the simulator, all parties') view of a running computation.

Protocol functions take a `Runtime` first. It knows the scheme, the fabric, this process's randomness and the offline
material, collects the claims that are still to be verified and the verdicts of the checks made so far.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax.checks import verdict
from mpcjax.errors import Abort, OrderError
from mpcjax.fabric import Fabric
from mpcjax.fields import Field
from mpcjax.prg import Stream
from mpcjax.sharing import Shamir
from mpcjax.spreading import WHOLE, Spread

SECURITY_BITS = 40  # every check lets a wrong value pass with probability at most 2**-40


PARTS = {"random": 1, "double": 2, "zero": 1, "bit": 1, "triple": 3}  # arrays per item of material


class Material(abc.ABC):
    """Where protocols take correlated randomness from; every item is handed out once.

    `take(kind, shape)` gives a tuple of arrays `[rows, *shape]`: one for "random" and "bit" (degree t), two for
    "double" (the same secret with degree t and 2t), one for "zero" (of degree 2t), three for "triple" (a, b, ab with degree t).
    """

    @abc.abstractmethod
    def take(self, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]: ...


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Dots:
    """Claims z[j] = sum_l x[j, l] y[j, l]: arrays `[rows, J, L]`, `[rows, J, L]`, `[rows, J]`."""

    x: Any
    y: Any
    z: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scaled:
    """Claims z[j, l] = s[j] x[j, l]: `s [rows, J]`, `x [rows, J, L]`, `z [rows, J, L]`. J terms in `verify`, not J L."""

    s: Any
    x: Any
    z: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Squares:
    """Claims z[j] = sum_l w[l] x[j, l]**2 with public weights `w [L]`: `[rows, J, L]`, `[rows, J]`."""

    x: Any
    weights: Any
    z: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Combination:
    """Claims z[l] = sum_j w[j] x[j, l]: `w [rows, J]`, `x [rows, J, L]`, `z [rows, L]`."""

    w: Any
    x: Any
    z: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class RowsTimes:
    """Claims z[j] = sum_l x[j, l] y[l]: `x [rows, J, L]`, `y [rows, L]`, `z [rows, J]`."""

    x: Any
    y: Any
    z: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Gram:
    """Claims z[i, j] = sum_l x[i, l] x[j, l] for all i, j: `x [rows, n, L]`, `z [rows, n, n]`, symmetric."""

    x: Any
    z: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Projected:
    """Claims z[r] = sum_j w[j] y[r, j], one for every try of `verify`: `w [rows, J]`, `y [rows, R, J]`, `z [rows, R]`.

    They stand for the claim of a `Combination` along R public directions drawn beforehand (`protocols.parted`).
    """

    w: Any
    y: Any
    z: Any


MERGED = (Dots, Scaled)  # many of the same length are one claim, along axis 1
Claim = Dots | Scaled | Squares | Combination | RowsTimes | Gram | Projected


class Runtime:
    """State of one phase of a computation. Lives as long as a trace; nothing in it outlives the phase."""

    def __init__(self, scheme: Shamir, fabric: Fabric, stream: Stream, material: Material, spread: Spread = WHOLE):
        self.spread = spread
        self.scheme, self.fabric, self.stream, self.material = scheme, fabric, stream, material
        self.field: Field = scheme.field
        fabric.canonical = self._canonical
        self.products: list[Claim] = []
        self.zeros: list[Any] = []  # sharings [rows, K] that must be sharings of zero of degree t
        self.verdicts: list[tuple[str, Any]] = []
        self.accused: Any = jnp.zeros((scheme.parties,), bool)  # members whose shares had to be corrected
        self.verifications = 0  # calls of `verify`
        self.steps = 1  # how many times what is asked of this runtime happens (see `protocols.repeat`)
        self.closed = ""  # what runs now and declares no output of its own, such as a rule's combine
        self._count = 0

    def _canonical(self, x: Any) -> Any:
        return self.field.reduce(x) if x.dtype == self.field.dtype else x

    def take(self, kind: str, shape: tuple[int, ...]) -> Any:
        """Offline material `[rows, *shape]`; a tuple for the kinds that have several parts."""
        parts = self.material.take(kind, tuple(shape))
        return parts[0] if len(parts) == 1 else parts

    def fresh(self, label: str) -> str:
        """A label used nowhere else in this phase: messages and randomness are told apart by it."""
        self._count += 1
        return f"{label}#{self._count}"

    def check(self, name: str, ok: Any, *, parties: Any = None) -> None:
        """Require `ok` (public, same at every party). Raises `Abort` at once where values are concrete.

        Inside a trace the verdict joins `verified`, which gates every later opening of an output.
        `parties`: `[m] bool`, the members this check proves corrupt when it fails.
        """
        ok = jnp.all(verdict(name, ok))
        if parties is not None:
            self.accuse(parties & ~ok)
        if _compat.is_concrete(ok) and not bool(ok):
            named = [] if parties is None else np.flatnonzero(np.asarray(parties)).tolist()
            raise Abort(name, phase=self.fabric.ledger.phase, round=self.fabric.ledger.rounds, parties=named)
        self.fabric.require(name, ok, parties)
        self.verdicts.append((name, ok))

    def accuse(self, bad: Any) -> None:
        """Record the members `bad [m]` whose wrong shares were corrected, or who were proven to lie.

        What follows a failed check proves nothing: on inconsistent material an honest share can look wrong.
        """
        self.accused = self.accused | (bad & self.verified)

    @property
    def verified(self) -> Any:
        """Whether every check so far has passed: a public boolean scalar."""
        return jnp.all(jnp.stack([ok for _, ok in self.verdicts])) if self.verdicts else jnp.array(True)

    def gate(self, shares: Any) -> Any:
        """`shares`, or zeros when a check has failed: what a party that aborted would (not) send."""
        return jnp.where(self.verified, shares, jnp.zeros_like(shares))

    def require_settled(self, what: str) -> None:
        """Ordering law 3: nothing declared opens while claims are pending, and nothing but what is declared."""
        if self.closed:
            raise OrderError(
                f"{what!r} would open within {self.closed}, which declares no output but its result. Return what shall be "
                "public as the result, and go on from it in Rule.finish"
            )
        if self.products or self.zeros:
            raise OrderError(
                f"{what} would open with {len(self.products)} products and {len(self.zeros)} openings unverified"
            )

    def claim(self, product: Claim) -> None:
        self.products.append(product)

    def claim_zero(self, shares: Any) -> None:
        self.zeros.append(shares.reshape(shares.shape[0], -1))

    def repetitions(self, error: float) -> int:
        """How many independent tries bring a soundness error of `error` per try to at most 2**-SECURITY_BITS."""
        return max(1, math.ceil(SECURITY_BITS * math.log(2) / -math.log(error)))
