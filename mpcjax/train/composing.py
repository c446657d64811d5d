"""Rules by name with the numbers of a run: ``"krum"``, or composed, ``"bucketing(nearest_neighbour_mixing(krum))"``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import mpcjax
from mpcjax import rules

if TYPE_CHECKING:
    from mpcjax.train.settings import Settings

BUCKET = 2

# What goes before a rule; of (the settings of the run, the rule).
BEFORE: dict[str, Callable[[Settings, mpcjax.Rule], mpcjax.Rule]] = {
    "bucketing": lambda run, rule: rules.bucketing(rule, size=BUCKET),
    "nearest_neighbour_mixing": lambda run, rule: rules.nearest_neighbour_mixing(rule, f=run.malicious),
    "clipping": lambda run, rule: rules.clipping(_gram(rule), limit=run.clip),
    "adaptive_clipping": lambda run, rule: rules.adaptive_clipping(_gram(rule), f=run.malicious),
}
# Of (the settings of the run, how many vectors the rule gets).
ALONE: dict[str, Callable[[Settings, int], mpcjax.Rule]] = {
    "mean": lambda run, peers: rules.mean(),
    "norm_bounded": lambda run, peers: rules.norm_bounded(limit=run.clip),
    "centered_clipping": lambda run, peers: rules.centered_clipping(clip=run.clip),
    "rsa": lambda run, peers: rules.rsa(lam=run.penalty),
    "sign_majority": lambda run, peers: rules.sign_majority(),
    "fltrust": lambda run, peers: rules.fltrust(),
    "krum": lambda run, peers: rules.krum(f=run.malicious),
    "multi_krum": lambda run, peers: rules.multi_krum(f=run.malicious),
    "geometric_median": lambda run, peers: rules.geometric_median(),
    # the malicious peers are the last: peer 0 stands for one that all trust
    "monna": lambda run, peers: rules.monna(f=run.malicious, pivot=0),
    "minimum_diameter_averaging": lambda run, peers: _affordable(run.malicious, peers),
    "median": lambda run, peers: rules.median(limit=run.limit, width=run.width),
    "trimmed_mean": lambda run, peers: rules.trimmed_mean(limit=run.limit, width=run.width, f=run.malicious),
    "mean_around_median": lambda run, peers: rules.mean_around_median(
        limit=run.limit, width=run.width, f=run.malicious
    ),
    # which takes no more than a quarter
    "bulyan": lambda run, peers: rules.bulyan(limit=run.limit, width=run.width, f=min(run.malicious, (peers - 3) // 4)),
}


def names(rule: str) -> list[str]:
    """The rules in a composition from the outermost to the innermost; `ValueError` for what is none."""
    found = rule.rstrip(")").split("(")
    closed = len(rule) - len(rule.rstrip(")")) == len(found) - 1
    if not closed or found[-1] not in ALONE or any(name not in BEFORE for name in found[:-1]):
        raise ValueError(
            f"rule={rule!r}: legal are {', '.join(ALONE)}, also in the brackets of {', '.join(BEFORE)}, as in "
            "'bucketing(multi_krum)'"
        )
    return found


def compose(settings: Settings) -> mpcjax.Rule:
    """The rule that ``settings.rule`` names, for its peers and its numbers."""
    *before, last = names(settings.rule)
    peers = settings.peers
    for name in before:
        peers = -(-peers // BUCKET) if name == "bucketing" else peers
    rule = ALONE[last](settings, peers)
    for name in reversed(before):
        rule = BEFORE[name](settings, rule)
    return rule


def _gram(rule: mpcjax.Rule) -> rules.GramRule:
    return rule  # pyright: ignore[reportReturnType] - the rule says itself what it refuses


def _affordable(malicious: int, peers: int) -> mpcjax.Rule:
    """Minimum-diameter averaging with the largest f, up to ``malicious``, for which there are not too many subsets."""
    for f in range(malicious, 0, -1):
        rule = rules.minimum_diameter_averaging(f=f)
        try:
            rule.require(peers)
        except ValueError:
            continue
        return rule
    return rules.minimum_diameter_averaging(f=0)
