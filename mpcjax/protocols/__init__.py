"""Protocols: local array code plus calls on a fabric."""

from mpcjax.protocols.coin import challenge, coin
from mpcjax.protocols.inputs import DEALING_CHECK, Dealers, check_dealings, deal, deal_masks, dealers
from mpcjax.protocols.multiply import (
    beaver,
    combination,
    dot,
    gram,
    matrix_product,
    matrix_vector,
    multiply,
    symmetric,
    upper_triangle,
    weighted_squares,
)
from mpcjax.protocols.opening import open_many, open_now
from mpcjax.protocols.output import open_output
from mpcjax.protocols.parted import claim_sum, fixed_sum, projections
from mpcjax.protocols.proof import Form, Proof, Statement, prove, random_form, value
from mpcjax.protocols.repeat import repeat
from mpcjax.protocols.verify import verify

__all__ = [
    "DEALING_CHECK",
    "Dealers",
    "Form",
    "Proof",
    "Statement",
    "beaver",
    "challenge",
    "check_dealings",
    "claim_sum",
    "coin",
    "combination",
    "deal",
    "deal_masks",
    "dealers",
    "dot",
    "fixed_sum",
    "gram",
    "matrix_product",
    "matrix_vector",
    "multiply",
    "open_many",
    "open_now",
    "open_output",
    "projections",
    "prove",
    "random_form",
    "repeat",
    "symmetric",
    "upper_triangle",
    "value",
    "verify",
    "weighted_squares",
]
