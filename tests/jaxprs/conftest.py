"""Where circuits are replaced by what they promise."""

from tests.rules.conftest import ideal

__all__ = ["ideal"]
