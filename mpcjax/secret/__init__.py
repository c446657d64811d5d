"""The array that rules compute with: shares, a static scale and a static bound.

A `Secret` stands for real numbers v / 2^scale with integers |v| <= bound. Scale and bound are Python integers, known
while tracing; an operation whose result could reach p / 2 is refused there with a `BoundError` that names the operation,
the bound and the fix, so that overflow cannot happen silently.

The functions of this module take secrets and plain `jax.numpy` arrays alike: a rule's `combine`, written once, runs on
both, and its plain run is its specification.
"""

from mpcjax.secret.array import Secret as Secret
from mpcjax.secret.choice import entries as entries
from mpcjax.secret.choice import largest as largest
from mpcjax.secret.choice import nearest as nearest
from mpcjax.secret.choice import of_smallest as of_smallest
from mpcjax.secret.choice import ranked as ranked
from mpcjax.secret.choice import signs_of_votes as signs_of_votes
from mpcjax.secret.fractions import proportions as proportions
from mpcjax.secret.fractions import rescale as rescale
from mpcjax.secret.lengths import to_limit as to_limit
from mpcjax.secret.lengths import to_longest as to_longest
from mpcjax.secret.linear import mask as mask
from mpcjax.secret.linear import off_diagonal as off_diagonal
from mpcjax.secret.linear import project as project
from mpcjax.secret.linear import weighted_sum as weighted_sum
from mpcjax.secret.order import others_last as others_last
from mpcjax.secret.order import relu as relu
from mpcjax.secret.order import smallest as smallest
from mpcjax.secret.order import sort as sort
from mpcjax.secret.order import sum_of_smallest as sum_of_smallest
from mpcjax.secret.order import where as where
from mpcjax.secret.rows import Rows as Rows
from mpcjax.secret.rows import SecretRows as SecretRows
from mpcjax.secret.rows import averages as averages
from mpcjax.secret.rows import grouped_back as grouped_back
from mpcjax.secret.rows import mixed_back as mixed_back
from mpcjax.secret.rows import mixtures as mixtures
from mpcjax.secret.rows import rows_of as rows_of
from mpcjax.secret.rows import scaled_back as scaled_back
from mpcjax.secret.weiszfeld import median_weights as median_weights
