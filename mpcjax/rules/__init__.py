"""Aggregation rules, one a file."""

from __future__ import annotations

import difflib
import reprlib
from typing import Any

import jax

from mpcjax.rules._coordinates import OrderRule
from mpcjax.rules._gram import GramRule
from mpcjax.rules._mixing import PreAggregator
from mpcjax.rules.additivity import require_additive, require_coordinatewise
from mpcjax.rules.base import Public, Rule
from mpcjax.rules.bucketing import Bucketing
from mpcjax.rules.bulyan import Bulyan
from mpcjax.rules.calling import call, explained
from mpcjax.rules.centered_clipping import CenteredClipping
from mpcjax.rules.clipping import AdaptiveClipping, Clipping
from mpcjax.rules.fltrust import FLTrust
from mpcjax.rules.geometric_median import GeometricMedian
from mpcjax.rules.krum import Krum, MultiKrum
from mpcjax.rules.mean import Mean
from mpcjax.rules.mean_around_median import MeanAroundMedian
from mpcjax.rules.minimum_diameter_averaging import MinimumDiameterAveraging
from mpcjax.rules.monna import Monna
from mpcjax.rules.nearest_neighbour_mixing import NearestNeighbourMixing
from mpcjax.rules.norm_bounded import NormBounded
from mpcjax.rules.rsa import RSA
from mpcjax.rules.sign_majority import SignMajority
from mpcjax.rules.trimmed_mean import Median, TrimmedMean

_ALL: tuple[type[Rule], ...] = (
    Mean, RSA, CenteredClipping, FLTrust, Krum, MultiKrum, GeometricMedian, Monna, MinimumDiameterAveraging, NormBounded,
    SignMajority, Median, TrimmedMean, MeanAroundMedian, Bulyan, Bucketing, NearestNeighbourMixing, Clipping,
    AdaptiveClipping,
)  # fmt: skip
RULES: dict[str, type[Rule]] = {rule.name: rule for rule in _ALL}

mean, rsa, centered_clipping, fltrust = Mean, RSA, CenteredClipping, FLTrust
krum, multi_krum = Krum, MultiKrum
geometric_median, monna, minimum_diameter_averaging = GeometricMedian, Monna, MinimumDiameterAveraging
norm_bounded, sign_majority = NormBounded, SignMajority
bucketing, nearest_neighbour_mixing = Bucketing, NearestNeighbourMixing
clipping, adaptive_clipping = Clipping, AdaptiveClipping
median, trimmed_mean, mean_around_median, bulyan = Median, TrimmedMean, MeanAroundMedian, Bulyan


def resolve(rule: Rule | str) -> Rule:
    """A rule from its name (with its defaults) or itself; `ValueError` with the legal names otherwise."""
    if isinstance(rule, Rule):
        return _hashable(rule)
    if isinstance(rule, str) and rule in RULES:
        return RULES[rule]()
    if isinstance(rule, type) and issubclass(rule, Rule):
        raise ValueError(f"rule={rule.__name__} is a class: call it, with its settings or without, {rule.__name__}()")
    found = f"rule={reprlib.repr(rule)} is neither a Rule nor a name"
    near = difflib.get_close_matches(rule, RULES, 1) if isinstance(rule, str) else []
    hint = f"; did you mean {near[0]!r}?" if near else ""
    leaves = jax.tree.leaves(rule)
    if leaves and all(hasattr(leaf, "shape") for leaf in leaves):
        hint = ", but arrays: the updates come first, then the rule"
    raise ValueError(f"{found}{hint}; the names are {', '.join(sorted(RULES))}")


def _hashable(rule: Rule) -> Rule:
    try:
        hash(rule)
    except TypeError:
        raise ValueError(
            f"rule={rule!r} cannot be hashed, and it is part of a compiled program: make it a "
            "@dataclass(frozen=True) with Python numbers, such as float(clip)"
        ) from None
    return rule


def __getattr__(name: str) -> Any:
    raise AttributeError(f"no rule {name!r}; there are {', '.join(sorted(RULES))}")


__all__ = [
    "RSA",
    "RULES",
    "AdaptiveClipping",
    "Bucketing",
    "Bulyan",
    "CenteredClipping",
    "Clipping",
    "FLTrust",
    "GeometricMedian",
    "GramRule",
    "Krum",
    "Mean",
    "MeanAroundMedian",
    "Median",
    "MinimumDiameterAveraging",
    "Monna",
    "MultiKrum",
    "NearestNeighbourMixing",
    "NormBounded",
    "OrderRule",
    "PreAggregator",
    "Public",
    "Rule",
    "SignMajority",
    "TrimmedMean",
    "adaptive_clipping",
    "bucketing",
    "bulyan",
    "call",
    "centered_clipping",
    "clipping",
    "explained",
    "fltrust",
    "geometric_median",
    "krum",
    "mean",
    "mean_around_median",
    "median",
    "minimum_diameter_averaging",
    "monna",
    "multi_krum",
    "nearest_neighbour_mixing",
    "norm_bounded",
    "require_additive",
    "require_coordinatewise",
    "resolve",
    "rsa",
    "sign_majority",
    "trimmed_mean",
]
