"""Groups of peers in one lane, for tests that look at their order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mpcjax import grouping, planning, setup


@pytest.fixture
def one_lane(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Groups follow one another, in the order of their numbers. Plans are of so many lanes: none outlives the fixture."""
    planning._plan.cache_clear()
    with monkeypatch.context() as patch:
        for module in (grouping, setup):
            patch.setattr(module, "AT_ONCE", 1)
        yield
    planning._plan.cache_clear()
