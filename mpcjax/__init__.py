"""Robust aggregation of model updates under actively secure multi-party computation, as vectorized JAX programs."""

from mpcjax import attacks, costs, rules
from mpcjax.api import aggregate, estimate, simulate
from mpcjax.committee import committee_size
from mpcjax.errors import Abort
from mpcjax.jaxprs import secure
from mpcjax.peers import connect
from mpcjax.report import Report
from mpcjax.rules import Rule
from mpcjax.secret import Secret

__all__ = [
    "Abort",
    "Report",
    "Rule",
    "Secret",
    "aggregate",
    "attacks",
    "committee_size",
    "connect",
    "costs",
    "estimate",
    "rules",
    "secure",
    "simulate",
]
