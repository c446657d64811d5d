"""Aggregation rules, one a file."""

from __future__ import annotations

from typing import Any

from mpcjax.rules.base import Public, Rule
from mpcjax.rules.calling import call
from mpcjax.rules.centered_clipping import CenteredClipping
from mpcjax.rules.fltrust import FLTrust
from mpcjax.rules.krum import Krum, MultiKrum
from mpcjax.rules.mean import Mean
from mpcjax.rules.rsa import RSA

RULES: dict[str, type[Rule]] = {rule.name: rule for rule in (Mean, RSA, CenteredClipping, FLTrust, Krum, MultiKrum)}

mean, rsa, centered_clipping, fltrust = Mean, RSA, CenteredClipping, FLTrust
krum, multi_krum = Krum, MultiKrum


def resolve(rule: Rule | str) -> Rule:
    """A rule from its name (with its defaults) or itself; `ValueError` with the legal names otherwise."""
    if isinstance(rule, Rule):
        return _hashable(rule)
    if isinstance(rule, str) and rule in RULES:
        return RULES[rule]()
    if isinstance(rule, type) and issubclass(rule, Rule):
        raise ValueError(f"rule={rule.__name__} is a class: call it, with its settings or without, {rule.__name__}()")
    raise ValueError(f"rule={rule!r} is neither a Rule nor a name; the names are {', '.join(sorted(RULES))}")


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
    "CenteredClipping",
    "FLTrust",
    "Krum",
    "Mean",
    "MultiKrum",
    "Public",
    "Rule",
    "call",
    "centered_clipping",
    "fltrust",
    "krum",
    "mean",
    "multi_krum",
    "resolve",
    "rsa",
]
