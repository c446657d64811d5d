from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.net._consortium import Consortium


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Consortium]:
    """Three peers a, b, c on loopback; what they opened is closed afterwards."""
    made = Consortium(tmp_path)
    with made.stack:
        yield made
