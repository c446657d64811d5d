"""Certificates: what the committee checks about each peer's message."""

from mpcjax.certificates.base import Certificate, Claim, Dealt
from mpcjax.certificates.norm import Norm
from mpcjax.certificates.proving import prove_claims, tests, to_check
from mpcjax.certificates.range import Range
from mpcjax.certificates.signs import Signs

CERTIFICATES = {"signs": Signs, "range": Range, "norm": Norm}

__all__ = [
    "CERTIFICATES",
    "Certificate",
    "Claim",
    "Dealt",
    "Norm",
    "Range",
    "Signs",
    "prove_claims",
    "tests",
    "to_check",
]
