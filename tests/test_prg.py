"""ChaCha20, the field elements made of it, and the streams that name them.

The vectors are those of RFC 8439; everything else is compared with the few lines of plain Python below, which pass them.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.errors import NonceReuse
from mpcjax.fields import EXPONENTS, F31, F61, Field
from mpcjax.prg import Stream, _chacha, _elements, field_elements, keystream, uniform_of_several
from mpcjax.prg._elements import elements_of_several
from mpcjax.prg._stream import _encode

NONCES = np.array([[9, 0, 1], [0, 7, 2], [3, 0, 5]], np.uint32)
ZERO = "00" * 32
SUNSCREEN = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
BLOCKS = {  # key, counter, nonce, keystream block
    "2.3.2": (
        bytes(range(32)).hex(),
        1,
        "000000090000004a00000000",
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
        "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e",
    ),
    "A.1 #1": (
        ZERO,
        0,
        "00" * 12,
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
    ),
    "A.1 #2": (
        ZERO,
        1,
        "00" * 12,
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
    ),
    "A.1 #3": (
        "00" * 31 + "01",
        1,
        "00" * 12,
        "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
        "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0",
    ),
    "A.1 #4": (
        "00ff" + "00" * 30,
        2,
        "00" * 12,
        "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
        "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096",
    ),
    "A.1 #5": (
        ZERO,
        0,
        "00" * 11 + "02",
        "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
        "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d",
    ),
}


def words(hexadecimal: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(hexadecimal), "<u4").astype(np.uint32)


# -- an independent ChaCha20 --------------------------------------------------------------------------------------------


def plain_block(key: Any, counter: int, nonce: Any) -> list[int]:
    start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *map(int, key), counter, *map(int, nonce)]
    x = start.copy()

    def quarter(a: int, b: int, c: int, d: int) -> None:
        for target, source, mixed, shift in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[target] = (x[target] + x[source]) % 2**32
            turned = x[mixed] ^ x[target]
            x[mixed] = (turned << shift | turned >> 32 - shift) % 2**32

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return [(a + b) % 2**32 for a, b in zip(x, start, strict=True)]


def plain_candidates(field: Field, key: Any, nonce: Any, first: int, lanes: int) -> list[int]:
    """Candidates of `lanes` blocks, word-major, not yet below p."""
    blocks = [plain_block(key, first + lane, nonce) for lane in range(lanes)]
    if field.exponent == 31:
        return [block[w] & field.modulus for w in range(16) for block in blocks]
    wide = [block[w] | block[w + 1] << 32 for w in range(0, 16, 2) for block in blocks]
    return [word & field.modulus if field.exponent == 61 else word % field.modulus for word in wide]


def plain_replacements(field: Field, key: Any, first: int, lanes: int) -> list[int]:
    spares = NONCES[1:] if field.exponent == 31 else NONCES[1:2]
    blocks = [[plain_block(key, first + lane, nonce) for lane in range(lanes)] for nonce in spares]
    return [
        (block[w] | block[w + 1] << 32) % field.modulus for w in range(0, 16, 2) for part in blocks for block in part
    ]


def plain_elements(field: Field, key: Any, count: int, lanes: int, bad: Any = lambda block: False) -> list[int]:
    """The documented order; where `bad(block)` every candidate of the block counts as p."""
    chunk = _elements.per_block(field) * lanes
    out = [0] * max(count, chunk)
    for step in range(-(-len(out) // chunk)):
        first, offset = step * lanes, min(step * chunk, len(out) - chunk)
        numbers = plain_candidates(field, key, NONCES[0], first, lanes)
        spare = plain_replacements(field, key, first, lanes)
        wrong = [bad(plain_block(key, first + lane, NONCES[0])) for lane in range(lanes)]
        for k in range(chunk):
            replaced = wrong[k % lanes] or numbers[k] == field.modulus
            out[offset + k] = spare[k] if replaced else numbers[k]
    return out[:count]


# -- the block function ------------------------------------------------------------------------------------------------


def test_quarter_round_vector() -> None:  # RFC 8439, section 2.1.1
    given = [jnp.uint32(w) for w in (0x11111111, 0x01020304, 0x9B8D6F43, 0x01234567)]
    assert [int(w) for w in _chacha.quarter_round(*given)] == [0xEA2A92F4, 0xCB1CF8CE, 0x4581472E, 0x5881C4BB]


@pytest.mark.parametrize("name", BLOCKS)
def test_block_vectors(name: str) -> None:
    key, counter, nonce, block = BLOCKS[name]
    assert np.array_equal(keystream(jnp.asarray(words(key)), words(nonce), counter, 16), words(block))
    assert plain_block(words(key), counter, words(nonce)) == words(block).tolist()


def test_keystream_vector() -> None:  # RFC 8439, section 2.4.2
    key, nonce = jnp.asarray(words(bytes(range(32)).hex())), words("000000000000004a00000000")
    stream = np.asarray(keystream(key, nonce, 1, 29)).astype("<u4").tobytes()
    sealed = bytes(a ^ b for a, b in zip(SUNSCREEN, stream, strict=False))
    assert sealed.hex() == (
        "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0b"
        "f91b65c5524733ab8f593dabcd62b3571639d624e65152ab8f530c359f0861d8"
        "07ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
        "5af90bbf74a35be6b40b8eedf2785e42874d"
    )


def test_one_kernel_gives_the_vectors() -> None:
    """The unrolled form, as one kernel over lanes: every vector's block stands at its counter."""

    def block_at(scalars: Any, elements: Any) -> list[Any]:
        return _chacha.core(scalars[:8], elements[0], scalars[8:])

    one_kernel = jax.jit(lambda scalars, counters: _chacha.lane_map(block_at, scalars, [counters], 16))
    counters = jnp.arange(16, dtype=jnp.uint32)
    for key, counter, nonce, block in BLOCKS.values():
        lanes = one_kernel([jnp.uint32(w) for w in (*words(key), *words(nonce))], counters)
        assert [int(lane[counter]) for lane in lanes] == words(block).tolist()


