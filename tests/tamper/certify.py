"""Certificates, with peers that may lie about everything: what they deal, their helper values, their answers."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import protocols
from mpcjax.certificates import Certificate, Dealt, Norm, Range, Signs, prove_equations, tests, to_check
from mpcjax.certificates.bits import powers, split
from mpcjax.certificates.norm import entries
from mpcjax.checks import verdict
from mpcjax.fields import Field
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.tamper.case import PEERS, Answer, Case
from tests.tamper.programs import peers_of

LENGTH = 4


@dataclasses.dataclass(frozen=True)
class Trial:
    """A certificate on messages of `LENGTH`, in a field: the program of a `Case` and what its peers are given."""

    certificate: Certificate
    field: Field

    @cached_property
    def bits(self) -> int:
        return self.certificate.fraction_bits(self.field, LENGTH, PEERS)

    def given(self, message: np.ndarray, claimed: np.ndarray | None = None, **repaired: Any) -> dict[str, Any]:
        """What the peers do: deal `message [n, d]` (any integers), and helpers and answers for `claimed [n, d]`.

        `repaired`: peers `[n]` that then make an equation hold by changing the lowest "bit" of their `helpers` or
        `responses` to whatever it takes; `more`: `[n]`, added to that bit; `lift`: `[n]`, added
        to a peer's first answer, whose bits are then those of the sum. `proof`: those that prove what holds of `claimed`.
        """
        message = np.asarray(message, object)
        claimed = message if claimed is None else claimed
        flags = {name: np.asarray(repaired.get(name, [False] * PEERS)) for name in ("helpers", "responses", "proof")}
        return {
            "message": self.field.from_int(message),
            "claimed": np.asarray(claimed).astype(np.int64),
            "more": self.field.from_int(repaired.get("more", [0] * PEERS)),
            "lift": np.asarray(repaired.get("lift", [0] * PEERS), np.int64),
            **flags,
        }

    def honest(self) -> dict[str, Any]:
        sign = np.array([[1, -1, 1, -1], [-1, -1, 1, 1], [1, 1, 1, 1]])
        return self.given(sign)

    def __call__(self, rt: Runtime, key: Any, given: dict[str, Any]) -> Answer:
        peers, certificate = protocols.dealers(rt, peers_of(key)), self.certificate
        message, claimed = jnp.asarray(given["message"]), jnp.asarray(given["claimed"])
        x = protocols.deal(rt, message, peers, "message")
        helpers = self._helpers(given, message, claimed)
        helper_shares = self._deal(rt, helpers, peers, "helpers")
        agreed = certificate.agree(protocols.coin(rt), LENGTH)
        responses = certificate.responses(self.field, claimed, self.bits, agreed)
        responses = self._repaired_responses(given, message, responses, agreed)
        dealt = Dealt(x, helper_shares, self._deal(rt, responses, peers, "responses"), self.bits)
        equations = certificate.equations(rt, agreed, protocols.coin(rt), dealt)
        proven = jnp.where(given["proof"][:, None], self.field.from_signed(claimed), message)
        proofs = prove_equations(rt, peers, equations, Dealt(proven, helpers, responses, self.bits), dealt)
        masks = protocols.deal_masks(rt, peers)
        well = protocols.check_dealings(rt, protocols.coin(rt), to_check(equations, proofs, dealt), masks)
        dealt, proofs = jax.tree.map(
            lambda part: jnp.where(well[None, :, None], part, 0) if part.ndim == 3 else part, (dealt, proofs)
        )
        opened_later = tests(rt, equations, proofs, dealt)
        protocols.verify(rt)
        opened = protocols.open_now(rt, opened_later, "output", output=True)
        passed = jnp.all(verdict("certificate", opened == 0), axis=-1)
        return Answer(self.field.zeros((1,)), passed & well)

    def _deal(self, rt: Runtime, values: Any, peers: Any, label: str) -> Any:
        if values.shape[-1]:
            return protocols.deal(rt, values, peers, label)
        return rt.field.zeros((len(rt.fabric.rows), *values.shape))

    def _helpers(self, given: dict[str, Any], message: Any, claimed: Any) -> Any:
        field, certificate = self.field, self.certificate
        honest = certificate.helpers(field, claimed, self.bits)
        if isinstance(certificate, Range):
            want = field.add(message, field.asarray(1 << (certificate.width - 1)))
            return _repaired(field, honest, want, certificate.width, given["helpers"], given["more"])
        if isinstance(certificate, Norm):
            reach = field.asarray(certificate.reach(self.bits, LENGTH) ** 2 % field.modulus)
            want = field.sub(reach, field.dot(message, message))[:, None]
            return _repaired(field, honest, want, honest.shape[-1], given["helpers"], given["more"])
        return honest

    def _repaired_responses(self, given: dict[str, Any], message: Any, honest: Any, agreed: Any) -> Any:
        field, certificate = self.field, self.certificate
        if not isinstance(certificate, Norm):
            return honest
        window = certificate.window(field)
        numbers = field.dot(honest.reshape(PEERS, -1, window + 1), powers(field, window + 1)).astype(jnp.int64)
        honest = split(field, numbers.at[:, 0].add(given["lift"]), window + 1).reshape(honest.shape)
        matrix = entries(agreed, certificate.rows, jnp.int8)
        projected = field.dot(message[:, None, :], field.from_signed(matrix)[None])
        want = field.add(projected, field.asarray(1 << window))
        return _repaired(field, honest, want, window + 1, given["responses"], field.zeros((PEERS,)))


def _repaired(field: Field, bits: Any, want: Any, width: int, chosen: Any, more: Any) -> Any:
    """`bits [n, k width]` with the lowest of each number changed, for `chosen` peers, so that they spell `want [n, k]`."""
    parts = bits.reshape(*want.shape, width)
    gap = jnp.where(chosen[:, None], field.sub(want, field.dot(parts, powers(field, width))), field.zeros(()))
    lowest = field.add(parts[..., 0], field.add(gap, more[:, None]))
    return jnp.concatenate([lowest[..., None], parts[..., 1:]], axis=-1).reshape(bits.shape)


def trial(certificate: Certificate, exponent: int, parties: int = 3, threshold: int = 1) -> tuple[Case, Trial]:
    scheme = Shamir(Field(exponent), parties, threshold)
    found = Trial(certificate, scheme.field)
    return Case(certificate.name, scheme, found, defaults=found.honest), found


SIGNS = trial(Signs(), 5)
SIGNS_61 = trial(Signs(), 61)
RANGE = trial(Range(limit=4.0, width=5), 61)
NORM = trial(Norm(limit=1.0, peers=PEERS), 61)
