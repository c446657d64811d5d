"""The closed list: what each primitive of JAX is on secrets. An entry takes (run, equation, *operands) with a secret among them.

`run` knows the policy of rounding (see `Run`). Operands of ELEMENTWISE broadcast, those of WHOLE have their whole shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax import secret as ms
from mpcjax.jaxprs.products import dot_general, product, summed
from mpcjax.jaxprs.refusals import refuse
from mpcjax.jaxprs.values import Value, counted, factor, known, like, term
from mpcjax.secret import Secret

Entry = Callable[..., Any]
WHOLE_QUOTIENT = "jnp.floor(x.astype(jnp.float32) / y), or x / y for the quotient with its fraction"


def _divided(run: Any, eqn: Any, x: Value, y: Value) -> Any:
    if jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.integer):
        refuse("div", "of whole numbers, which in JAX drops the fraction", WHOLE_QUOTIENT)
    low, high = y.span
    if y.secret:
        if low <= 0:
            refuse("div", "by a secret that may be zero or negative")
        return _over(run, x, y, low)
    if y.fixed:
        return x.x / y.x
    if low <= 0:
        refuse("div", "by a public number that is not known while tracing and may be zero or negative")
    return x.x * factor(Value(1 / y.x, y.shape, 1 / high, 1 / low))


def _over(run: Any, x: Value, y: Value, least: float) -> Any:
    """By a secret. Where it is the same for many dividends, a product with its inverse: no truncation for each of them."""
    if x.secret and y.x.size < x.x.size:
        return product(run, x, Value(ms.divide(1.0, y.x, bits=run.bits, least=least), y.shape))
    return ms.divide(run.rounded(x.x) if x.secret else term(x), y.x, bits=run.bits, least=least)


def _power(run: Any, x: Value, exponent: Any) -> Any:
    if exponent is None or exponent != int(exponent) or exponent < 1:
        refuse("pow", f"with the exponent {'that is not one known number' if exponent is None else exponent}")
    power = x
    for _ in range(int(exponent) - 1):
        power = Value(product(run, power, x), x.shape)
    return power.x


def _selected(run: Any, eqn: Any, which: Value, *others: Value) -> Any:
    cases, only = list(others), which.only()
    if only is not None:
        return cases[int(only)]
    if len(cases) > 2:
        refuse("select_n", f"of {len(cases)} cases")
    condition = which.x if which.secret else jnp.asarray(which.x)
    return ms.where(condition, term(cases[1]), term(cases[0]))


def _everywhere(x: Value, answer: bool) -> Value:
    return known(np.full((1,) * len(x.shape), answer))


def _endless(x: Value, sign: int) -> bool:
    """Whether `x` is infinity of this sign, everywhere."""
    only = x.only()
    return only is not None and bool(only == sign * np.inf)


def _equal(run: Any, eqn: Any, x: Value, y: Value) -> Any:
    """No secret is infinite, which is what jnp.nan_to_num asks."""
    if any(_endless(v, sign) for v in (x, y) for sign in (1, -1)):
        return _everywhere(x if x.secret else y, False)
    return _everywhere(x, True) if x is y else ms.equal(term(x), term(y))


def _beyond(choose: Any, sign: int) -> Entry:
    """The maximum of a secret and -inf, or the minimum with inf, is the secret: reductions of JAX begin with it."""

    def entry(run: Any, eqn: Any, x: Value, y: Value) -> Any:
        for one, other in ((x, y), (y, x)):
            if _endless(one, sign):
                return other.x
        return choose(term(x), term(y))

    return entry


def _different(run: Any, eqn: Any, x: Value, y: Value) -> Any:
    """x != x is how jax.numpy asks for NaN, and there is none: who deals one is left out."""
    return _everywhere(x, False) if x is y else ~ms.equal(term(x), term(y))


def _converted(run: Any, eqn: Any, x: Value) -> Any:
    old, new = np.dtype(eqn.invars[0].aval.dtype), np.dtype(eqn.params["new_dtype"])
    if (new.kind == "b" and old.kind != "b") or (jnp.issubdtype(old, jnp.floating) and new.kind in "iu"):
        refuse("convert_element_type", f"from {old} to {new}")
    return x.x


def _floor(run: Any, eqn: Any, x: Value) -> Any:
    return ms.rescale(x.x - 0.5, 0) if x.x.scale else x.x


def _not(run: Any, eqn: Any, x: Value) -> Any:
    """Of a whole number, the bits of two's complement, although its own are no more than 0 or 1."""
    return ~x.x if eqn.outvars[0].aval.dtype == bool else -1 - x.x


def _sign(run: Any, eqn: Any, x: Value) -> Any:
    return (x.x > 0) - (x.x < 0)


