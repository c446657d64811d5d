"""An ordinary JAX function of all updates as a rule."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax import _compat
from mpcjax.certificates import Certificate, Norm, Range
from mpcjax.jaxprs.interpret import Run, interpret
from mpcjax.jaxprs.tracing import call
from mpcjax.jaxprs.values import Value
from mpcjax.rules._settings import require_positive
from mpcjax.rules._vectors import clipped
from mpcjax.rules.base import Public, Rule
from mpcjax.secret import Secret, mask

CERTIFICATES = ("norm", "range")
BELOW = 1 - 2.0**-8  # of a power of two, which itself is the first number out of range


@dataclasses.dataclass(frozen=True)
class Secured(Rule):
    """See `secure`."""

    function: Callable[..., Any]
    limit: float
    checked: str
    bits: int
    name: str
    paper = "its author's"

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        if self.checked == "norm":
            return clipped(update, self.limit)
        return jnp.clip(update, -self.limit, min(self.limit, BELOW * 2.0 ** math.ceil(math.log2(self.limit))))

    def certificate(self, peers: int) -> Certificate:
        return Norm(self.limit, peers) if self.checked == "norm" else Range(self.limit)

    def combine(self, messages: Any, public: Public) -> Any:
        if isinstance(messages, Secret):
            return self._on_secrets(messages, public.accepted)
        rows = mask(messages, public.accepted)
        return call(self.function, *(rows, public.accepted)[: 1 + self._asks])

    def _on_secrets(self, messages: Secret, accepted: Any) -> Any:
        shapes = [jax.ShapeDtypeStruct(messages.shape, jnp.float32), jax.ShapeDtypeStruct(messages.shape[:1], bool)]
        with _compat.x32():  # as it is written for
            closed = jax.make_jaxpr(lambda *given: call(self.function, *given))(*shapes[: 1 + self._asks])
        # whom the committee accepts is not known while tracing: nor is it used where it happens to be
        given = [Value(messages, messages.shape), Value(accepted, messages.shape[:1])][: 1 + self._asks]
        run = Run(self.bits, max(self.bits, messages.scale))
        return interpret(run, *_compat.opened(closed), given)[0].full

    @property
    def _asks(self) -> bool:
        """Whether the function takes who is accepted."""
        return "accepted" in inspect.signature(self.function).parameters


def secure(
    function: Callable[..., Any], *, limit: float = 1.0, certificate: str = "norm", bits: int = 16, name: str = ""
) -> Rule:
    """Experimental: the rule that a function `[n, d] -> [d]` of all updates describes, in ordinary `jax.numpy`.

    Its plain run is the function; on secrets, its jaxpr is interpreted with the functions of `mpcjax.secret`. The primitives
    that are understood are a closed list (`mpcjax.jaxprs.table`): sums, products, comparisons, choices, order statistics,
    shapes, and jit, vmap, grad and loops of known length around them; what does not depend on the updates may be anything.
    All else is refused before anything runs, with the line of the function and what to use instead.

    Args:
        function: of `updates [n, d]` float32, or of `updates` and `accepted [n]` bool, if it has a parameter of this name.
            Rows of peers that are left out are zero. What follows from `accepted` is public, but not known while tracing:
            numbers need limits, as `jnp.maximum(accepted.sum(), 1)` or jnp.clip gives them.
        limit, certificate: the declared range of the inputs, to which peers clip and which is checked. "norm": the length of
            an update is at most `limit`. "range": no coordinate is larger than `limit`; of peers that do not clip, than the
            next power of two (which itself becomes 0.4 % less).
        bits: fractional bits of quotients and roots, and the fewest that factors are rounded to.
        name: of the rule; by default that of the function.

    Rounding: messages, public numbers, quotients and roots are, as `mpcjax.secret` says. A product of two numbers has the
    fractional bits of both. So a secret that is multiplied by a secret, divided, or under a root, and has more of them than
    messages have (and than `bits`), is rounded to the more of the two; a truncation each. A quotient of many secrets by
    the same one is a product with its inverse, of `bits` fractional bits. `jnp.floor(x * 2**k + 0.5) / 2**k` rounds explicitly.
    The messages get as many fractional bits as all of it has room for; without room, a `BoundError` with the line.

    Numbers that follow from updates are bool, int32 or float32; other types, whole numbers that may not fit theirs, quotients
    of whole numbers and what prints them (jax.debug.print) are refused.

    Division by a secret needs its least value: `x / jnp.maximum(y, least)`. A negative number has the root 0 on secrets.
    Cost: as of `mpcjax.secret`; see `mpcjax.estimate`. Revealed: the output.
    """
    if not callable(function):
        raise ValueError(f"secure of {function!r}: legal is a function of updates [n, d] that returns [d]")
    require_positive("limit", limit, "the range of the updates")
    if certificate not in CERTIFICATES:
        raise ValueError(f"certificate={certificate!r}: legal are {' and '.join(map(repr, CERTIFICATES))}")
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 24:
        raise ValueError(f"bits={bits!r}: legal are 1 to 24 fractional bits")
    return Secured(function, float(limit), certificate, bits, name or getattr(function, "__name__", "secure"))
