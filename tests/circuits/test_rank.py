"""Tables of small numbers, and order statistics of numbers given by their bits."""

from __future__ import annotations

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.circuits import lookup, lowest, of_rank, rank
from mpcjax.circuits.bitsort import products, sort_bits
from tests.circuits._stock import centred, cost, evaluate, scheme_of

# One and two need no powers; squares, one less and one more; the whole of the small field.
SIZES = [1, 2, 9, 31, *(pytest.param(size, marks=pytest.mark.long) for size in (3, 4, 5, 17))]


@pytest.mark.parametrize("exponent", [5, 61])
@pytest.mark.parametrize("size", SIZES)
def test_every_entry_of_a_table(exponent: int, size: int) -> None:
    """Tables that begin at zero, below and above it, in one program."""
    rng, scheme, firsts = np.random.default_rng(size), scheme_of(exponent), (0, -size + 1, 7)
    tables = [[int(k) for k in rng.integers(0, scheme.field.modulus, size)] for _ in firsts]
    places = [np.arange(first, first + size).astype(object) % scheme.field.modulus for first in firsts]

    def looked_up(rt: Any, *places: Any) -> list[Any]:
        return [lookup(rt, x, table, first) for x, table, first in zip(places, tables, firsts, strict=True)]

    for found, table in zip(evaluate(scheme, looked_up, *places), tables, strict=True):
        np.testing.assert_array_equal(found, centred(scheme, np.array(table, object)))


@pytest.mark.parametrize(("size", "openings"), [(1, 0), (2, 0), (3, 2), (33, 10), (201, 27)])
def test_a_table_costs_two_square_roots(size: int, openings: int) -> None:
    demand, _ = cost(scheme_of(61), lambda rt, x: lookup(rt, x, [1] * size), ())
    assert (demand.double, demand.bit, demand.random) == (openings, 0, 0)


def test_too_large_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="a table of 8 entries: legal are 1 to 7"):
        cost(scheme_of(3), lambda rt, x: lookup(rt, x, [1] * 8), ())


def planes(x: np.ndarray, width: int) -> np.ndarray:
    """`[..., n]` to `[width, ..., n]`."""
    return np.stack([x >> j & 1 for j in range(width)]).astype(object)


