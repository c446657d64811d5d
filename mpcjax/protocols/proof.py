"""Peers prove the values of quadratic forms of what they dealt; the committee reads the shares once.

The statement is about Q(x) = sum_l w_l (x_l + h_l)^2 with public w and h. A peer knows x, so it deals the coefficients of
Q(sum_i v^i x_i) as a polynomial in v, for x cut into c pieces x_i, before a public v is drawn; then sum_i v^i x_i, of 1/c
the length, is what the statement is about, and the committee, whose part is linear, folds its shares the same way. At
length 1 the committee multiplies: one product per peer in place of one per element. (Fully linear proofs by the owner of
the data: Boneh, Boyle, Corrigan-Gibbs, Gilboa, Ishai 2019; the folding in the form of Bootle et al. 2016.)

The weights are those of a tensor product, one factor a level: w_l = a_i w'_l' for element l' of piece i, so that Q(x) =
sum_i a_i Q'(x_i), the Q'(x_i) being among the coefficients dealt.

Soundness (t < m/2, any number of corrupt peers): if what a peer dealt makes Q(x) differ from the value claimed, all
tests of its proof hide zero with probability at most sum_k (2 c_k - 2) / p over the levels, below 2^-52 for lengths up to
2^32. The fold of a dealing that is not of degree t is not of degree t either, except with probability sum_k (c_k - 1) / p:
so the dealing check need only read the fold. Only in the field of 61 bits, where this is far below 2**-SECURITY_BITS.
Revealed: nothing; all coefficients stay shared.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.fields import Field, kernels
from mpcjax.prg import Stream
from mpcjax.protocols.coin import challenge
from mpcjax.protocols.folding import FEW, MANY, by_power, in_pieces, pieces, product_table
from mpcjax.protocols.inputs import Dealers, deal_with
from mpcjax.protocols.multiply import weighted_squares
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from mpcjax.spreading import WHOLE, Spread

SHORT = 1 << 12  # up to this length the committee computes a form itself: cheap, and no message of the peers
ROBUST_SHORT = 1 << 6  # where every product costs the committee a triple


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Form:
    """Q(x) = sum_l w_l (x_l + shift_l)^2 for x of some length, public: `factors` of w by level (none: w = 1), `shift [d]`.

    Of slices on several devices `factors` and `shift` are for a slice, `across [devices]` is one factor more (none: 1).
    """

    factors: tuple[Any, ...] = ()
    shift: Any = None
    across: Any = None

    def weights(self, field: Field, length: int, spread: Spread = WHOLE) -> Any:
        """w `[length]`; of this device's slice."""
        sizes = [len(factor) for factor in self.factors]
        found = _tensors(field, self, _lengths(length, sizes))[0] if self.factors else field.ones((length,))
        return found if self.across is None else field.mul(found, spread.entry(self.across))

    def sum_of_weights(self, field: Field, length: int, spread: Spread = WHOLE) -> Any:
        """sum_l w_l over all devices, from the factors alone."""
        if not self.factors:
            found = field.asarray(np.asarray(length % field.modulus, field.dtype))
        else:
            sizes = _lengths(length, [len(factor) for factor in self.factors])
            found = _sum_of_first(field, self.factors, sizes[1:], length)
        return spread.total(field, found if self.across is None else field.mul(found, spread.entry(self.across)))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Statement:
    """Peers' vectors: `values [n, d]` as the peers know them, `shares [rows, n, d]`, and a form of them.

    With a `spread` these are slices, and the form is the sum over all devices.
    """

    values: Any
    shares: Any
    form: Form
    spread: Spread = dataclasses.field(default=WHOLE, metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Proof:
    """What is left of a statement: the folded vector `[rows, n, 1]` and `shift [1]` (None: 0), or these of all devices, one
    after the other; what the peers dealt, by level `[rows, n, 3 c - 3]`, and the challenges."""

    folded: Any
    shift: Any
    sent: tuple[Any, ...]
    challenges: tuple[Any, ...]


def levels(scheme: Shamir, length: int, always: bool = False) -> tuple[int, ...]:
    """Into how many pieces each level of a proof cuts a vector; none where the committee computes the form itself.

    `always`: also where it is short.
    """
    found: list[int] = []
    if scheme.field.exponent >= 61 and (always or length > (ROBUST_SHORT if scheme.robust else SHORT)):
        while length > 1:
            found.append(4 if length > FEW else pieces(scheme.field, length))
            length = -(-length // found[-1])
    return tuple(found)


def random_form(
    scheme: Shamir, public: Stream, label: str, length: int, shift: Any = None, spread: Spread = WHOLE
) -> Form:
    """A form with random weights: zero (with its right side) for a vector of errors that is not, with chance levels / p.

    Over the slices of a `spread`, of `length` each, the devices are one level more.
    """
    if spread.axis is None:
        return Form(_factors(scheme, public, label, levels(scheme, length) or (length,)), shift)
    across, *factors = _factors(scheme, public, label, (spread.devices, *levels(scheme, length, always=True)))
    return Form(tuple(factors), shift, across)


def _factors(scheme: Shamir, public: Stream, label: str, sizes: tuple[int, ...]) -> tuple[Any, ...]:
    drawn = public.uniform(label, scheme.field, (sum(sizes),))[0]
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    return tuple(drawn[start : start + size] for start, size in zip(starts, sizes, strict=True))


def prove(rt: Runtime, peers: Dealers, statements: list[Statement]) -> list[Proof | None]:
    """All peers prove all statements, level by level side by side; None for those the committee computes itself.

    Cost: 3 rounds a level; 3 c - 3 values dealt per peer, statement and level; locally, of a peer, 2.5 products per
    element, of a member one per share.
    """
    field, own = rt.field, [_Own.of(rt, statement) for statement in statements]
    width = sum(3 * count - 3 for one in own for count in one.sizes)
    noise: Any = peers.members.uniform("proof", field, (width,)) if width else None
    known, start = peers.expanded(field, "proof", width) if width else None, 0
    for level in range(max((len(one.sizes) for one in own), default=0)):
        active = [one for one in own if level < len(one.sizes)]
        terms = jnp.concatenate([one.terms(field) for one in active], axis=-1)
        here = slice(start, start + terms.shape[-1])
        sent = deal_with(rt, terms, noise[..., here], f"proof {level}", _part(known, here))
        start = here.stop
        v = challenge(rt, 1)[0]
        for one in active:
            width = 3 * one.sizes[level] - 3
            one.fold(field, v, sent[..., :width])
            sent = sent[..., width:]
    return [one.proof(rt.field) if one.sizes or one.spread.axis else None for one in own]


def _part(expand: Callable[[], Any] | None, here: slice) -> Callable[[], Any] | None:
    return None if expand is None else lambda: expand()[..., here]


def value(rt: Runtime, form: Form, shares: Any, proof: Proof | None) -> tuple[Any, list[Any]]:
    """Q of every peer's vector, `[rows, n]`, and sharings `[rows, n]` that hide zero unless the peer cheats.

    Cost: one product per peer, claimed. Without a proof the committee works out Q of `shares [rows, n, d]`.
    """
    field = rt.field
    if proof is None:
        shifted = shares if form.shift is None else field.add(shares, form.shift)
        return weighted_squares(rt, shifted, form.weights(field, shares.shape[-1])), []
    sums = [_weighted(field, form, level, sent) for level, sent in enumerate(proof.sent)]
    ends = [_at(field, sent, v) for sent, v in zip(proof.sent, proof.challenges, strict=True)]
    last = proof.folded if proof.shift is None else field.add(proof.folded, proof.shift)
    sums.append(weighted_squares(rt, last, field.ones((last.shape[-1],)) if form.across is None else form.across))
    return sums[0], [field.sub(a, b) for a, b in zip(sums[1:], ends, strict=True)]


class _Own:
    """A statement while it is proven: the peers' vectors, folded level by level, and the challenges that fold the shares.

    The peers' vectors are taken shifted; at first they are integers of half the width, and the shift is added on the way.
    """

    def __init__(self, sizes: tuple[int, ...], statement: Statement, weights: list[Any]):
        self.sizes, self.values, self.shares, self.shift = (
            sizes,
            statement.values,
            statement.shares,
            statement.form.shift,
        )
        self.weights, self.across, self.spread = weights, statement.form.across, statement.spread
        self.sent: list[Any] = []
        self.challenges: list[Any] = []

    @classmethod
    def of(cls, rt: Runtime, statement: Statement) -> _Own:
        field, form, length = rt.field, statement.form, statement.shares.shape[-1]
        sizes = levels(rt.scheme, length, always=statement.spread.axis is not None)
        tensors = _tensors(field, form, _lengths(length, sizes)[1:], skipped=1) if form.factors and sizes else []
        return cls(sizes, statement, tensors)

    def terms(self, field: Field) -> Any:
        """What the peers deal at this level, `[n, 3 c - 3]`: the sums over the devices where each has a slice."""
        level = len(self.sent)
        shift = None if level else self.shift
        found = coefficients(
            field, self.values, self.sizes[level], self.weights[level] if self.weights else None, shift
        )
        found = found if self.across is None else field.mul(found, self.spread.entry(self.across))
        return self.spread.total(field, found)

    def fold(self, field: Field, v: Any, sent: Any) -> None:
        count = self.sizes[len(self.sent)]
        if self.sent:
            self.values = kernels.folded(field, self.values, v, count)
        else:
            self.values = kernels.materialized(
                lambda v, x, *shift: kernels.fold_pieces(field, kernels.shifted(field, x, *shift), v, count),
                v, self.values, *(() if self.shift is None else (self.shift,)),
            )  # fmt: skip
        self.sent.append(sent)
        self.challenges.append(v)

    def proof(self, field: Field) -> Proof:
        """Members fold once, when all challenges are known: one product a share, and nothing long to write."""
        factors = tuple(kernels.powers(field, v, count) for v, count in zip(self.challenges, self.sizes, strict=True))
        weights = Form(factors).weights(field, self.shares.shape[-1])

        def folded(x: Any) -> Any:
            return self.spread.gathered(kernels.inner(field, x, weights)[..., None])

        shift = None if self.shift is None else folded(self.shift)
        return Proof(folded(self.shares), shift, tuple(self.sent), tuple(self.challenges))


def coefficients(field: Field, x: Any, count: int, weights: Any = None, shift: Any = None) -> Any:
    """For `x [n, N]`, shifted, in c pieces, `weights [ceil(N / c)]` (None: ones): Q(x_0), ..., Q(x_{c-1}), and what the
    coefficients of v, ..., v^(2c-3) of Q(sum_i v^i x_i) hold besides them: `[n, 3 c - 3]`."""
    if count == 4 and x.shape[-1] > MANY:  # ten products for sixteen, but more to compile
        return kernels.square_terms(field, x, weights, shift)
    right = in_pieces(kernels.shifted(field, x, shift), count)
    left = right if weights is None else kernels.materialized(field.mul, right, weights)
    table = product_table(field, left, right)
    squares = jnp.diagonal(table, axis1=-2, axis2=-1)
    others = jnp.where(jnp.eye(count, dtype=bool), field.zeros(()), table)
    return jnp.concatenate([squares, by_power(field, others)[..., 1:-1]], axis=-1)


def _weighted(field: Field, form: Form, level: int, sent: Any) -> Any:
    """sum_i a_i Q(x_i): what the coefficients dealt at this level say of the vector that was cut."""
    squares = sent[..., : _count(sent)]
    return field.dot(squares, form.factors[level]) if form.factors else field.sum(squares)


def _at(field: Field, sent: Any, v: Any) -> Any:
    """The polynomial whose coefficients were dealt, at v."""
    count = _count(sent)
    powers = kernels.powers(field, v, 2 * count - 1)
    return field.dot(sent, jnp.concatenate([powers[::2], powers[1:-1]]))


def _count(sent: Any) -> int:
    return sent.shape[-1] // 3 + 1


def _lengths(length: int, sizes: Any) -> list[int]:
    """Of the vector before, between and after the levels."""
    found = [length]
    for size in sizes:
        found.append(-(-found[-1] // size))
    return found


def _sum_of_first(field: Field, factors: tuple[Any, ...], sizes: list[int], count: int) -> Any:
    """The first `count` of the products of factors, level k in pieces of `sizes[k]`: whole pieces, and the first of one."""

    @functools.cache  # whole pieces are asked for by every level above
    def first(level: int, count: int) -> Any:
        if level == len(factors):
            return field.ones(())
        factor, (pieces, rest) = factors[level], divmod(count, sizes[level])
        found = field.mul(field.sum(factor[:pieces]), first(level + 1, sizes[level])) if pieces else field.zeros(())
        return field.add(found, field.mul(factor[pieces], first(level + 1, rest))) if rest else found

    return first(0, count)


def _tensors(field: Field, form: Form, lengths: list[int], skipped: int = 0) -> list[Any]:
    """The weights of the vectors of these lengths: products of all factors but the first `skipped`, `skipped` + 1, ..."""
    found = [field.ones((1,))]
    for factor, length in zip(reversed(form.factors[skipped:]), reversed(lengths[:-1]), strict=True):

        def longer(last: Any, factor: Any, length: int = length) -> Any:
            return field.mul(factor[:, None], last).reshape(-1)[:length]

        # or every later use would work all of them out anew
        found.append(kernels.materialized(longer, found[-1], factor))
    return found[::-1]
