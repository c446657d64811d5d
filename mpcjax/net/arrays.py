"""Which arrays can be sent, and their bytes."""

from __future__ import annotations

import numpy as np

from mpcjax.net.errors import require

MAX_DIMS = 8
# The code of a dtype is its place here, from 1; the list only ever grows at its end.
DTYPES = tuple(np.dtype(name) for name in ("u1", "<u4", "<u8", "<i4", "<i8", "<f4", "?"))
CODES = {dtype: code for code, dtype in enumerate(DTYPES, 1)}


def little_endian(array: np.ndarray) -> np.ndarray:
    """`array` as it is sent: C-contiguous, little endian, the same memory where it already is so."""
    dtype = array.dtype.newbyteorder("<")
    require(dtype in CODES, "dtype", str(array.dtype), ", ".join(str(d) for d in DTYPES))
    return np.asarray(array, dtype, order="C")


def raw(array: np.ndarray) -> memoryview:
    """The bytes of an array that is `little_endian`, without a copy."""
    return array.reshape(-1).view(np.uint8).data
