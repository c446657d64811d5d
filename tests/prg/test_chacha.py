"""The block function: the vectors of RFC 8439."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.prg import _chacha, keystream
from tests.prg._plain import NONCES, plain_block, words

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
