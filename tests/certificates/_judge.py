"""What a certificate says about messages, with shares dealt by the test; that claims are settled is tested elsewhere."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.certificates import Certificate, Dealt, tests
from mpcjax.fabric import Simulated
from mpcjax.fields import Field
from mpcjax.offline import Stock, count
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.sharing._haste import hasty
from tests.tamper.material import dealt, uniform

FIRST, SECOND = bytes(range(32)), bytes(range(32, 64))


class Judge:
    """One compiled program for a certificate on messages `[peers, length]` encoded with `bits` fractional bits."""

    def __init__(self, certificate: Certificate, field: Field, length: int, bits: int):
        self.certificate, self.scheme, self.bits = certificate, Shamir(field, 3, 1), bits
        self.agreed = certificate.agree(Stream.from_seed(FIRST), length)
        self.program: Any = None

    def answers(self, message: Any) -> tuple[np.ndarray, np.ndarray]:
        """What honest peers deal besides `message [n, d]`: helpers and responses."""
        field, message = self.scheme.field, jnp.asarray(np.asarray(message, np.int32))
        helpers = self.certificate.helpers(field, message, self.bits)
        return np.array(helpers), np.array(self.certificate.responses(field, message, self.bits, self.agreed))

    def accepts(self, message: Any, helpers: Any = None, responses: Any = None) -> list[bool]:
        """Who is accepted with `message [n, d]` (integers, taken mod p) and what they deal with it, by default honestly."""
        message = np.asarray(message, object)
        if helpers is None or responses is None:
            honest = self.answers(message)
            helpers = honest[0] if helpers is None else helpers
            responses = honest[1] if responses is None else responses
        parts = [jnp.asarray(self.scheme.field.from_int(message)), jnp.asarray(helpers), jnp.asarray(responses)]
        self.program = self.program or self._compiled(parts)
        opened = np.asarray(self.program(jax.random.key(0), parts))
        return [bool(peer) for peer in np.all(opened == 0, axis=-1)]

    def _compiled(self, parts: list[Any]) -> Any:
        scheme, field = self.scheme, self.scheme.field

        def judged(rt: Runtime, shares: list[Any]) -> Any:
            dealt_ = Dealt(*shares, self.bits)
            equations = self.certificate.equations(rt, self.agreed, Stream.from_seed(SECOND), dealt_)
            return tests(rt, equations, (None,) * len(equations), dealt_)  # so short that the committee works it out

        zeros = [field.zeros((scheme.parties, *part.shape)) for part in parts]
        demand, _ = count(lambda rt: judged(rt, zeros), scheme)

        def program(key: Any, parts: list[Any]) -> Any:
            keys = jax.random.split(key, 4)
            shares = [scheme.share(v, uniform(field, k, (1, *v.shape))) for k, v in zip(keys, parts, strict=False)]
            material: Stock = dealt(scheme, keys[3], demand)
            rt = Runtime(scheme, Simulated(scheme.parties), None, material)  # type: ignore[arg-type]
            return scheme.reconstruct(judged(rt, shares))

        return hasty(program)
