"""Public random weights of linear combinations: whatever is not zero is not zero in the combination either, nearly surely.

Many weights are the products of a few: w_l = a_i b_j for l = (i, j). The combination sum_l w_l e_l = a E b of a matrix E
that is not zero differs from any r fixed before: a E is not zero except with probability 1 / p, and then (a E) b = r with
probability 1 / p. (Powers of one challenge would leave N / p.) So a million weights are two thousand of the keystream and
a product each, where the loop that expands a million takes two seconds to compile. In fields of less than 31 bits, where
the second challenge would be felt, all are independent.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp

from mpcjax.fields import Field, kernels
from mpcjax.prg import Stream

FEW = 1 << 14  # up to so many are independent


def challenges(field: Field) -> int:
    """How many uniform numbers are multiplied to a weight, at most."""
    return 2 if field.exponent >= 31 else 1


def missed(field: Field) -> float:
    """The probability, at most, with which a combination hides what is not zero."""
    return -math.expm1(challenges(field) * math.log1p(-1 / field.modulus))


def weights_of(public: Stream, label: str, field: Field, tries: int, count: int, apart: int = 0) -> Any:
    """`[tries, apart + count]` field elements from a stream drawn when what they weigh was fixed.

    The tries are independent of each other, and the first `apart` weights of a try of each other and of the rest.
    """
    if count <= FEW or challenges(field) < 2:
        return public.uniform(label, field, (tries, apart + count))[0]
    columns = 1 << -(-(count - 1).bit_length() // 2)  # the power of two from the square root on
    rows = -(-count // columns)
    drawn = public.uniform(label, field, (tries, apart + rows + columns))[0]
    first, a, b = jnp.split(drawn, (apart, apart + rows), axis=1)
    # try by try: of an axis of one before the long ones a TPU makes an array that fills 128 words with one
    products = jnp.stack([field.mul(x[:, None], y[None]).reshape(-1)[:count] for x, y in zip(a, b, strict=True)])
    products = kernels.once(products)
    return jnp.concatenate([first, products], axis=1) if apart else products
