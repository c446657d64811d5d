"""Shamir's secret sharing (Shamir 1979) as linear maps over the party axis.

A secret is the value at 0 of a random polynomial of degree at most `threshold`; party j holds its value at j + 1. Any
`threshold` shares are independent of the secret, any `threshold + 1` determine it. All functions here take and return
*all* shares along axis 0: they belong to a dealer, a king, or whoever received an opening, never to a single party.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import Field, linalg
from mpcjax.sharing._deal import shares_from
from mpcjax.sharing.reed_solomon import error_positions, first_good, weights_at_zero


@dataclasses.dataclass(frozen=True)
class Shamir:
    """Shares for `parties` parties of which any `threshold` learn nothing. Needs parties >= 2 threshold + 1."""

    field: Field
    parties: int
    threshold: int

    def __post_init__(self) -> None:
        m, t = self.parties, self.threshold
        if t < 0 or m < 2 * t + 1 or m < 2:
            raise ValueError(
                f"threshold={t} with parties={m}: an honest majority needs parties >= 2 * threshold + 1 and parties >= 2; "
                f"the largest threshold for {m} parties is {max((m - 1) // 2, 0)}"
            )
        if m >= self.field.modulus:
            raise ValueError(f"parties={m} needs as many non-zero points, the field has {self.field.modulus - 1}")

    @property
    def robust(self) -> bool:
        """Whether threshold < parties / 3 (and not zero): bad shares can be corrected and their senders named."""
        return self.threshold > 0 and 3 * self.threshold < self.parties

    @cached_property
    def points(self) -> list[int]:
        return list(range(1, self.parties + 1))

    def share(self, secret: Any, randomness: Any) -> Any:
        """`secret [...]`, uniform `randomness [degree, ...]` to shares `[parties, ...]` of that degree.

        The randomness is the shares of the first `degree` parties, in bijection with the coefficients; each other share
        then costs `degree` additions and no multiplication.
        """
        return jnp.stack(shares_from(self.field, self.parties, secret, randomness))

    def reconstruct(self, shares: Any, degree: int | None = None) -> Any:
        """Value at 0 of the polynomial through the first `degree + 1` of `shares [parties, ...]`, unchecked."""
        degree = self.threshold if degree is None else degree
        weights = linalg.lagrange(self.field, self.points[: degree + 1], [0])
        return linalg.apply_static(self.field, weights, shares[: degree + 1], axis=0)[0]

    def syndrome(self, shares: Any, degree: int | None = None) -> Any:
        """`[parties - degree - 1, ...]`, zero exactly where `shares [parties, ...]` lie on a polynomial of `degree`."""
        degree = self.threshold if degree is None else degree
        matrix = linalg.parity_check(self.field, self.points, degree)
        return linalg.apply_static(self.field, matrix, shares, axis=0)

    def consistent(self, shares: Any, degree: int | None = None) -> Any:
        """`bool [...]`: which columns of `shares [parties, ...]` lie on a polynomial of `degree`."""
        degree = self.threshold if degree is None else degree
        if degree + 1 >= self.parties:
            return jnp.ones(shares.shape[1:], bool)
        return jnp.all(self.syndrome(shares, degree) == 0, axis=0)

    def opened(self, shares: Any) -> tuple[Any, Any]:
        """`reconstruct` and `consistent` of `shares [parties, ...]` of degree `threshold`, by one matrix."""
        t, m = self.threshold, self.parties
        weights = np.pad(linalg.lagrange(self.field, self.points[: t + 1], [0]), ((0, 0), (0, m - t - 1)))
        matrix = np.concatenate([weights, linalg.parity_check(self.field, self.points, t)])
        both = linalg.apply_static(self.field, matrix, shares, axis=0)
        return both[0], jnp.all(both[1:] == 0, axis=0)

    def locate(self, words: Any) -> tuple[Any, Any]:
        """`words [parties, K]` with errors at the same few parties: `(bad [parties] bool, ok)` by Reed-Solomon decoding.

        Right whenever at most (parties - threshold - 1) // 2 shares are wrong; `ok` is false when no codeword is near,
        or more than `threshold` parties are wrong in all.
        """
        return _located(self, words)

    def reconstruct_without(self, bad: Any, shares: Any) -> Any:
        """Value at 0 from the first `threshold + 1` rows of `shares [parties, ...]` that are not `bad [parties]`."""
        return _without(self, bad, shares)


# A round decodes dozens of words of the same shape: traced once each, these are compiled many times but not traced again.


@partial(jax.jit, static_argnums=0)
def _located(scheme: Shamir, words: Any) -> tuple[Any, Any]:
    points = np.asarray(scheme.points)
    bad, ok = jax.vmap(lambda word: error_positions(scheme.field, points, word, scheme.threshold), in_axes=1)(words)
    bad = jnp.any(bad, axis=0)
    return bad, jnp.all(ok) & (jnp.sum(bad) <= scheme.threshold)


@partial(jax.jit, static_argnums=0)
def _without(scheme: Shamir, bad: Any, shares: Any) -> Any:
    chosen = first_good(bad, scheme.threshold + 1)
    points = jnp.asarray(scheme.points, scheme.field.dtype)[chosen]
    weights = weights_at_zero(scheme.field, points)
    weights = weights.reshape(weights.shape + (1,) * (shares.ndim - 1))
    return scheme.field.sum(scheme.field.mul(weights, shares[chosen]), axis=0)
