"""The cheating committee member: when it acts, on what, and that the round is caught and repeated."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax.attacks import Cheat
from mpcjax.fabric import Message
from mpcjax.fields import Field

FIELD = Field(31)


def send(cheat, x, *, phase="open", kind="broadcast", label="values", members=(4, 5, 9), round=2, attempt=0):
    arrays = cheat.arrays(members, round, attempt)
    return cheat.hook(FIELD, arrays)(Message(phase, label, kind, np.arange(len(members))), x)


def test_only_the_first_sitting_peer_cheats():
    x = jnp.asarray(np.arange(6).reshape(3, 2), jnp.uint32)
    expected = np.asarray(x).copy()
    expected[1] += 7
    np.testing.assert_array_equal(send(Cheat((8, 5, 4), round=2, error=7), x), expected)


def test_the_error_is_modulo_p():
    x = jnp.full((3, 1), FIELD.modulus - 1, jnp.uint32)
    assert send(Cheat((5,), error=-3), x)[1, 0] == FIELD.modulus - 4
    assert send(Cheat((5,), error=2), x)[1, 0] == 1


@pytest.mark.parametrize(
    "change",
    [{"phase": "deal"}, {"kind": "peers"}, {"label": "x"}, {"members": (1, 2, 3)}, {"round": 3}, {"attempt": 1}],
)
def test_everything_else_passes(change):
    x = jnp.ones((3, 2), jnp.uint32)
    np.testing.assert_array_equal(send(Cheat((5,), round=2, label="values"), x, **change), x)


def test_other_types_pass():
    x = jnp.ones((3, 2), jnp.uint8)
    np.testing.assert_array_equal(send(Cheat((5,)), x), x)


def test_is_hashable_and_checked():
    assert hash(Cheat((1,), 2)) == hash(Cheat((1,), 2))
    with pytest.raises(ValueError, match="one peer"):
        Cheat(())
    with pytest.raises(ValueError, match="error"):
        Cheat((1,), error=0)


def test_round_is_caught_and_repeated():
    updates = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    # of three peers one sits on every committee of three out of five
    committee = mpcjax.simulate(parties=3, threshold=1, tamper=Cheat((2, 3, 4), round=1))
    for number in (0, 1):
        result = mpcjax.aggregate(updates, "rsa", committee=committee, key=bytes(range(32)), round=number)
        np.testing.assert_allclose(result.value, 0.07 * np.sign(updates).sum(axis=0), rtol=1e-6)
        assert len(result.report.failed) == number
