"""What the settings of rules may be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def require_positive(name: str, value: Any, what: str) -> None:
    """`ValueError` unless `value` is a number above zero that is finite. `what` the setting is, in words."""
    number = not isinstance(value, bool) and not np.ndim(value) and np.asarray(value).dtype.kind in "iuf"
    if not (number and value > 0 and math.isfinite(value)):
        raise ValueError(f"{name}={value!r}: {what} is a positive number that is finite")
