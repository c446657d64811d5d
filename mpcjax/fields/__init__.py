"""Prime fields with a Mersenne modulus: arithmetic, matrices, fixed-point numbers, and the large contractions."""

from mpcjax.fields import fixed, kernels, linalg
from mpcjax.fields.mersenne import EXPONENTS, F31, F61, Field

__all__ = ["EXPONENTS", "F31", "F61", "Field", "fixed", "kernels", "linalg"]
