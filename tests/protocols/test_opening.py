"""Correcting an opening of many values: every try of finding who is wrong looks along a combination of its own."""

from __future__ import annotations

import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.fabric import Simulated
from mpcjax.fields import F31
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir

OPENING, WEIGHTS = (sys.modules[f"mpcjax.protocols.{name}"] for name in ("opening", "weights"))


@pytest.mark.parametrize("few", [WEIGHTS.FEW, 1])
def test_tries_of_decoding_are_independent(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one wrong value among fifty the combinations are the weights of it: two tries in the field of 31 bits."""
    decoded: list[Any] = []
    monkeypatch.setattr(WEIGHTS, "FEW", few)
    monkeypatch.setattr(OPENING, "_coin_for_decoding", lambda rt: Stream.from_seed(bytes(32)))
    monkeypatch.setattr(OPENING, "without_errors", lambda rt, words, shares: decoded.append(np.asarray(words)))
    rt = Runtime(Shamir(F31, 4, 1), Simulated(4), None, None)  # type: ignore[arg-type]
    OPENING._corrected(rt, jnp.zeros((4, 50), jnp.uint32).at[2, 17].set(1))
    (words,) = decoded
    assert words.shape == (4, 2) and not np.any(words[[0, 1, 3]])
    assert 0 < words[2, 0] != words[2, 1] > 0
