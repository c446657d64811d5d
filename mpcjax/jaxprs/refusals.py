"""What is not in the closed list, and what to use instead."""

from __future__ import annotations

from typing import NoReturn

MARKS = "x >= jnp.max(x), one bit for each: a product with these bits chooses"
LIMITED = "jnp.clip(c + k * x, 0, 1) and polynomials are what secrets have in its place"
CHOOSE = "jnp.where(condition, x, y) of both"
PUBLIC_STEPS = "a number of steps that is known while tracing, jax.lax.fori_loop(0, 5, ...) or a Python loop"
PRINTS = "the plain run to look at numbers, rule.plain(updates), and no jax.debug in the function"

INSTEAD: dict[str, str] = {
    "div": "x / jnp.maximum(y, least), with the smallest that y can be; in a Rule mpcjax.secret.divide(x, y, bits=, least=)",
    "pow": "whole numbers from 1, jnp.sqrt, or 1 / jnp.maximum(x, least)",
    "rsqrt": "1 / jnp.maximum(jnp.sqrt(x), least), with the smallest that the root can be",
    "select_n": "jnp.where(condition, x, y), of two",
    "convert_element_type": "jnp.floor(x) for a whole number, x != 0 for a bit",
    "round": "jnp.floor(x + 0.5)",
    "ceil": "-jnp.floor(-x)",
    "rem": "x - y * jnp.floor(x / y) with a public y",
    "xor": "x != y",
    "sort": f"jnp.sort of one array, or {MARKS}",
    "argmax": MARKS + "; in a Rule mpcjax.secret.argmax",
    "argmin": "x <= jnp.min(x), one bit for each; in a Rule mpcjax.secret.argmax(-x)",
    "top_k": "jnp.sort, or x >= jnp.sort(x)[-k], one bit for each",
    "approx_top_k": "jnp.sort, or x >= jnp.sort(x)[-k], one bit for each",
    "cumsum": "a product with a public triangular matrix, jnp.tril(jnp.ones((n, n))) @ x",
    "cumprod": "a Python loop of products",
    "cummax": "a Python loop of jnp.maximum",
    "cummin": "a Python loop of jnp.minimum",
    "cumlogsumexp": LIMITED,
    "reduce_prod": "a Python loop of products; of bits jnp.all",
    "pad": "jnp.concatenate with jnp.zeros",
    "scatter": "jnp.where with a public mask, or jnp.concatenate",
    "dynamic_update_slice": "jnp.where with a public mask, or jnp.concatenate",
    "gather": "a place that is known while tracing, jnp.take(x, i, mode='clip') for another public one; for a secret one, a "
    "product with bits, (score >= jnp.max(score)) @ rows",
    "dynamic_slice": "a public place; for a secret one, a product with bits, (score >= jnp.max(score)) @ rows",
    "cond": CHOOSE,
    "while": PUBLIC_STEPS,
    "scan": PUBLIC_STEPS,
    "conv_general_dilated": "products with public matrices, x @ a",
    "reduce_precision": "jnp.floor(x * 2**k + 0.5) / 2**k",
    "debug_callback": PRINTS,
    "debug_print": PRINTS,
    "custom_linear_solve": "a product with a public inverse",
    "cholesky": "Gram matrices and products of them",
    "eigh": "power iterations, a @ v, in a Python loop",
    "svd": "power iterations, x.T @ (x @ v), in a Python loop",
} | dict.fromkeys(
    ("exp", "exp2", "expm1", "log", "log1p", "logistic", "tanh", "erf", "sin", "cos", "tan", "atan2", "cbrt", "lgamma"),
    LIMITED,
)
INSTEAD |= dict.fromkeys(
    ("scatter_add", "scatter-add", "scatter_mul", "scatter_min", "scatter_max"), INSTEAD["scatter"]
)
LEGAL = (
    "+, -, *, ** and / by public numbers or jnp.maximum(y, least), @ and what is made of it, comparisons, &, |, ~, jnp.where, "
    "abs, sign, maximum, minimum, clip, sqrt, floor, sum, mean, max, min, all, any, sort, median, indices known while tracing, "
    "reshape, transpose, concatenate, stack"
)


def refuse(name: str, what: str = "of a secret", instead: str = "") -> NoReturn:
    """`TypeError` with what to use instead of a primitive; whoever calls the entry puts the line in front of it."""
    instead = instead or INSTEAD.get(name, "")
    advice = f"use {instead}" if instead else f"legal are {LEGAL}"
    raise TypeError(f"{name} {what}: {advice}. Or write a mpcjax.Rule with the functions of mpcjax.secret")
