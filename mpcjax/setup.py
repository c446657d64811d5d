"""All that is static about a round, and how many fractional bits there is room for in it."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from mpcjax._collector import collecting_later
from mpcjax._compat import x64_scope
from mpcjax.certificates import Certificate
from mpcjax.errors import BoundError
from mpcjax.offline import count
from mpcjax.rules import Public, Rule, call
from mpcjax.runtime import Runtime
from mpcjax.secret import Secret
from mpcjax.sharing import Shamir
from mpcjax.spreading import WHOLE, Spread

AT_ONCE = 2  # groups of peers, or blocks of parameters, that are handled at the same time


@dataclasses.dataclass(frozen=True)
class Setup:
    """All that is static about a round: hashable, the key of its compiled programs.

    `groups`: how many groups of peers are handled, `AT_ONCE` at a time; `total`: in a group, the peers of all. `blocks`: how
    many blocks of parameters, of all peers; one of the two is 1.
    `spread`: over which devices messages are spread; the phases then see slices of them.
    """

    scheme: Shamir
    rule: Rule
    peers: int
    length: int
    fraction_bits: int | None = None
    groups: int = 1
    total: int | None = None
    spread: Spread = WHOLE
    blocks: int = 1

    @property
    def parts(self) -> int:
        """How many groups or blocks there are."""
        return self.groups * self.blocks

    @property
    def block(self) -> int:
        """How many parameters a block has; all of them where there is one."""
        return -(-self.length // self.blocks)

    @property
    def lanes(self) -> list[range]:
        """The numbers of the parts that follow one another; lanes go side by side. One lane where devices talk."""
        count = 1 if self.spread.axis is not None else min(AT_ONCE, self.parts)
        return [range(first, self.parts, count) for first in range(count)]

    @property
    def part(self) -> Setup:
        """One of the groups or blocks; all have the same size, the last is filled up: by peers that do not count, or by the last
        parameter."""
        if self.blocks > 1:
            return dataclasses.replace(self, length=self.block, fraction_bits=self.bits, blocks=1, total=self.peers)
        return dataclasses.replace(self, peers=-(-self.peers // self.groups), groups=1, total=self.peers)

    @property
    def at_once(self) -> Setup:
        """The same without groups or blocks."""
        return dataclasses.replace(self, groups=1, blocks=1)

    @property
    def everyone(self) -> int:
        """The peers of all groups."""
        return self.total or self.peers

    @property
    def certificate(self) -> Certificate:
        found = self.rule.certificate(self.everyone)
        if not isinstance(found, Certificate):
            raise TypeError(
                f"rule {self.rule.name!r}: certificate returned {found!r}; legal are certificates of mpcjax.certificates, such "
                "as Norm(limit, peers): what the committee checks of every message"
            )
        return found

    @property
    def message_length(self) -> int:
        return self.rule.message_length(self.length)

    @property
    def summed_length(self) -> int:
        """How many numbers `combine` gives."""
        return self.message_length if self.rule.settles else self.length

    @property
    def bits(self) -> int:
        """Fractional bits of the messages: as many as there is room for, or fewer if asked."""
        most = _room(self.scheme, self.rule, self.everyone, self.block)
        least = self.certificate.least_bits(self.message_length)
        if most < least:
            raise ValueError(
                f"rule {self.rule.name!r}: {self.everyone} messages of length {self.message_length} have room for {most} "
                f"fractional bits in the field of {self.scheme.field.exponent} bits, and what is checked about them needs "
                f"{least}; use a larger field or fewer peers"
            )
        if self.fraction_bits is None:
            return most
        if not isinstance(self.fraction_bits, (int, np.integer)) or not least <= self.fraction_bits <= most:
            raise ValueError(
                f"fraction_bits={self.fraction_bits}: legal are whole numbers from {least} to {most} for this rule, field and "
                "length; leave it out for the most, or lower the rule's limit for more"
            )
        return self.fraction_bits

    @property
    def bound(self) -> int:
        """Largest magnitude of a coordinate of an accepted message, in units of 2^-bits."""
        return self.certificate.bound(self.bits, self.message_length)


@lru_cache(maxsize=256)
@collecting_later()
def _room(scheme: Shamir, rule: Rule, peers: int, length: int) -> int:
    """The most fractional bits that the certificate allows and at which nothing in `combine` could leave the field.

    Where there is no room for even none, the `BoundError` of the operation.
    """
    certificate = Setup(scheme, rule, peers, length).certificate
    most = certificate.fraction_bits(scheme.field, rule.message_length(length), peers)
    refusal = _refusal(scheme, rule, peers, length, most)
    if refusal is None:
        return most
    if most:
        refusal = _refusal(scheme, rule, peers, length, 0)
    if refusal is not None:
        raise refusal
    good, bad = 0, most
    while bad - good > 1:
        bits = (good + bad) // 2
        good, bad = (good, bits) if _refusal(scheme, rule, peers, length, bits) else (bits, bad)
    return good


@x64_scope
def _refusal(scheme: Shamir, rule: Rule, peers: int, length: int, bits: int) -> BoundError | None:
    """What `combine` meets with so many fractional bits, found on shapes alone."""
    width = rule.message_length(length)
    bound = rule.certificate(peers).bound(bits, width)

    def program(rt: Runtime) -> None:
        reference = jnp.zeros((length,), jnp.float32) if "reference" in rule.needs else None
        shares = scheme.field.zeros((scheme.parties, peers, width))
        public = Public.of(peers, length, reference=reference)
        combined = call(rule, "combine", Secret(rt, shares, bits, bound), public)
        if rule.settles:
            call(rule, "settle", combined, public)

    try:
        count(program, scheme)
    except BoundError as error:
        return error
    return None
