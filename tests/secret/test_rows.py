"""What the members do alone, on the row of one party: the same as in its row among those of all parties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax.secret as ms
from mpcjax.fabric import Simulated
from mpcjax.fields import F61
from mpcjax.offline import Counter
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.secret import Secret
from mpcjax.sharing import Shamir

PARTIES = 3
SHARES = np.random.default_rng(0).integers(0, F61.modulus, (PARTIES, 3, 3), np.uint64)

LOCAL: dict[str, Callable[[Any], Any]] = {
    "a number": lambda x: 1.5 - x,
    "as many numbers as parties": lambda x: x + np.arange(3) * 0.5,
    "a column": lambda x: x * np.arange(3)[:, None],
    "fewer axes": lambda x: x - x[0],
    "more axes": lambda x: x + np.arange(3.0).reshape(3, 1, 1, 1),
    "matrix": lambda x: np.arange(9).reshape(3, 3) @ x,
    "sums": lambda x: x.sum(axis=0) - x.T.sum(axis=-1),
    "mean": lambda x: x.mean(),
    "a public condition": lambda x: ms.where(np.arange(3) > 0, x, 0.5),
    "stack": lambda x: ms.stack([x, np.ones((3, 3))], axis=1),
    "concatenate": lambda x: ms.concatenate([np.ones((1, 3)), x]),
    "index": lambda x: x[np.array([0, 2]), None, np.array([1, 1])],
    "mask": lambda x: ms.mask(x, jnp.arange(3) > 1),
}


def on_rows(shares: np.ndarray) -> Secret:
    scheme, fabric = Shamir(F61, PARTIES, 1), Simulated(PARTIES)
    stream = Stream.from_seed(bytes(32)).per_row("party", fabric.rows)
    return Secret(Runtime(scheme, fabric, stream, Counter(F61, len(shares))), F61.asarray(shares), 4, 1 << 20)


@pytest.mark.parametrize("name", LOCAL)
def test_a_party_alone_computes_its_row(name: str) -> None:
    together = LOCAL[name](on_rows(SHARES))
    assert together.rt.fabric.ledger.entries == []
    for party in range(PARTIES):
        alone = LOCAL[name](on_rows(SHARES[party : party + 1]))
        assert (alone.shape, alone.scale, alone.bound) == (together.shape, together.scale, together.bound)
        np.testing.assert_array_equal(np.asarray(alone.shares)[0], np.asarray(together.shares)[party])
