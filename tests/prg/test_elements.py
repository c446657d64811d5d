"""Field elements made of ChaCha20, compared with plain Python."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.fields import EXPONENTS, F31, F61, Field
from mpcjax.prg import _elements, _modulo, _short, field_elements
from mpcjax.prg._elements import elements_of_several
from tests.prg._plain import KEYS, NONCES, plain_block, plain_elements


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_elements, "FEW", 8)
    monkeypatch.setattr(_elements, "LANES", 16)


def expanded(field: Field, count: int, **options: Any) -> np.ndarray:
    return np.asarray(jax.jit(lambda keys: _elements.expand([keys], [NONCES], field, [count], **options))(KEYS)[0])


@pytest.fixture(params=["all rows side by side", "some rows at a time"])
def short_form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The second: two rows of ten blocks at a time, so that of three the second is made twice."""
    _elements._elements.clear_cache()  # traced in the other form
    if request.param == "some rows at a time":
        for module in (_elements, _short):
            monkeypatch.setattr(module, "ROLLED", 0)
        monkeypatch.setattr(_short, "IN_CACHE", 29)
    yield
    _elements._elements.clear_cache()


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_short_expansions(exponent: int, short_form: None) -> None:
    field, count, keys = Field(exponent), 37, np.concatenate([KEYS, ~KEYS[:1]])
    got = np.asarray(field_elements(jnp.asarray(keys), NONCES, field, count))
    assert got.dtype == field.dtype
    for key, row in zip(keys, got, strict=True):
        blocks = [plain_block(key, counter, NONCES[0]) for counter in range(-(-count // 4))]
        numbers = [sum(block[w + k] << 32 * k for k in range(4)) for w in range(0, 16, 4) for block in blocks]
        assert row.tolist() == [number % field.modulus for number in numbers][:count]


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_words_of_64_and_128_bits_mod_p(exponent: int) -> None:
    """What random words nearly never are: multiples of p and their neighbours, and words of ones."""
    p, numbers = 2**exponent - 1, [0, 1, 2**61, 2**63, 2**64 - 1]
    near = {k * p + off for k in (1, 2, 3, 7, 2**64 // p) for off in (-1, 0, 1)}
    numbers = np.array(sorted({*numbers, *(x for x in near if x < 2**64)}), np.uint64)
    assert _modulo.mod64(numbers, exponent).tolist() == [int(x) % p for x in numbers]
    low, high = (each.reshape(-1) for each in np.meshgrid(numbers, numbers))
    found = np.asarray(_modulo.mod128(low, high, exponent))
    assert found.tolist() == [(int(x) + (int(y) << 64)) % p for x, y in zip(low, high, strict=True)]


@pytest.mark.parametrize(
    "exponent", [pytest.param(e, marks=() if e in (5, 61) else pytest.mark.long) for e in EXPONENTS]
)
def test_long_expansions(exponent: int, short_chunks: None) -> None:
    """Three chunks, of which the last lies over the second."""
    field, count = Field(exponent), 2 * 16 * _elements.per_block(Field(exponent)) + 21
    got = expanded(field, count)
    assert got.dtype == field.dtype
    assert got.tolist() == [plain_elements(field, key, count, 16) for key in KEYS]


def test_an_expansion_of_less_than_a_chunk(short_chunks: None) -> None:
    assert expanded(F61, 50).tolist() == [plain_elements(F61, key, 50, 8) for key in KEYS]


@pytest.mark.parametrize("field", [F31, F61, Field(13)], ids=str)
def test_several_at_once_are_what_each_is_alone(field: Field, short_chunks: None) -> None:
    """Short and long ones, of whole chunks and not, of different rows, names and orders of elements."""
    chunk = 16 * _elements.per_block(field)
    counts, rows = (3, 2 * chunk, 8, 3 * chunk + 5, 50, chunk + 1), (2, 1, 3, 2, 1, 3)
    generator = np.random.default_rng(3)
    keys = [generator.integers(0, 1 << 32, (n, 8), np.uint32) for n in rows]
    nonces = [generator.integers(0, 1 << 32, (3, 3), np.uint32) for _ in rows]
    found = jax.jit(lambda keys: _elements.expand(keys, nonces, field, counts))([jnp.asarray(k) for k in keys])
    for key, nonce, count, got in zip(keys, nonces, counts, found, strict=True):
        alone = jax.jit(lambda k, n=nonce, c=count: _elements.expand([k], [n], field, [c]))(key)[0]
        assert got.shape == (len(key), count)
        assert np.array_equal(got, alone)


def test_many_are_expanded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or all would be in memory at the same time. The bits are the same."""
    calls, real = [], _elements._elements
    monkeypatch.setattr(_elements, "_elements", lambda *given: calls.append(given[3]) or real(*given))
    claims, counts = [(jnp.asarray(KEYS), NONCES), (jnp.asarray(KEYS[:1]), NONCES + 1)], [20, 30]
    together = elements_of_several(claims, F61, counts)
    monkeypatch.setattr(_elements, "TOGETHER", 69)
    apart = elements_of_several(claims, F61, counts)
    assert calls == [(20, 30), (20,), (30,)]
    assert all(np.array_equal(a, b) for a, b in zip(together, apart, strict=True))


def test_more_than_a_key_gives() -> None:
    with pytest.raises(ValueError, match=r"34,359,738,369 random elements of one member are more than a key gives"):
        jax.eval_shape(lambda: field_elements(jnp.asarray(KEYS), NONCES, F61, (8 << 32) + 1))


def test_names_are_the_same_for_every_key_of_a_batch() -> None:
    def one(nonces: Any) -> Any:
        return field_elements(jnp.asarray(KEYS), nonces, F31, _elements.FEW + 5)

    with pytest.raises(ValueError, match="nonces are names"):
        jax.eval_shape(jax.vmap(one), jnp.stack([NONCES, NONCES + 1]))


@pytest.mark.parametrize("field", [F31, F61], ids=str)
@pytest.mark.parametrize("share", [1, 64], ids=["in every chunk", "in some chunks"])
def test_candidates_equal_to_p_are_replaced(field: Field, share: int, short_chunks: None) -> None:
    """All candidates of some blocks are forced to p, which by chance happens once in 2^31 or 2^61."""

    def spoilt(block: Any, e: int) -> list[Any]:
        out, bad = _elements.finish(block, e), block[3] % np.uint32(share) == 0
        worst = [np.uint32(0xFFFFFFFF), np.uint32((1 << 29) - 1)] * 8 if e == 61 else [np.uint32((1 << 31) - 1)] * 16
        return [*(jnp.where(bad, w, v) for v, w in zip(out, worst, strict=False)), out[-1] | bad.astype(jnp.uint32)]

    count = 5 * 16 * _elements.per_block(field) + 3
    got = expanded(field, count, finish=spoilt)
    expected = [plain_elements(field, key, count, 16, lambda block: block[3] % share == 0) for key in KEYS]
    assert got.tolist() == expected


@pytest.mark.parametrize("exponent", [31, 61])
def test_flags_say_where_a_candidate_is_p(exponent: int) -> None:
    p = 2**exponent - 1
    low, high = np.uint32(p & 0xFFFFFFFF), np.uint32(p >> 32)
    for place in range(0, 16, 2):
        for changed in (False, True):
            block = [jnp.zeros(1, jnp.uint32)] * 16
            block[place] = jnp.full(1, low ^ np.uint32(changed))
            block[place + 1] = jnp.full(1, high | np.uint32(7 << 29))  # the bits above a candidate do not count
            *_, flag = _elements.finish(block, exponent)
            assert bool(flag[0]) is not changed


@pytest.mark.parametrize("field", [F31, F61, Field(13)], ids=str)
def test_accelerators_compute_the_same(field: Field) -> None:
    count, lanes = 2 * 16 * _elements.per_block(field) + 21, 16
    with jax.disable_jit():
        got = _elements._whole_rows(jnp.asarray(KEYS), jnp.asarray(NONCES), field, count, lanes, _elements.finish)
    assert got.tolist() == [plain_elements(field, key, count, lanes) for key in KEYS]


def distance(p: int, bits: int) -> Fraction:
    """Statistical distance from uniform of a uniform word of that many bits, mod p."""
    rest = 2**bits % p
    return Fraction(rest * (p - rest), p * 2**bits)


def test_how_far_from_uniform() -> None:
    """The documented distances, from exact probabilities."""
    exact = sum(abs(Fraction(sum(x % 7 == r for x in range(16)), 16) - Fraction(1, 7)) for r in range(7)) / 2
    assert distance(7, 4) == exact
    for e, bound in ((31, 93), (61, 122)):
        assert distance(2**e - 1, 64) / 2**e < Fraction(1, 2**bound)
    assert all(distance(2**e - 1, 64) < Fraction(1, 2**53) for e in EXPONENTS if e <= 13)
    assert all(distance(2**e - 1, 128) < Fraction(1, 2**117) for e in EXPONENTS)


def test_shapes_and_batches() -> None:
    keys = jnp.asarray(np.random.default_rng(1).integers(0, 1 << 32, (2, 3, 8), np.uint32))
    got = field_elements(keys, NONCES, F61, (4, 5))
    assert got.shape == (2, 3, 4, 5)
    for i, j in itertools.product(range(2), range(3)):
        assert np.array_equal(got[i, j].reshape(-1), field_elements(keys[i, j], NONCES, F61, 20))
    assert field_elements(keys, NONCES, F61, (0, 5)).shape == (2, 3, 0, 5)


@pytest.mark.parametrize("count", [37, _elements.FEW + 5], ids=["short", "long"])
def test_inside_vmap_scan_and_loop(count: int, short_form: None) -> None:
    keys, expected = jnp.asarray(KEYS), field_elements(jnp.asarray(KEYS), NONCES, F31, count)
    one = lambda key: field_elements(key, NONCES, F31, count)  # noqa: E731
    assert np.array_equal(jax.jit(jax.vmap(one))(keys), expected)
    assert np.array_equal(jax.lax.map(one, keys), expected)
    both = lambda key: elements_of_several([(key[None], NONCES), (KEYS, NONCES + 1)], F31, [count, count])  # noqa: E731
    of_each, alike = jax.jit(jax.vmap(both))(keys)
    assert np.array_equal(of_each[:, 0], expected)
    assert np.array_equal(alike[1], field_elements(jnp.asarray(KEYS), NONCES + 1, F31, count))
    filled = jax.lax.fori_loop(0, 2, lambda i, out: out.at[i].set(one(keys[i])), jnp.zeros_like(expected))
    assert np.array_equal(filled, expected)
