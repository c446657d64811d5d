"""Protocols: local array code plus calls on a fabric."""

from mpcjax.protocols.coin import challenge, coin
from mpcjax.protocols.inputs import check_dealings, deal, deal_masks
from mpcjax.protocols.multiply import beaver, combination, dot, multiply, weighted_squares
from mpcjax.protocols.opening import open_many, open_now
from mpcjax.protocols.proof import Form, Proof, Statement, prove, random_form, value
from mpcjax.protocols.verify import verify

__all__ = [
    "Form",
    "Proof",
    "Statement",
    "beaver",
    "challenge",
    "check_dealings",
    "coin",
    "combination",
    "deal",
    "deal_masks",
    "dot",
    "multiply",
    "open_many",
    "open_now",
    "prove",
    "random_form",
    "value",
    "verify",
    "weighted_squares",
]
