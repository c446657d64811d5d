"""Python's collector waits while programs are traced, and is as the caller left it afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import jax.numpy as jnp
import pytest

import mpcjax
from mpcjax import setup
from mpcjax._collector import collecting_later

pytestmark = pytest.mark.user


@pytest.fixture(params=[True, False], ids=["on", "off"])
def before(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the caller has it switched on."""
    was = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if was else gc.disable)()


def test_it_waits_and_is_left_as_it_was(before: bool) -> None:
    with collecting_later():
        assert not gc.isenabled()
        with collecting_later():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled() == before
    with pytest.raises(OSError, match="no more"), collecting_later():
        raise OSError("no more")
    assert gc.isenabled() == before


def test_a_rule_that_is_refused_while_it_is_traced_leaves_it_as_it_was(before: bool) -> None:
    class Refused(mpcjax.rules.RULES["mean"]):  # type: ignore[misc] # a class from a table
        def combine(self, messages: object, public: object) -> object:
            assert not gc.isenabled()
            raise ValueError("not this one")

    setup._room.cache_clear()
    with pytest.raises(ValueError, match="not this one"):
        mpcjax.aggregate(jnp.ones((4, 3)), Refused(), committee=mpcjax.simulate(3))
    assert gc.isenabled() == before
