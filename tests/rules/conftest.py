"""Where circuits are replaced by what they promise."""

from __future__ import annotations

import pytest

from mpcjax import circuits
from tests.rules._ideal import IDEAL


@pytest.fixture
def ideal(monkeypatch: pytest.MonkeyPatch) -> None:
    for function in IDEAL:
        monkeypatch.setattr(circuits, function.__name__, function)
