"""The output in slices: errors of two devices that cancel in their sum are seen."""

from __future__ import annotations

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.fabric import Simulated
from mpcjax.fields import F61
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from mpcjax.spreading import Spread

OUTPUT, WEIGHTS = (sys.modules[f"mpcjax.protocols.{name}"] for name in ("output", "weights"))
AXIS, LOCAL = "parameters", 6


@pytest.mark.parametrize("few", [WEIGHTS.FEW, 1])
def test_every_slice_has_weights_of_its_own(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WEIGHTS, "FEW", few)
    monkeypatch.setattr(OUTPUT, "coin", lambda rt: Stream.from_seed(bytes(32)))

    def combined(slice_of: Any) -> Any:
        spread = Spread(AXIS, 2, 2 * LOCAL)
        rt = Runtime(Shamir(F61, 3, 1), Simulated(3), None, None, spread)  # type: ignore[arg-type]
        return OUTPUT._combined(rt, slice_of)

    error = np.zeros((3, LOCAL), np.uint64)
    error[:, 2] = 5
    cancelling = jnp.stack([jnp.asarray(error), F61.neg(error)])
    found = np.asarray(jax.vmap(combined, axis_name=AXIS)(cancelling))
    assert np.array_equal(found[0], found[1]), "the same on every device"
    assert np.all(found != 0)
    assert not np.any(jax.vmap(combined, axis_name=AXIS)(jnp.zeros_like(cancelling)))
