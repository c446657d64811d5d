"""Pytrees of stacked updates to a matrix and back, with errors that name the leaf."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_STACK = ". Of one tree per peer make one tree: jax.tree.map(lambda *rows: jnp.stack(rows), *updates)"


def stack_rows(updates: Any, what: str = "updates", lent: bool = False) -> tuple[Any, Callable[[Any], Any]]:
    """Leaves `[peers, ...]` to `([peers, d] float32, unravel)`; `unravel [d]` gives the tree of one peer.

    `lent`: a tree of one float32 array of numpy's is not copied, and stays one of numpy's.
    """
    paths, structure = jax.tree_util.tree_flatten_with_path(updates)
    if not paths:
        raise ValueError(f"{what} is an empty pytree: give at least one array with a leading axis over the peers")
    lent = lent and len(paths) == 1 and isinstance(paths[0][1], np.ndarray) and paths[0][1].dtype == np.float32
    leaves = [_float_leaf(path, leaf, what, np if lent else jnp) for path, leaf in paths]
    for (path, _), leaf in zip(paths, leaves, strict=True):
        if leaf.ndim == 0:
            raise ValueError(f"{_name(path, what)} is a scalar: every leaf needs a leading axis over the peers")
        if leaf.shape[0] != leaves[0].shape[0]:
            raise ValueError(
                f"{_name(path, what)} has {leaf.shape[0]} rows, {_name(paths[0][0], what)} has {leaves[0].shape[0]}: the "
                f"leading axis of every leaf runs over the same peers{_STACK if isinstance(updates, list | tuple) else ''}"
            )
    # one row is one peer's own update, as over a network: there a list of scalars is a model like any other
    several = len(leaves) > 1 and len(leaves[0]) > 1
    if isinstance(updates, list | tuple) and several and all(leaf.ndim == 1 for leaf in leaves):
        raise ValueError(
            f"{what} is a {type(updates).__name__} with nothing but vectors in it, which would be {leaves[0].shape[0]} peers "
            f"with {len(leaves)} parameters{_STACK}; a model of nothing but scalars goes into one array [peers, scalars]"
        )
    peers = leaves[0].shape[0]
    if peers == 0:
        raise ValueError(f"{_name(paths[0][0], what)} has no rows: give one row per peer, leaves [peers, ...]")
    flat = [(leaf if lent else leaf.astype(jnp.float32)).reshape(peers, -1) for leaf in leaves]
    matrix = flat[0] if len(flat) == 1 else jnp.concatenate(flat, axis=1)
    return matrix, _unraveller(structure, [leaf.shape[1:] for leaf in leaves], [leaf.dtype for leaf in leaves])


def vector_like(tree: Any, like: Any, what: str) -> Any:
    """A tree shaped like one peer's update as a vector `[d]` float32."""
    expected = jax.tree_util.tree_structure(like)
    if jax.tree_util.tree_structure(tree) != expected:
        raise ValueError(f"{what} has structure {jax.tree_util.tree_structure(tree)}, one peer's update has {expected}")
    paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    for (path, leaf), row in zip(paths, jax.tree_util.tree_leaves(like), strict=True):
        if jnp.shape(leaf) != jnp.shape(row)[1:]:
            raise ValueError(
                f"{_name(path, what)} has shape {jnp.shape(leaf)}, one peer's update has {jnp.shape(row)[1:]}, which alone is "
                "legal: give one like updates, without the axis over the peers"
            )
    flat = [_float_leaf(path, leaf, what).astype(jnp.float32).reshape(-1) for path, leaf in paths]
    return flat[0] if len(flat) == 1 else jnp.concatenate(flat)


def first_not_finite(tree: Any, what: str) -> tuple[str, float]:
    """Where the first number that is not finite stands in a concrete tree, and which it is."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        values = np.asarray(leaf, np.float32)
        if not np.isfinite(values).all():
            place = tuple(int(k) for k in np.argwhere(~np.isfinite(values))[0])
            return f"{_name(path, what)}{list(place) if place else ''}", float(values[place])
    raise LookupError(f"all of {what} is finite")


def size_of(params: Any) -> int:
    """Number of scalars in a tree of arrays or shapes; or that number itself."""
    if isinstance(params, int | np.integer) and not isinstance(params, bool):
        return int(params)
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        if not hasattr(leaf, "shape"):
            raise ValueError(
                f"{_name(path, 'params')} is {leaf!r}: legal are arrays or jax.ShapeDtypeStruct, or a whole number of "
                "parameters in place of the tree, such as 1_000_000"
            )
    return sum(math.prod(jnp.shape(leaf)) for leaf in jax.tree_util.tree_leaves(params))


def _float_leaf(path: Any, leaf: Any, what: str, library: Any = jnp) -> Any:
    dtype = getattr(leaf, "dtype", None)
    if dtype is None:
        raise ValueError(
            f"{_name(path, what)} is a {type(leaf).__name__}: legal are floating point arrays; wrap the whole leaf with "
            "jnp.asarray(..., jnp.float32)"
        )
    if isinstance(leaf, np.ma.MaskedArray):
        raise ValueError(
            f"{_name(path, what)} is a masked array: legal are arrays of which every number counts; fill what is "
            "masked, as by .filled(0.0)"
        )
    if not jnp.issubdtype(dtype, jnp.floating) or not getattr(dtype, "isnative", True):
        fix = (
            "make real numbers of it"
            if jnp.issubdtype(dtype, jnp.complexfloating)
            else "convert it with .astype('float32')"
        )
        raise ValueError(
            f"{_name(path, what)} has dtype {dtype}: legal are floating point arrays in this machine's order of bytes; {fix}"
        )
    return library.asarray(leaf)


def _name(path: Any, what: str) -> str:
    return f"{what}{jax.tree_util.keystr(path)}"


def _unraveller(structure: Any, shapes: list[tuple[int, ...]], dtypes: list[Any]) -> Callable[[Any], Any]:
    def unravel(vector: Any) -> Any:
        leaves, start = [], 0
        for shape, dtype in zip(shapes, dtypes, strict=True):
            size = math.prod(shape)
            leaves.append(vector[start : start + size].reshape(shape).astype(dtype))
            start += size
        return jax.tree_util.tree_unflatten(structure, leaves)

    return unravel
