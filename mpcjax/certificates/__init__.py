"""Certificates: what the committee checks about each peer's message."""

from mpcjax.certificates.base import Certificate, Dealt, Equation
from mpcjax.certificates.bits import Bits
from mpcjax.certificates.norm import Norm
from mpcjax.certificates.proving import prove_equations, tests, to_check
from mpcjax.certificates.range import Range
from mpcjax.certificates.signs import Signs

CERTIFICATES = {"signs": Signs, "bits": Bits, "range": Range, "norm": Norm}

__all__ = [
    "CERTIFICATES",
    "Bits",
    "Certificate",
    "Dealt",
    "Equation",
    "Norm",
    "Range",
    "Signs",
    "prove_equations",
    "tests",
    "to_check",
]
