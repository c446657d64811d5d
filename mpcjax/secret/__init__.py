"""The array that rules compute with: shares, a static scale and a static bound.

A `Secret` stands for real numbers v / 2^scale with integers |v| <= bound. Scale and bound are Python integers, known
while tracing; an operation whose result could reach p / 2 is refused there with a `BoundError` that names the operation,
the bound and the fix, so that overflow cannot happen silently.

The functions of this module take secrets and plain `jax.numpy` arrays alike: a rule's `combine`, written once, runs on
both, and its plain run is its specification. Those that `jax.numpy` has too mean what they mean there, but for
`argmax`, whose result is bits; the others are made for rules. Comparisons of secrets give secret bits, for `where`, `&`,
`|`, `~` and products. Plain arrays are not rounded, unless a function says so.
"""

from mpcjax.secret import shaping as shaping
from mpcjax.secret.array import Secret
from mpcjax.secret.choice import entries, nearest, of_smallest, ranked, signs_of_votes
from mpcjax.secret.fractions import divide, proportions, quotients, rescale, sqrt
from mpcjax.secret.lengths import to_limit, to_longest
from mpcjax.secret.linear import mask, off_diagonal, project, weighted_sum
from mpcjax.secret.order import (
    abs,
    clip,
    equal,
    maximum,
    minimum,
    others_last,
    relu,
    smallest,
    sort,
    sum_of_smallest,
    where,
)
from mpcjax.secret.products import dot, inner
from mpcjax.secret.public import public
from mpcjax.secret.ranks import lowest, of_rank, spelled
from mpcjax.secret.reductions import argmax, max, mean, median, min, sum
from mpcjax.secret.rows import Rows, SecretRows, averages, grouped_back, mixed_back, mixtures, rows_of, scaled_back
from mpcjax.secret.shaping import concatenate, reshape, stack
from mpcjax.secret.weiszfeld import median_weights

__all__ = [
    "Rows",
    "Secret",
    "SecretRows",
    "abs",
    "argmax",
    "averages",
    "clip",
    "concatenate",
    "divide",
    "dot",
    "entries",
    "equal",
    "grouped_back",
    "inner",
    "lowest",
    "mask",
    "max",
    "maximum",
    "mean",
    "median",
    "median_weights",
    "min",
    "minimum",
    "mixed_back",
    "mixtures",
    "nearest",
    "of_rank",
    "of_smallest",
    "off_diagonal",
    "others_last",
    "project",
    "proportions",
    "public",
    "quotients",
    "ranked",
    "relu",
    "rescale",
    "reshape",
    "rows_of",
    "scaled_back",
    "signs_of_votes",
    "smallest",
    "sort",
    "spelled",
    "sqrt",
    "stack",
    "sum",
    "sum_of_smallest",
    "to_limit",
    "to_longest",
    "weighted_sum",
    "where",
]
