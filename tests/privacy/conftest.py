"""One try per check: repetitions only repeat what one try already shows, and could not be enumerated."""

from __future__ import annotations

import pytest

from mpcjax.runtime import Runtime
from mpcjax.sharing import _deal
from tests.privacy._views import elements_of_claim


@pytest.fixture(autouse=True)
def enumerable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runtime, "repetitions", lambda self, error: 1)
    monkeypatch.setattr(_deal, "field_elements", elements_of_claim)