ELEMENTWISE: dict[str, Entry] = {
    "add": lambda run, eqn, x, y: counted(term(x)) + counted(term(y)),
    "add_any": lambda run, eqn, x, y: counted(term(x)) + counted(term(y)),  # the addition that gradients are made of
    "sub": lambda run, eqn, x, y: term(x) - term(y),
    "neg": lambda run, eqn, x: -x.x,
    "mul": lambda run, eqn, x, y: product(run, x, y),
    "square": lambda run, eqn, x: product(run, x, x),
    "div": _divided,
    "integer_pow": lambda run, eqn, x: _power(run, x, eqn.params["y"]),
    "pow": lambda run, eqn, x, y: _power(run, x, y.only()),
    "sqrt": lambda run, eqn, x: ms.sqrt(run.rounded(x.x), bits=run.bits),
    "floor": _floor,
    "abs": lambda run, eqn, x: ms.abs(x.x),
    "sign": _sign,
    "max": _beyond(ms.maximum, -1),
    "min": _beyond(ms.minimum, 1),
    "clamp": lambda run, eqn, low, x, high: ms.clip(term(x), term(low), term(high)),
    "lt": lambda run, eqn, x, y: term(x) < term(y),
    "le": lambda run, eqn, x, y: term(x) <= term(y),
    "gt": lambda run, eqn, x, y: term(x) > term(y),
    "ge": lambda run, eqn, x, y: term(x) >= term(y),
    "eq": _equal,
    "ne": _different,
    "not": _not,
    "and": lambda run, eqn, x, y: term(x) & term(y),
    "or": lambda run, eqn, x, y: term(x) | term(y),
    "is_finite": lambda run, eqn, x: _everywhere(x, True),
    "select_n": _selected,
    "convert_element_type": _converted,
    "copy": lambda run, eqn, x: x.x,
    "stop_gradient": lambda run, eqn, x: x.x,
}


def _moves(run: Any, eqn: Any, x: Value, *places: Value) -> Any:
    """Primitives that only put numbers elsewhere do so with the shares of every party."""
    name = eqn.primitive.name
    if any(place.secret for place in places) or not x.secret:
        refuse(name, "at a secret place")
    indices = [place.full for place in places]
    changed = _without_filling(eqn, x, places, indices) if name == "gather" else {}
    found = jax.vmap(lambda row: _compat.bind(eqn, row, *indices, **changed))(x.x.shares)
    return [like(x.x, shares, name) for shares in (found if eqn.primitive.multiple_results else [found])]


def _without_filling(eqn: Any, x: Value, places: tuple[Value, ...], indices: list[Any]) -> dict[str, Any]:
    """Shares have no NaN to fill in for places out of range, so there may be none."""
    if eqn.params["mode"] != jax.lax.GatherScatterMode.FILL_OR_DROP:
        return {}
    if not all(place.fixed for place in places):
        refuse("gather", "at a place that is not known while tracing and may be out of range")
    with jax.ensure_compile_time_eval():
        found = _compat.bind(eqn, jnp.zeros(x.shape, jnp.float32), *indices, fill_value=float("nan"))
        if bool(jnp.any(jnp.isnan(found))):
            raise IndexError(f"index of an array of shape {x.shape} is out of range")
    return {"fill_value": 0}


def _broadcast(run: Any, eqn: Any, x: Value, *_: Value) -> Any:
    """With axes of length 1 where the same numbers would be repeated."""
    return thin(eqn, x.x)


def thin(eqn: Any, x: Any) -> Any:
    """`x`, secret or not, with its axes in the places that broadcast_in_dim gives them, and others of length 1."""
    shape = [1] * len(eqn.params["shape"])
    for place, size in zip(eqn.params["broadcast_dimensions"], x.shape, strict=True):
        shape[place] = size
    return ms.reshape(x, tuple(shape)) if isinstance(x, Secret) else x.reshape(tuple(shape))


def _sorted(run: Any, eqn: Any, x: Value, *others: Value) -> Any:
    if others:
        refuse("sort", "of several arrays (argsort, or by a key)")
    return [ms.sort(x.x, axis=eqn.params["dimension"])]


def _all(x: Secret, axes: tuple[int, ...]) -> Secret:
    """The product of bits along axes, in log2 n steps."""
    lanes = ms.shaping.at_end(x, axes, "reduce_and")
    while (n := lanes.shape[-1]) > 1:
        both = lanes[..., : n // 2] & lanes[..., n // 2 : n // 2 * 2]
        lanes = ms.concatenate([both, lanes[..., n // 2 * 2 :]], axis=-1) if n % 2 else both
    return lanes[..., 0]


def _summed(run: Any, eqn: Any, x: Value) -> Any:
    axes = tuple(eqn.params["axes"])
    return summed(run, x.factors, axes, x.shape) if x.factors else ms.sum(x.x, axes)


WHOLE: dict[str, Entry] = {
    "reduce_sum": _summed,
    "reduce_max": lambda run, eqn, x: ms.max(x.x, eqn.params["axes"]),
    "reduce_min": lambda run, eqn, x: ms.min(x.x, eqn.params["axes"]),
    "reduce_and": lambda run, eqn, x: _all(x.x, eqn.params["axes"]),
    "reduce_or": lambda run, eqn, x: ~_all(~x.x, eqn.params["axes"]),
    "dot_general": dot_general,
    "sort": _sorted,
    "concatenate": lambda run, eqn, *parts: ms.concatenate([term(part) for part in parts], eqn.params["dimension"]),
    "stack": lambda run, eqn, *parts: ms.stack([term(part) for part in parts], eqn.params["axis"]),
    "broadcast_in_dim": _broadcast,
} | dict.fromkeys(
    ("reshape", "squeeze", "transpose", "tile", "rev", "slice", "split", "dynamic_slice", "gather"), _moves
)  # fmt: skip

__all__ = ["ELEMENTWISE", "WHOLE", "thin"]
