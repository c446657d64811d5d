"""Groups of peers in one lane, for tests that look at their order."""

from __future__ import annotations

import pytest

from mpcjax import grouping, setup


@pytest.fixture
def one_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups follow one another, in the order of their numbers."""
    for module in (grouping, setup):
        monkeypatch.setattr(module, "AT_ONCE", 1)
