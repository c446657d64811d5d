"""Vectors known by their inner products: what depends on lengths and distances alone is computed on n x n numbers.

Rules ask a `Rows` for lengths, distances and mixtures of vectors. Of plain vectors it keeps the vectors; of secret ones the
Gram matrix, so that a mixture A x is A G A^T, and nothing as long as the model is touched until a rule's weights are
applied. Mixtures are taken with whole numbers and not divided: the vectors of a `Rows` are `unit` times what they stand
for, for a public number `unit`, and whoever compares a length with a setting multiplies the setting by it.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import Field, kernels
from mpcjax.protocols import combination, dot, gram, symmetric, upper_triangle
from mpcjax.secret.array import Secret
from mpcjax.secret.fractions import at_scale, rescale

PRODUCT_BITS = 38  # of an inner product that is multiplied by a factor of `FACTOR_BITS`: both together fit the field
FACTOR_BITS = 20


class Rows:
    """Plain vectors `[n, d]`, `unit` times what they stand for."""

    def __init__(self, vectors: Any, unit: Any = 1.0):
        self.vectors, self.unit = vectors, unit

    def __len__(self) -> int:
        return self.vectors.shape[0]

    def squared_norms(self) -> Any:
        """|y_i|^2, `[n]`."""
        return jnp.sum(jnp.square(self.vectors), axis=1)

    def squared_distances(self) -> Any:
        """|y_i - y_j|^2, `[n, n]`; from the differences, where nothing cancels."""
        return jax.lax.map(lambda row: jnp.sum(jnp.square(self.vectors - row), axis=1), self.vectors)

    def squared_distances_from(self, index: Any) -> Any:
        """|y_i - y_k|^2 for one public k, `[n]`."""
        return jnp.sum(jnp.square(self.vectors - self.vectors[index]), axis=1)

    def grouped(self, matrix: Any, unit: int) -> Rows:
        """A y for a public `matrix [k, n]` of whole numbers from 0, the sum of a row at most `unit`."""
        return Rows(matrix.astype(self.vectors.dtype) @ self.vectors, self.unit * unit)

    def mixed(self, matrix: Any, unit: Any, most: int) -> Rows:
        """A y for a secret `matrix [k, n]` of 0 and 1, at most `most` of them 1 in a row."""
        return Rows(matrix @ self.vectors, self.unit * unit)

    def scaled(self, factors: Any, growth: int = 1) -> Rows:
        """a_i y_i for secret `factors [n]` in [0, 1]. `growth`: by how much products of these will grow in mixtures."""
        return Rows(factors[:, None] * self.vectors, self.unit)


class SecretRows(Rows):
    """Secret vectors by their inner products, which are computed when they are first asked for.

    `norm`: a bound of their lengths as real numbers, `unit` included. `messages`: the vectors, where they are at hand.
    """

    def __init__(self, messages: Secret | None, products: Secret | None, norm: float, unit: Any = 1.0):
        self.messages, self._products, self.norm, self.unit = messages, products, norm, unit

    def __len__(self) -> int:
        known = self.messages if self._products is None else self._products
        assert known is not None
        return known.shape[0]

    @property
    def products(self) -> Secret:
        """The Gram matrix `[n, n]`, exact: n (n + 1) / 2 openings the first time."""
        if self._products is None:
            x, scale, bound = self._of_messages()
            self._products = Secret(x.rt, gram(x.rt, x.shares), scale, bound, "inner products")
        return self._products

    def _of_messages(self) -> tuple[Secret, int, int]:
        """The vectors, and scale and bound of their inner products; refused where distances would not fit."""
        x = self.messages
        assert x is not None
        bound = math.ceil(self.norm * 2.0**x.scale) ** 2
        Secret(x.rt, x.shares, 2 * x.scale, 4 * bound, "squared distances")
        return x, 2 * x.scale, bound

    def squared_norms(self) -> Secret:
        diagonal = jnp.diagonal(self.products.shares, axis1=1, axis2=2)
        return self.products._like(diagonal, self.products.scale, self.products.bound, "squared norms")

    def squared_distances(self) -> Secret:
        products, squares = self.products, self.squared_norms().shares
        field = products.rt.field
        both = field.add(squares[:, :, None], squares[:, None])
        shares = field.sub(both, field.double(products.shares))
        return products._like(shares, products.scale, 4 * products.bound, "squared distances")

    def squared_distances_from(self, index: Any) -> Secret:
        """Of vectors whose products are not known: 2 n openings."""
        if self._products is None:
            x, scale, bound = self._of_messages()
            rt = x.rt
            squares, across = dot(rt, x.shares, x.shares), dot(rt, x.shares, _entry(x.shares, index)[:, None])
        else:
            norms = self.squared_norms()
            rt, scale, bound, squares = norms.rt, norms.scale, norms.bound, norms.shares
            across = _entry(self.products.shares, index)
        both = rt.field.add(squares, _entry(squares, index)[:, None])
        return Secret(rt, rt.field.sub(both, rt.field.double(across)), scale, 4 * bound, "squared distances")

    def grouped(self, matrix: Any, unit: int) -> SecretRows:
        """Local."""
        products = self.products
        rt, field = products.rt, products.rt.field
        checked = products._like(products.shares, products.scale, products.bound * unit**2, "inner products of groups")
        encoded = field.from_signed(jnp.asarray(matrix, jnp.int32))
        half = field.dot(encoded[None, :, None], checked.shares[:, None], axis=-1)
        shares = field.dot(half[:, :, None], encoded[None, None], axis=-1)
        return self._next(Secret(rt, shares, products.scale, checked.bound), self.unit * unit, self.norm * unit)

    def mixed(self, matrix: Any, unit: Any, most: int) -> SecretRows:
        """k n + k (k + 1) / 2 openings."""
        products, rt = self.products, self.products.rt
        bound = products.bound * most**2
        checked = products._like(products.shares, products.scale, bound, "inner products of mixtures")
        half = dot(rt, matrix.shares[:, :, None], checked.shares[:, None])
        left, right = upper_triangle(matrix.shape[0])
        pairs = dot(rt, half[:, left], matrix.shares[:, right])
        shares = symmetric(pairs, matrix.shape[0])
        return self._next(Secret(rt, shares, products.scale, bound), self.unit * unit, self.norm * most)

    def scaled(self, factors: Any, growth: int = 1) -> SecretRows:
        """n (n + 1) / 2 products and roundings, each three times. Error: 2^-19 of the longest vector's square, and as many
        bits as `growth` has less than 2^-46: were they kept, the field would have room for coarse messages only."""
        left, right = upper_triangle(len(self))
        a = rescale(factors, FACTOR_BITS)
        both = rescale(_at(a, left) * _at(a, right), FACTOR_BITS)
        result = short(pairs_of(self.products), PRODUCT_BITS) * both
        result = short(result, PRODUCT_BITS + 8 - (growth - 1).bit_length())
        shares = symmetric(result.shares, len(self))
        return self._next(
            result._like(shares, result.scale, result.bound, "scaled"), self.unit, self.norm * (1 + 2.0**-18)
        )

    def _next(self, products: Secret, unit: Any, norm: float) -> SecretRows:
        return SecretRows(None, products, norm, unit)


def rows_of(messages: Any, norm: float | None = None) -> Rows:
    """The `messages [n, d]` as they are. `norm`: a bound of their lengths, by default what that of coordinates implies."""
    if not isinstance(messages, Secret):
        return Rows(messages)
    coordinate = messages.bound / 2.0**messages.scale
    return SecretRows(messages, None, coordinate * math.sqrt(messages.shape[1]) if norm is None else norm)


def mixed_back(weights: Any, matrix: Any) -> Any:
    """w A for secret `weights [k]` and a secret `matrix [k, n]` of 0 and 1. One opening per column."""
    if not isinstance(weights, Secret):
        return weights @ matrix
    bound = weights.bound * matrix.bound * matrix.shape[0]
    checked = weights._like(weights.shares, weights.scale, bound, "weights of mixtures")
    shares = dot(weights.rt, jnp.moveaxis(matrix.shares, 1, 2), checked.shares[:, None])
    return checked._like(shares, weights.scale, bound, "weights of mixtures")


def mixtures(matrix: Any, x: Any, most: int) -> Any:
    """A x themselves for a secret `matrix [k, n]` of 0 and 1, at most `most` of them 1 in a row, and secret `x [n, d]`.

    k d openings.
    """
    if not isinstance(x, Secret):
        return matrix @ x
    checked = x._like(x.shares, x.scale, x.bound * most, "mixtures")
    mixed = [combination(x.rt, matrix.shares[:, k], checked.shares) for k in range(matrix.shape[0])]
    return checked._like(jnp.stack(mixed, axis=1), x.scale, checked.bound, "mixtures")


def grouped_back(weights: Any, matrix: Any, unit: int) -> Any:
    """w A for secret `weights [k]` and a public `matrix [k, n]` of whole numbers up to `unit`, one in a column. Local."""
    if not isinstance(weights, Secret):
        return weights @ matrix.astype(weights.dtype)
    field, bound = weights.rt.field, weights.bound * unit
    checked = weights._like(weights.shares, weights.scale, bound, "weights of groups")
    encoded = field.from_signed(jnp.asarray(matrix, jnp.int32))
    shares = field.dot(checked.shares[:, None], encoded.T[None], axis=-1)
    return checked._like(shares, weights.scale, bound, "weights of groups")


def scaled_back(weights: Any, factors: Any) -> Any:
    """w_i a_i for secret `weights [n]` and `factors [n]` in [0, 1], rounded to 2^-20: n products and roundings."""
    if not isinstance(weights, Secret):
        return weights * factors
    return rescale(weights * rescale(factors, FACTOR_BITS), FACTOR_BITS)


def short(x: Secret, bits: int) -> Secret:
    """`x` with as many fewer fractional bits as its bound is longer than `bits` bits."""
    return at_scale(x, x.scale - max(x.bound.bit_length() - bits, 0))


def pairs_of(products: Secret) -> Secret:
    """The upper triangle `[n (n + 1) / 2]`."""
    left, right = upper_triangle(products.shape[0])
    return products._like(products.shares[:, left, right], products.scale, products.bound, "pairs")


def _at(x: Secret, places: Any) -> Secret:
    return x._like(x.shares[:, places], x.scale, x.bound, "entries")


def _entry(shares: Any, index: Any) -> Any:
    """`shares [rows, n, ...]` at a public index that may be traced."""
    return jnp.take(shares, jnp.asarray(index, jnp.int32), axis=1)


def public_number(field: Field, value: Any, scale: int) -> Any:
    """A public positive `value` with `scale` fractional bits as field elements, rounded, and at least 1 (in units of these)."""
    scaled = jnp.maximum(jnp.round(jnp.asarray(value, jnp.float32) * np.float32(2.0**scale)), 1)
    return field.from_signed(scaled.astype(jnp.int64))


def averages(members: Any, x: Any, *, bits: int, most: int) -> Any:
    """Means of the rows of `x [n, d]` in each group of public `members [k, n]` bool of at most `most`, zero for none. Local.

    One divided by the size of a group is rounded to `bits` fractional bits.
    """
    share = members / jnp.maximum(members.sum(axis=1, keepdims=True), 1).astype(jnp.float32)
    whole = jnp.round(share * np.float32(2.0**bits)).astype(jnp.int32)
    if not isinstance(x, Secret):
        return (whole.astype(x.dtype) * np.float32(2.0**-bits)) @ x
    field = x.rt.field
    bound = x.bound * ((1 << bits) + most)
    checked = x._like(x.shares, x.scale + bits, bound, "means of groups")
    encoded = field.from_signed(whole)
    means = [kernels.combine(field, encoded[k], checked.shares, axis=1) for k in range(whole.shape[0])]
    return checked._like(jnp.stack(means, axis=1), checked.scale, bound, "means of groups")
