"""The public arguments of a committee and of a round, checked."""

from __future__ import annotations

import os
import reprlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax._trees import first_not_finite, vector_like
from mpcjax.devices import AXIS
from mpcjax.fields import EXPONENTS
from mpcjax.rules import Public, Rule
from mpcjax.rules.mean import WEIGHT_BITS


def require_committee(
    parties: Any, threshold: Any, field: Any, attempts: int, sizes: dict[str, Any], mesh: Any
) -> None:
    """`ValueError` for what `mpcjax.simulate` does not take."""
    if field not in EXPONENTS:
        tiny = ", ".join(str(e) for e in EXPONENTS if e < 31)
        raise ValueError(
            f"field={field!r}: legal Mersenne exponents are 61, the default, and 31 for short messages; {tiny} are for tests"
        )
    for name, value in {"parties": parties, "threshold": threshold, "attempts": attempts}.items():
        if (isinstance(value, bool) or not isinstance(value, (int, np.integer))) and not (
            name == "threshold" and value is None
        ):
            raise ValueError(f"{name}={value!r}: legal are whole numbers")
    if parties < 3:
        raise ValueError(f"parties={parties}: a committee has at least 3 members, to withstand a corrupt one")
    if threshold is not None and threshold < 1:
        raise ValueError(
            f"threshold={threshold}: legal are 1 to {(parties - 1) // 2}, the corrupt members withstood; with none every member "
            "would see all updates"
        )
    if attempts < 1:
        raise ValueError(f"attempts={attempts}: at least one committee must be tried")
    for name, size in sizes.items():
        if size is not None and (isinstance(size, bool) or not isinstance(size, (int, np.integer)) or size < 1):
            what = {"group": "peers", "block": "parameters"}[name]
            raise ValueError(
                f"{name}={size!r}: legal are whole numbers from 1, the {what} handled at a time; or leave it out"
            )
    if mesh is not None and (AXIS not in getattr(mesh, "shape", ()) or field != 61):
        raise ValueError(
            f"mesh={mesh!r} with field={field}: legal is a jax.sharding.Mesh with an axis {AXIS!r}, such as "
            f"Mesh(jax.devices(), ({AXIS!r},)), and field=61"
        )


def public_of(rule: Rule, updates: Any, matrix: Any, weights: Any, center: Any, reference: Any) -> Public:
    """What all peers know of the round of `matrix [peers, d]`; `ValueError` for what the rule does not take or needs."""
    for name, given in {"weights": weights, "center": center, "reference": reference}.items():
        if given is None and name in rule.needs:
            raise ValueError(f"rule {rule.name!r} needs {name}=: known to all peers, shaped like one update")
        if given is not None and name not in (*rule.needs, *rule.takes):
            legal = ", ".join(f"{other}=" for other in (*rule.needs, *rule.takes)) or "none of these"
            raise ValueError(
                f"rule {rule.name!r} takes no {name}= and would ignore it; leave it out (it takes {legal})"
            )
    return Public.of(
        *matrix.shape,
        weights=_weights(weights, matrix.shape[0]),
        center=_agreed(center, updates, "center"),
        reference=_agreed(reference, updates, "reference"),
    )


def _agreed(tree: Any, updates: Any, what: str) -> Any:
    """A public tree like one update as a finite vector, or None."""
    if tree is None:
        return None
    vector = vector_like(tree, updates, what)
    if _compat.is_concrete(vector) and not _finite(vector):
        where, value = first_not_finite(tree, what)
        raise ValueError(
            f"{where} is {value}: legal are finite numbers, the same for all peers; replace it, for instance by the last "
            "finite value"
        )
    return vector


def _finite(vector: Any) -> bool:
    """Of known numbers; now, also where a user's jit traces what is done with them."""
    with jax.ensure_compile_time_eval():
        return bool(jnp.all(jnp.isfinite(vector)))


def _weights(weights: Any, peers: int) -> Any:
    """In [0, 1], the largest 1, rounded to the fixed-point grid on which they are used."""
    if weights is None:
        return jnp.ones((peers,), jnp.float32)
    try:
        weights = jnp.asarray(weights, jnp.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"weights={reprlib.repr(weights)}: legal is an array of shape ({peers},), one weight per peer"
        ) from error
    if weights.shape != (peers,):
        raise ValueError(f"weights has shape {weights.shape}: legal is ({peers},), one weight per peer")
    if _compat.is_concrete(weights):
        known = np.asarray(weights)
        bad = np.flatnonzero(~(np.isfinite(known) & (known >= 0)))
        if bad.size or not np.any(known > 0):
            where = f"weights[{bad[0]}]={known[bad[0]]}" if bad.size else "all weights are zero"
            raise ValueError(f"{where}: legal are finite numbers >= 0, at least one of them positive")
    largest = jnp.max(weights)
    return jnp.round(weights / jnp.where(largest > 0, largest, 1) * 2.0**WEIGHT_BITS) / np.float32(2.0**WEIGHT_BITS)


@jax.custom_jvp
def constant(matrix: Any) -> Any:
    """`matrix`; a derivative with respect to it is refused: through shares it would silently be zero."""
    return matrix


@constant.defjvp
def _(primals: Any, tangents: Any) -> Any:
    raise TypeError(
        "mpcjax.aggregate has no derivative: what is shared are numbers, not functions; legal are constants, as by "
        "jax.lax.stop_gradient(updates)"
    )


def key_of(key: Any, inside: bool) -> Any:
    """uint32[8]; fresh where none is given, outside of `jit`."""
    hint = "np.frombuffer(os.urandom(32), np.uint32)"
    if key is None:
        if inside:
            raise ValueError(f"inside jit, vmap or scan pass key=, 256 bits made outside: {hint}; and round= in a scan")
        key = os.urandom(32)
    if isinstance(key, bytes | bytearray):
        if len(key) != 32:
            raise ValueError(f"key has {len(key)} bytes: legal are 32, such as {hint}")
        key = np.frombuffer(key, "<u4").astype(np.uint32)
    if getattr(key, "dtype", None) != np.uint32 or key.shape != (8,):
        raise ValueError(
            f"key has dtype {getattr(key, 'dtype', type(key).__name__)} and shape {getattr(key, 'shape', ())}: legal are 32 "
            f"bytes or uint32[8], such as {hint}. A jax.random key is not: it has fewer bits and no cryptographic claim"
        )
    return jnp.asarray(key)


def round_of(round: Any) -> Any:
    """The number of a round, which may be traced."""
    whole = isinstance(round, int) or jnp.issubdtype(getattr(round, "dtype", np.dtype(float)), jnp.integer)
    if (
        not whole
        or isinstance(round, bool)
        or jnp.ndim(round)
        or (_compat.is_concrete(round) and not 0 <= int(round) < 1 << 32)
    ):
        raise ValueError(f"round={round!r}: legal are integers from 0 to 2^32 - 1, a new one for every call with a key")
    return round
