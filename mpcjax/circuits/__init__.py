"""Circuits: comparison, bits, truncation, choice, order and division of secrets, made of products and openings."""

from mpcjax.circuits.bits import Mask, less_than_public, prefix_products, solved_bits
from mpcjax.circuits.compare import is_negative, is_negative_small, is_zero, less_than
from mpcjax.circuits.decompose import decompose
from mpcjax.circuits.divide import inverse_sqrt, reciprocal, relative_error
from mpcjax.circuits.lookup import lookup
from mpcjax.circuits.rank import lowest, of_rank
from mpcjax.circuits.select import maximum, minimum, relu, select
from mpcjax.circuits.sort import ranks, sort
from mpcjax.circuits.truncate import truncate, truncate_nearest

__all__ = [
    "Mask",
    "decompose",
    "inverse_sqrt",
    "is_negative",
    "is_negative_small",
    "is_zero",
    "less_than",
    "less_than_public",
    "lookup",
    "lowest",
    "maximum",
    "minimum",
    "of_rank",
    "prefix_products",
    "ranks",
    "reciprocal",
    "relative_error",
    "relu",
    "select",
    "solved_bits",
    "sort",
    "truncate",
    "truncate_nearest",
]
