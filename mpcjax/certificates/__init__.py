"""Certificates: what the committee checks about each peer's message."""

from mpcjax.certificates.base import Certificate, Dealt
from mpcjax.certificates.norm import Norm
from mpcjax.certificates.range import Range
from mpcjax.certificates.signs import Signs

CERTIFICATES = {"signs": Signs, "range": Range, "norm": Norm}

__all__ = ["CERTIFICATES", "Certificate", "Dealt", "Norm", "Range", "Signs"]
