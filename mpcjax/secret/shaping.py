"""Indices and shapes: what moves numbers about, all of it local. The axis of the parties is out of reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax.secret.array import Secret
from mpcjax.secret.public import plain


def index(x: Secret, key: Any) -> Secret:
    """`x[key]` for static keys, as in NumPy. Out of range is an `IndexError`."""
    x.rt.spread.refuse("an index in combine")
    key = tuple(_static(part, x) for part in (key if isinstance(key, tuple) else (key,)))
    arrays = [part for part in key if isinstance(part, np.ndarray)]
    if not arrays:
        _ = np.broadcast_to(np.int8(0), x.shape)[key]  # an index that is out of range is refused here
        return x._like(x.shares[(slice(None), *key)], x.scale, x.bound, "index", bit=x.bit)
    # where NumPy puts the axes of several arrays depends on what is between them: it is asked about numbers of places
    places = np.arange(x.size, dtype=np.int32).reshape(x.shape)[key]
    flat = x.shares.reshape(x.shares.shape[0], -1)
    return x._like(flat[:, places], x.scale, x.bound, "index", bit=x.bit)


def _static(part: Any, x: Secret) -> Any:
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, slice):
        return slice(*(None if end is None else _whole(end, x) for end in (part.start, part.stop, part.step)))
    if isinstance(part, list | np.ndarray | jax.Array) and _compat.is_concrete(part):
        found = np.asarray(part)
        if found.dtype.kind in "iub":
            return int(found) if not found.ndim and found.dtype.kind != "b" else found
    return _whole(part, x)


def _whole(part: Any, x: Secret) -> int:
    if isinstance(part, int | np.integer) and not isinstance(part, bool):
        return int(part)
    kind = "a secret" if isinstance(part, Secret) else type(part).__name__
    if not _compat.is_concrete(part):
        kind = "a value that is not known while tracing"
    raise TypeError(
        f"index of a secret of shape {x.shape} is {kind}: legal are ints, slices, None, ... and integer or boolean arrays "
        "that are known while tracing. For a secret choice use a product, mpcjax.secret.argmax(score) @ rows; for a "
        "public traced one, mask or weights"
    )


def axes_of(x: Secret, axis: Any, operation: str) -> tuple[int, ...]:
    """The axes, from 0 and in order, that `axis` (None, an int or several) stands for."""
    given = range(x.ndim) if axis is None else axis if isinstance(axis, Sequence) else (axis,)
    found = []
    for one in given:
        if isinstance(one, bool) or not isinstance(one, int | np.integer) or not -x.ndim <= one < x.ndim:
            raise ValueError(
                f"{operation} along axis {one!r} of a secret of shape {x.shape}: legal are whole numbers from {-x.ndim} to "
                f"{x.ndim - 1}"
            )
        found.append(int(one) % x.ndim)
    if len(set(found)) != len(found):
        raise ValueError(f"{operation} along axes {axis}: legal are different ones")
    return tuple(sorted(found))


def axis_of(x: Secret, axis: Any, operation: str) -> int:
    """The one axis, from 0, that `axis` stands for."""
    if axis is None or isinstance(axis, Sequence):
        raise ValueError(f"{operation} along axis {axis!r}: legal is one whole number; x.ravel() makes one axis of all")
    return axes_of(x, axis, operation)[0]


def at_end(x: Secret, axes: tuple[int, ...], operation: str) -> Secret:
    """`x` with the given axes as one, the last."""
    others = [a for a in range(x.ndim) if a not in axes]
    moved = jnp.transpose(x.shares, [0, *(a + 1 for a in (*others, *axes))])
    shape = (moved.shape[0], *(x.shape[a] for a in others), math.prod(x.shape[a] for a in axes))
    return x._like(moved.reshape(shape), x.scale, x.bound, operation, bit=x.bit)


def with_axes(reduced: Secret, x: Secret, axes: tuple[int, ...], keepdims: bool) -> Secret:
    """`reduced`, with axes of length 1 in the place of those of `x` that are gone, if they are to be kept."""
    kept = tuple(1 if a in axes else size for a, size in enumerate(x.shape))
    return reshape(reduced, kept) if keepdims else reduced


def reshape(x: Any, shape: Any) -> Any:
    """`x` in another shape, in the order of its elements; one length may be -1. Local."""
    if not isinstance(x, Secret):
        return jnp.reshape(x, shape)
    x.rt.spread.refuse("reshape in combine")
    wanted = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    wanted = tuple(_whole(length, x) for length in wanted)
    rest = math.prod(length for length in wanted if length != -1)
    if wanted.count(-1) == 1 and rest and x.size % rest == 0:
        wanted = tuple(x.size // rest if length == -1 else length for length in wanted)
    if -1 in wanted or math.prod(wanted) != x.size:
        raise ValueError(f"reshape of shape {x.shape} to {shape}: legal are shapes of {x.size} elements")
    return x._like(x.shares.reshape(x.shares.shape[0], *wanted), x.scale, x.bound, "reshape", bit=x.bit)


def transposed(x: Secret) -> Secret:
    x.rt.spread.refuse("a transpose in combine")
    order = [0, *range(x.ndim, 0, -1)]
    return x._like(jnp.transpose(x.shares, order), x.scale, x.bound, "transpose", bit=x.bit)


def stack(parts: Any, axis: int = 0) -> Any:
    """Arrays of one shape along a new axis, as in NumPy; secrets and public ones, at the largest scale. Local."""
    joined = _joinable(parts, "stack")
    if joined is None:
        return jnp.stack([plain(part) for part in parts], axis)
    if len({part.shape for part in joined}) > 1:
        raise ValueError(f"stack of shapes {[part.shape for part in joined]}: legal are equal ones")
    wide = joined[0].ndim + 1
    if isinstance(axis, bool) or not isinstance(axis, int | np.integer) or not -wide <= axis < wide:
        raise ValueError(f"stack along axis {axis!r}: legal are whole numbers from {-wide} to {wide - 1}")
    return _joined(joined, jnp.stack([part.shares for part in joined], axis % wide + 1), "stack")


def concatenate(parts: Any, axis: int = 0) -> Any:
    """Arrays one behind the other, as in NumPy; secrets and public ones, at the largest scale. Local."""
    joined = _joinable(parts, "concatenate")
    if joined is None:
        return jnp.concatenate([plain(part) for part in parts], axis)
    place = axis_of(joined[0], axis, "concatenate")
    others = {tuple(size for a, size in enumerate(part.shape) if a != place) for part in joined}
    if len(others) > 1 or len({part.ndim for part in joined}) > 1:
        raise ValueError(
            f"concatenate of shapes {[part.shape for part in joined]} along axis {axis}: legal are equal other axes"
        )
    return _joined(joined, jnp.concatenate([part.shares for part in joined], place + 1), "concatenate")


def _joinable(parts: Any, operation: str) -> list[Secret] | None:
    """All as secrets of one scale with a row for each party; None if none is secret."""
    if isinstance(parts, Secret):
        raise TypeError(f"{operation} of one secret: legal is a list or tuple of arrays, [x, y]")
    first = next((part for part in parts if isinstance(part, Secret)), None)
    if first is None:
        return None
    first.rt.spread.refuse(f"{operation} in combine")
    secrets = [first._constant(part, operation) for part in parts]
    scale, rows = max(part.scale for part in secrets), first.shares.shape[0]
    return [
        part._like(jnp.broadcast_to(part.shares, (rows, *part.shape)), scale, part.bound, operation, bit=part.bit)
        for part in (part._at_scale(scale) for part in secrets)
    ]


def _joined(parts: list[Secret], shares: Any, operation: str) -> Secret:
    bound, bit = max(part.bound for part in parts), all(part.bit for part in parts)
    return parts[0]._like(shares, parts[0].scale, bound, operation, bit=bit)
