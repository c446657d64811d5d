"""Rules from ordinary JAX functions, by their jaxprs. Experimental; nothing else depends on it."""

from mpcjax.jaxprs.rule import Secured, secure
from mpcjax.jaxprs.table import ELEMENTWISE, WHOLE

PRIMITIVES = tuple(sorted((*ELEMENTWISE, *WHOLE)))

__all__ = ["PRIMITIVES", "Secured", "secure"]
