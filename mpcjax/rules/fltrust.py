"""FLTrust: updates are weighted by their agreement with an update that everybody can compute."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.certificates import Certificate, Norm, Trust, along_reference
from mpcjax.rules._vectors import inner_products, norm, scaled, unit
from mpcjax.rules.base import Public, Rule
from mpcjax.secret import Secret, mask, project, proportions, quotients, relu, rescale

DIRECTION_BITS = 28
TRUST_BITS = 20
ALIGNED = 16  # messages are filled up to a multiple of so many numbers: odd ones take a third longer
SHORTER = 2.0**-20  # what float32 adds to a length of 1 is less


class _OfReference(Rule):
    """What both forms have in common."""

    name = "fltrust"
    paper = "Cao et al. 2021"
    needs = ("reference",)
    takes = ()

    def finish(self, combined: Any, public: Public) -> Any:
        return norm(public.reference) * combined


@dataclasses.dataclass(frozen=True)
class FLTrust(_OfReference):
    """|g0| sum_i TS_i g_i / |g_i| / sum_i TS_i with trust scores TS_i = relu(cos(g_i, g0)) and g0 = reference.

    Without a server, g0 is an update on root data that all peers hold (or agree on): every peer computes it alone. The
    paper's root set has 100 samples. If no peer has positive trust, as where g0 is zero, the result is zero.

    As g0 is public every peer knows its own trust score: it sends (TS_i g_i / |g_i|, TS_i) and proves that the one belongs to
    the other (`certificates.trust`). What is left is a sum over the peers, and one division of it.

    Error against float64: messages are rounded toward zero to f fractional bits: for n peers at most |g0| (n 2^-f + 2^-19)
    (1 + 1 / sum_i TS_i) per coordinate, typically 10^-6 |g0| for sum_i TS_i of 1 and more. Scores are along g0 in some
    20 bits of its largest coordinate: 2^-21 sqrt(d) beside it where that stands out from 10^6 others. Weights are not used.
    A poisoned peer may weigh more than it agrees: with a tolerance of some 2^-16 + 3 sqrt(d) 2^-f, up to sqrt(tolerance) for an
    update across g0 (0.004 for d = 1000, 0.016 for 10^6), up to the tolerance for one against it. That counts beside the honest
    sum_i TS_i; where this is zero the poisoned peers decide on the result, which is never larger than |g0| in a coordinate.
    Cost: two openings per coordinate, two inner products per peer and one in public, one reciprocal. Additive: large rounds run
    in groups of peers. Revealed: the output; trust scores and their sum stay secret.
    Reference: Cao, Fang, Liu, Gong 2021, "FLTrust: Byzantine-robust federated learning via trust bootstrapping".
    """

    additive = True

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        x, _ = scaled(update)
        square, along = inner_products((x, x), (x, unit(_along(public.reference))))
        length = jnp.sqrt(jnp.where(square > 0, square, 1))
        score = jnp.maximum(along / length, 0)
        # written into zeros: a loop that fills up what it computes is not vectorised
        filled = jnp.zeros((self.message_length(update.shape[0]),), jnp.float32)
        filled = jax.lax.dynamic_update_slice(filled, x * (score / length * (1 - SHORTER)), (0,))
        return jax.lax.dynamic_update_slice(filled, score[None], (filled.shape[0] - 1,))

    def message_length(self, length: int) -> int:
        return -(-(length + 1) // ALIGNED) * ALIGNED

    def certificate(self, peers: int) -> Certificate:
        return Trust(peers=peers)

    def combine(self, messages: Any, public: Public) -> Any:
        return mask(messages, public.accepted).sum(axis=0)

    def settle(self, total: Any, public: Public) -> Any:
        # no coordinate of an update is larger than its score
        length = public.reference.shape[0]
        return quotients(total[:length], total[-1:], bits=TRUST_BITS, most=1)

    def of_means(self) -> Rule:
        return FLTrustOfMeans()


@dataclasses.dataclass(frozen=True)
class FLTrustOfMeans(_OfReference):
    """`FLTrust` of means of normalized updates, whose trust scores nobody knows: the committee works them out.

    Error against float64: trust scores and their proportions are rounded to 2^-20, messages to 2^-f: for n means at most
    |g0| (2^-f + n 2^-20 (1 + 1 / sum_i TS_i)) per coordinate, typically 10^-5 |g0|. Weights are not used.
    Cost: one inner product per coordinate, two and one comparison per mean, one reciprocal. Weighted. Revealed: the output.
    """

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return unit(update)

    def certificate(self, peers: int) -> Certificate:
        return Norm(1.0, peers)

    def score(self, messages: Any, public: Public) -> Any:
        # what the certificate lets through is longer than 1 where few fractional bits are left
        longest = messages.bound / 2.0**messages.scale if isinstance(messages, Secret) else 1.0
        return project(messages, unit(public.reference), bits=DIRECTION_BITS, bound=1.01 * max(longest, 1.0))

    def weigh(self, scores: Any, public: Public) -> Any:
        trust = rescale(mask(relu(scores), public.accepted), TRUST_BITS)
        return proportions(trust, TRUST_BITS)


def _along(reference: Any) -> Any:
    return along_reference(reference).astype(jnp.float32)
