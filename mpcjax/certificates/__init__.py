"""Certificates: what the committee checks about each peer's message."""

from mpcjax.certificates.base import Certificate, Dealt, Equation
from mpcjax.certificates.bits import Bits
from mpcjax.certificates.norm import Norm
from mpcjax.certificates.proving import prove_equations, tests, to_check
from mpcjax.certificates.range import Range
from mpcjax.certificates.signs import Signs
from mpcjax.certificates.trust import Trust, along_reference

CERTIFICATES = {"signs": Signs, "bits": Bits, "range": Range, "norm": Norm, "trust": Trust}

__all__ = [
    "CERTIFICATES",
    "Bits",
    "Certificate",
    "Dealt",
    "Equation",
    "Norm",
    "Range",
    "Signs",
    "Trust",
    "along_reference",
    "prove_equations",
    "tests",
    "to_check",
]