def test_counters_go_on_past_a_word() -> None:
    key = jnp.arange(8, dtype=jnp.uint32)
    assert np.array_equal(keystream(key, NONCES[0], 2**32 - 1, 32)[16:], keystream(key, NONCES[0], 0, 16))


# -- field elements ----------------------------------------------------------------------------------------------------


KEYS = np.random.default_rng(0).integers(0, 1 << 32, (2, 8), np.uint32)


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_elements, "FEW", 8)
    monkeypatch.setattr(_elements, "LANES", 16)


def expanded(field: Field, count: int, **options: Any) -> np.ndarray:
    return np.asarray(jax.jit(lambda keys: _elements.expand([keys], [NONCES], field, [count], **options))(KEYS)[0])


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_short_expansions(exponent: int) -> None:
    field, count = Field(exponent), 37
    got = np.asarray(field_elements(jnp.asarray(KEYS), NONCES, field, count))
    assert got.dtype == field.dtype
    for key, row in zip(KEYS, got, strict=True):
        blocks = [plain_block(key, counter, NONCES[0]) for counter in range(-(-count // 4))]
        numbers = [sum(block[w + k] << 32 * k for k in range(4)) for w in range(0, 16, 4) for block in blocks]
        assert row.tolist() == [number % field.modulus for number in numbers][:count]


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


def test_several_streams_of_which_one_has_no_rows() -> None:
    wanted = (root(2), "a", 5), (Stream(jnp.zeros((0, 8), jnp.uint32)), "b", 7), (root(3), "a", 0), (root(1), "c", 9)
    found = uniform_of_several(F61, *wanted)
    assert [each.shape for each in found] == [(2, 5), (0, 7), (3, 0), (1, 9)]
    for (_, label, count), each in zip(wanted, found, strict=True):
        if each.size:
            assert np.array_equal(each, root(len(each)).uniform(label, F61, count))


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


def test_several_streams_take_each_name_once() -> None:
    stream = root(1)
    with pytest.raises(NonceReuse):
        uniform_of_several(F61, (stream, "a", 3), (stream, "a", 3))


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


def test_inside_vmap_scan_and_loop() -> None:
    count = _elements.FEW + 5
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


# -- streams -----------------------------------------------------------------------------------------------------------


def root(rows: int = 1) -> Stream:
    return Stream(jnp.asarray(np.random.default_rng(2).integers(0, 1 << 32, (rows, 8), np.uint32)))


TAKES = {
    "child": lambda stream: stream.child("a"),
    "claim": lambda stream: stream.claim("a"),
    "uniform": lambda stream: stream.uniform("a", F61, 3),
    "coins": lambda stream: stream.coins("a", 3),
    "words": lambda stream: stream.words("a", 3),
    "per_row": lambda stream: stream.per_row("a", [0, 1]),
    "at": lambda stream: stream.at("a", 1),
}


@pytest.mark.parametrize("take", TAKES.values(), ids=TAKES)
def test_a_name_is_taken_once(take: Any) -> None:
    stream = root()
    take(stream)
    with pytest.raises(NonceReuse, match="a"):
        take(stream)


@pytest.mark.parametrize("second", ["claim", "uniform", "coins", "words"])
def test_all_expansions_share_their_names(second: str) -> None:
    stream = root()
    stream.claim("a")
    with pytest.raises(NonceReuse, match="'a'"):
        TAKES[second](stream)


WRAPPERS = {
    "jit": lambda f: jax.jit(lambda: f()[0])(),
    "vmap": lambda f: jax.vmap(lambda x: f()[0] + x)(jnp.arange(2, dtype=jnp.uint32)),
    "fori_loop": lambda f: jax.lax.fori_loop(0, 2, lambda _, x: x + f()[0, 0], jnp.uint32(0)),
    "scan": lambda f: jax.lax.scan(lambda x, _: (x + f()[0, 0], None), jnp.uint32(0), length=2),
    "cond": lambda f: jax.lax.cond(True, lambda: f()[0], lambda: jnp.zeros(3, jnp.uint32)),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_stream_stays_in_the_trace_that_made_it(wrap: Any) -> None:
    """Traced once and run many times, it would give the same numbers each time."""
    stream = root()
    with pytest.raises(NonceReuse, match="made outside"):
        wrap(lambda: stream.words("a", 3))
    keys = jnp.asarray(KEYS)
    wrap(lambda: Stream(keys).words("a", 3))


def test_a_whole_key_is_handed_out_alone() -> None:
    stream = root().at("program", 3)
    key = stream.key()
    assert key.shape == (8,)
    for take in TAKES.values():
        with pytest.raises(NonceReuse, match="whole stream"):
            take(stream)
    used = root()
    used.words("a", 3)
    for other in (used, root().child("a")):
        with pytest.raises(NonceReuse, match="taken before"):
            other.key()
    with pytest.raises(ValueError, match="one row"):
        root(2).key()


def test_names_are_told_apart() -> None:
    """No two of these paths are written the same, whatever stands in their labels and indices."""
    labels = ("a", "b", "ab", "", "/", "a/b", "s", "l", "1", "a\0")
    levels = [(label, *rest) for label in labels for rest in ((), (1,), ("1",), (11,), (1, 1), ("/",), ("b",))]
    paths = [(level,) for level in levels] + list(itertools.product(levels, repeat=2))
    names = {_encode(kind, path) for kind in ("expand", "row") for path in paths}
    assert len(names) == 2 * len(paths)


def test_different_names_give_different_numbers() -> None:
    def drawn() -> list[bytes]:
        stream = root()
        sources = [
            stream,
            stream.child("a"),
            stream.child("a", 0),
            stream.child("b").child("a"),
            stream.per_row("a", [0]),
            stream.per_row("b", [0]),
            stream.at("a", 0),
            stream.at("c", 1),
        ]
        return [np.asarray(source.words(label, 4)).tobytes() for source in sources for label in ("a", "b")]

    first = drawn()
    assert len(set(first)) == len(first)
    assert drawn() == first, "the same keys and names give the same numbers"


def test_a_row_depends_on_its_own_index_alone() -> None:
    together, alone = root().per_row("party", np.arange(5)), root().per_row("party", [3])
    assert (together.rows, alone.rows) == (5, 1)
    assert np.array_equal(together.uniform("x", F61, 4)[3:4], alone.uniform("x", F61, 4))
    rows = np.asarray(together.words("y", 2))
    assert len({row.tobytes() for row in rows}) == 5


def test_a_traced_index() -> None:
    def words_at(index: Any) -> Any:
        return Stream.from_seed(bytes(32)).at("round", index).words("x", 3)

    assert np.array_equal(jax.jit(words_at)(np.uint32(7)), words_at(7))
    assert not np.array_equal(words_at(8), words_at(7))


def test_what_the_expansions_are() -> None:
    """Under the claimed nonce from block 0: words and few coins in the RFC's order."""
    keys, nonces = root(2).claim("a")
    expected = np.asarray(keystream(keys, nonces[0], 0, 20))
    assert np.array_equal(root(2).words("a", 20), expected)
    assert np.array_equal(root(2).coins("a", (10, 2)), expected.reshape(2, 10, 2))
    assert np.array_equal(root(2).uniform("a", F61, (3, 2)), field_elements(keys, nonces, F61, (3, 2)))


def test_seeds() -> None:
    seed = bytes(range(32))
    first = Stream.from_seed(seed).words("a", 4)
    assert np.array_equal(Stream.from_seed(words(seed.hex())).words("a", 4), first)
    fresh = [np.asarray(Stream.from_seed().words("a", 4)).tobytes() for _ in range(2)]
    assert fresh[0] != fresh[1], "without a seed, the operating system's randomness"
    with pytest.raises(ValueError, match="32 bytes"):
        Stream.from_seed(bytes(31))


@pytest.mark.parametrize("keys", [np.zeros((2, 8), np.int32), np.zeros(8, np.uint32), np.zeros((2, 4), np.uint32)])
def test_keys_of_the_wrong_kind(keys: Any) -> None:
    with pytest.raises(ValueError, match="uint32"):
        Stream(keys)


def test_wrong_names_and_rows() -> None:
    stream = root()
    for index in (1.5, True, None):
        with pytest.raises(TypeError, match="static"):
            stream.child("a", index)
    with pytest.raises(NonceReuse, match="twice"):
        stream.per_row("a", [1, 2, 1])
    with pytest.raises(ValueError, match="one row"):
        root(2).per_row("a", [0])
    for index in (-1, 1 << 32):
        with pytest.raises(ValueError, match="legal"):
            stream.at("a", index)
