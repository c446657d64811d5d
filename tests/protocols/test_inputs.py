"""The dealing check of short messages, whose shares it reads itself: every one has a weight of its own."""

from __future__ import annotations

import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.fabric import Simulated
from mpcjax.fields import F31, F61, Field
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir

INPUTS, WEIGHTS = (sys.modules[f"mpcjax.protocols.{name}"] for name in ("inputs", "weights"))
SIZES, PLACES = (5, 4), [(0, 0), (0, 3), (1, 0), (1, 2)]  # of two blocks; and where errors are put


@pytest.mark.parametrize("field", [F31, F61], ids=lambda f: f"e{f.exponent}")
@pytest.mark.parametrize("few", [WEIGHTS.FEW, 1])
def test_errors_that_cancel_in_their_sum_are_seen(few: int, field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a block and between two, in every try."""
    monkeypatch.setattr(WEIGHTS, "FEW", few)
    rt = Runtime(Shamir(field, 3, 1), Simulated(3), None, None)  # type: ignore[arg-type]
    tries = rt.repetitions(WEIGHTS.missed(field))

    def combined(*errors: tuple[tuple[int, int], int]) -> np.ndarray:
        blocks: list[Any] = [np.zeros((3, 2, size), field.dtype) for size in SIZES]
        for (block, place), error in errors:
            blocks[block][1, 0, place] = error % field.modulus
        public, masks = Stream.from_seed(bytes(32)), field.zeros((3, 2, tries))
        found = np.asarray(INPUTS._combined(rt, public, [jnp.asarray(block) for block in blocks], masks))
        assert not np.any(found[[0, 2]]) and not np.any(found[1, 1])  # of who is wrong alone
        return found[1, 0]

    alone = {place: combined((place, 1)) for place in PLACES}
    assert not np.any(combined()) and all(np.all(found != 0) for found in alone.values())
    for k, one in enumerate(PLACES):
        for other in PLACES[:k]:
            assert np.all(combined((one, 1), (other, -1)) != 0)
