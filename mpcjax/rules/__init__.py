"""Aggregation rules, one a file."""

from __future__ import annotations

from typing import Any

from mpcjax.rules.base import Public, Rule
from mpcjax.rules.centered_clipping import CenteredClipping
from mpcjax.rules.fltrust import FLTrust
from mpcjax.rules.mean import Mean
from mpcjax.rules.rsa import RSA

RULES: dict[str, type[Rule]] = {rule.name: rule for rule in (Mean, RSA, CenteredClipping, FLTrust)}

mean, rsa, centered_clipping, fltrust = Mean, RSA, CenteredClipping, FLTrust


def resolve(rule: Rule | str) -> Rule:
    """A rule from its name (with its defaults) or itself; `ValueError` with the legal names otherwise."""
    if isinstance(rule, Rule):
        return rule
    if isinstance(rule, str) and rule in RULES:
        return RULES[rule]()
    raise ValueError(f"rule={rule!r} is neither a Rule nor a name; the names are {', '.join(sorted(RULES))}")


def __getattr__(name: str) -> Any:
    raise AttributeError(f"no rule {name!r}; there are {', '.join(sorted(RULES))}")


__all__ = [
    "RSA",
    "RULES",
    "CenteredClipping",
    "FLTrust",
    "Mean",
    "Public",
    "Rule",
    "centered_clipping",
    "fltrust",
    "mean",
    "resolve",
    "rsa",
]