@pytest.fixture(params=["trie", "sorted"])
def way(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to find ranks, whatever the cheaper one is."""
    monkeypatch.setattr(rank, "_many", lambda *_: request.param == "sorted")
    return str(request.param)


def found_of(exponent: int, x: np.ndarray, width: int, counts: Any, kept: Any) -> tuple[np.ndarray, np.ndarray]:
    def circuit(rt: Any, bits: Any) -> Any:
        return lowest(rt, bits, jnp.asarray(counts), jnp.asarray(kept))

    sums, values = evaluate(scheme_of(exponent), circuit, planes(x, width))
    return sums, values


def expected(x: np.ndarray, width: int, counts: Any, kept: Any) -> tuple[np.ndarray, np.ndarray]:
    ordered = np.sort(x[..., np.asarray(kept)], axis=-1)
    padded = np.concatenate([ordered, np.full((*x.shape[:-1], 1), 2**width - 1)], axis=-1)
    return np.stack([ordered[..., :c].sum(-1) for c in counts]), np.stack([padded[..., c] for c in counts])


@pytest.mark.parametrize(
    "kept", [[True] * 3, *(pytest.param(kept, marks=pytest.mark.long) for kept in ([True, False, True], [False] * 3))]
)
@pytest.mark.usefixtures("way")
def test_all_triples_of_two_bit_numbers(kept: list[bool]) -> None:
    """In the field of 31 elements every column of three numbers, every count."""
    x = np.array(list(itertools.product(range(4), repeat=3)))
    counts = list(range(sum(kept) + 1))
    for got, want in zip(found_of(5, x, 2, counts, kept), expected(x, 2, counts, kept), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("exponent", [31, 61])
def test_random_columns(exponent: int) -> None:
    rng = np.random.default_rng(exponent)
    x = rng.integers(0, 2**16, (6, 9))
    x[0], x[1, :5], x[2] = 7, 1, np.where(np.arange(9) % 2, 0, 2**16 - 1)
    kept, counts = np.arange(9) != 4, [0, 3, 4, 8]
    for got, want in zip(found_of(exponent, x, 16, counts, kept), expected(x, 16, counts, kept), strict=True):
        np.testing.assert_array_equal(got, want)


def test_values_alone() -> None:
    x, ranks = np.random.default_rng(3).integers(0, 2**5, (4, 6)), [0, 2, 5, 5]
    kept = np.ones(6, bool)
    (found,) = evaluate(
        scheme_of(31), lambda rt, bits: of_rank(rt, bits, jnp.asarray(ranks), jnp.asarray(kept)), planes(x, 5)
    )
    np.testing.assert_array_equal(found, np.sort(x, axis=-1).T[ranks])


COLUMNS = list(itertools.product((1, 2, 3, 6), (1, 2, 3, 5)))
SOME_COLUMNS = [(1, 1), (2, 3), (3, 2), (6, 3)]  # every n


@pytest.mark.parametrize(
    ("n", "width"), [pytest.param(*one, marks=() if one in SOME_COLUMNS else pytest.mark.long) for one in COLUMNS]
)
def test_sorted_by_bits(n: int, width: int) -> None:
    """All columns where these are few, else some; every bit is one again."""
    every = itertools.product(range(2**width), repeat=n) if n * width <= 9 else ()
    x = np.array([*every, *np.random.default_rng(n).integers(0, 2**width, (20, n))])
    (found,) = evaluate(scheme_of(5), lambda rt, bits: (sort_bits(rt, bits),), planes(x, width))
    np.testing.assert_array_equal(found, planes(np.sort(x, axis=-1), width))
    demand, _ = cost(scheme_of(61), sort_bits, (width, n))
    assert (demand.double, demand.bit, demand.random) == (products(n, width), 0, 0)


@pytest.mark.parametrize(
    ("n", "width", "few", "many"),
    [(25, 12, 7, 8), pytest.param(25, 16, 7, 8, marks=pytest.mark.long), (100, 16, 17, 18)],
)
def test_the_cheaper_way_is_taken(n: int, width: int, few: int, many: int) -> None:
    """What either costs is what it takes, and the choice is that of the smaller number."""

    def taken(wanted: int) -> int:
        circuit = lambda rt, x: lowest(rt, x, jnp.arange(wanted), jnp.ones(n, bool))[0]  # noqa: E731
        return cost(scheme_of(61), circuit, (width, 1, n))[0].double

    assert taken(many) == products(n, width) <= taken(few) + taken(1)
    assert taken(few) == few * taken(1) < taken(many)


@pytest.mark.usefixtures("way")
def test_secret_choices_of_who_counts() -> None:
    x = np.random.default_rng(4).integers(0, 2**4, (5, 6))
    kept, counts = np.array([1, 0, 1, 1, 0, 1]), [0, 1, 4]
    sums, values = evaluate(
        scheme_of(31),
        lambda rt, bits, kept: lowest(rt, bits, jnp.asarray(counts), kept),
        planes(x, 4),
        kept.astype(object),
    )
    for got, want in zip((sums, values), expected(x, 4, counts, kept == 1), strict=True):
        np.testing.assert_array_equal(got, want)


def test_what_it_costs() -> None:
    demand, _ = cost(scheme_of(61), lambda rt, x: lowest(rt, x, jnp.arange(1), jnp.ones(25, bool))[0], (16, 1, 25))
    assert (demand.double, demand.bit) == (16 * (2 * 25 + 3 + 13) + 1, 0)
    alone, _ = cost(scheme_of(61), lambda rt, x: of_rank(rt, x, jnp.arange(1), jnp.ones(25, bool)), (16, 1, 25))
    assert (alone.double, alone.bit) == (16 * (2 * 25 + 1 + 13), 0)
