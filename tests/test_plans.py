"""A test that bends something finds no plan that others made, and leaves none behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mpcjax import planning, setup
from mpcjax.fields import F61
from mpcjax.offline import Demand, preprocess
from mpcjax.rules import RULES
from mpcjax.sharing import Shamir
from tests.conftest import plans_of_its_own

KEPT = (preprocess._taken, planning._plan, planning._walk, setup._room)


def make_plans() -> None:
    planning.plan(setup.Setup(Shamir(F61, 3, 1), RULES["mean"](), 3, 2))
    preprocess._taken(Shamir(F61, 3, 1), Demand(triple=1))


@pytest.mark.parametrize("bends", [True, False])
def test_what_others_planned(bends: bool) -> None:
    item: Any = SimpleNamespace(fixturenames=["monkeypatch"] if bends else [])
    make_plans()
    with pytest.raises(ZeroDivisionError), plans_of_its_own(item):
        assert [bool(kept.cache_info().currsize) for kept in KEPT] == [not bends] * 4
        make_plans()
        raise ZeroDivisionError
    assert [bool(kept.cache_info().currsize) for kept in KEPT] == [not bends] * 4
