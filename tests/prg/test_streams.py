"""Streams and the names that are taken once."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.errors import NonceReuse
from mpcjax.fields import F61
from mpcjax.prg import Stream, field_elements, keystream, uniform_of_several
from mpcjax.prg._stream import _encode
from tests.prg._plain import KEYS, words


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


def test_several_streams_of_which_one_has_no_rows() -> None:
    wanted = (root(2), "a", 5), (Stream(jnp.zeros((0, 8), jnp.uint32)), "b", 7), (root(3), "a", 0), (root(1), "c", 9)
    found = uniform_of_several(F61, *wanted)
    assert [each.shape for each in found] == [(2, 5), (0, 7), (3, 0), (1, 9)]
    for (_, label, count), each in zip(wanted, found, strict=True):
        if each.size:
            assert np.array_equal(each, root(len(each)).uniform(label, F61, count))


def test_several_streams_take_each_name_once() -> None:
    stream = root(1)
    with pytest.raises(NonceReuse):
        uniform_of_several(F61, (stream, "a", 3), (stream, "a", 3))
