"""Python's collector of cycles, out of the way while programs are traced."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collecting_later() -> Iterator[None]:
    """No collection meanwhile: tracing makes so many objects, nearly all of which stay, that looking through them again and
    again is a third of its time. Not where the caller has switched collection off."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
