"""FLTrust: updates are weighted by their agreement with an update that everybody can compute."""

from __future__ import annotations

import dataclasses
from typing import Any

from mpcjax.certificates import Certificate, Norm
from mpcjax.rules._vectors import norm, unit
from mpcjax.rules.base import Public, Rule
from mpcjax.secret import Secret, mask, project, proportions, relu, rescale

DIRECTION_BITS = 28
TRUST_BITS = 20


@dataclasses.dataclass(frozen=True)
class FLTrust(Rule):
    """|g0| sum_i TS_i g_i / |g_i| / sum_i TS_i with trust scores TS_i = relu(cos(g_i, g0)) and g0 = reference.

    Without a server, g0 is an update on root data that all peers hold (or agree on): every peer computes it alone. The
    paper's root set has 100 samples. If no peer has positive trust the result is zero.

    Error against float64: trust scores and their proportions are rounded to 2^-20, messages to 2^-f: for n peers at most
    |g0| (2^-f + n 2^-20 (1 + 1 / sum_i TS_i)) per coordinate, typically 10^-5 |g0|. Weights are not used.
    Cost: one inner product per coordinate, two and one comparison per peer, one reciprocal.
    Weighted: large rounds run in groups of peers. Revealed: the output; trust scores stay secret.
    Reference: Cao, Fang, Liu, Gong 2021, "FLTrust: Byzantine-robust federated learning via trust bootstrapping".
    """

    name = "fltrust"
    paper = "Cao et al. 2021"
    needs = ("reference",)
    takes = ()

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

    def finish(self, combined: Any, public: Public) -> Any:
        return norm(public.reference) * combined
