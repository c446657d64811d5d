"""Set-up of every test: where JAX runs, which tests run inside the library's 64-bit scope, how hypothesis searches.

Internal code assumes that its caller has entered `mpcjax._compat.x64()`, as every public function does. So whole test
items run inside that scope, fixtures of every breadth included, except those that stand for a user of the public API:
everything in the folders of `USER_FOLDERS`, and any test or module marked `user`. Code at module level, which runs when
tests are collected, is outside the scope: build arrays of field elements inside tests and fixtures.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Generator
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

TESTS = Path(__file__).parent

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # JAX_PLATFORMS=cuda (or tpu) runs the tests there
# Compiling takes most of the tests' time: keep what is compiled between runs, and share it between workers.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(TESTS.parent / ".cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")
# The programs are small and run once: optimising them would take longer than it saves, and so does the newer way of
# emitting fusions, where it can still be switched off (an unknown flag ends the process). The bits are the same.
CAN_EMIT_PLAINLY = tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11)
FASTER_COMPILING = "--xla_backend_optimization_level=0" + " --xla_cpu_use_fusion_emitters=false" * CAN_EMIT_PLAINLY
os.environ.setdefault("XLA_FLAGS", FASTER_COMPILING)

import jax  # noqa: E402 - it reads the settings above when it is imported

from mpcjax import _compat, planning, setup  # noqa: E402
from mpcjax.offline import preprocess  # noqa: E402

MAPPINGS = 40_000
# Tracing makes very many objects, few of them in cycles: at Python's own thresholds (700, 10, 10) looking for cycles took a
# sixth of the time of some of tests/session (of all tests it was not measured). Memory there: 758 to 793 MB.
GARBAGE_THRESHOLDS = (50_000, 50, 1000)
USER_FOLDERS = ("api", "attacks", "train", "experiments", "benchmarks", "net")

# The first example of a property test compiles its program: time limits on single examples mean nothing here.
settings.register_profile(
    "local",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=DirectoryBasedExampleDatabase(TESTS.parent / ".cache" / "hypothesis"),
)
settings.register_profile("repeatable", settings.get_profile("local"), derandomize=True, database=None, print_blob=True)
settings.load_profile("repeatable" if os.environ.get("CI") else "local")


def stands_for_user(item: pytest.Item) -> bool:
    """Whether `item` must see JAX as a user has set it, with 64-bit types off."""
    folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
    return folder in USER_FOLDERS or item.get_closest_marker("user") is not None


def pytest_collection_finish() -> None:
    """What has been imported stays, and need not be looked at again."""
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    forget_programs_when_many()
    with plans_of_its_own(item), contextlib.nullcontext() if stands_for_user(item) else _compat.x64():
        return (yield)


@contextlib.contextmanager
def plans_of_its_own(item: pytest.Item) -> Generator[None]:
    """A test that bends something finds no plan made before and leaves none behind: plans are kept by what is not bent."""
    bends = "monkeypatch" in getattr(item, "fixturenames", ())
    if bends:
        forget_plans()
    try:
        yield
    finally:
        if bends:
            forget_plans()


def forget_plans() -> None:
    for kept in (preprocess._taken, planning._plan, planning._walk, setup._room):
        kept.cache_clear()


def forget_programs_when_many() -> None:
    """Compiled programs hold mappings of memory; by default Linux gives a process 65,530, and ends it at one more."""
    mapped = Path("/proc/self/maps")
    if mapped.exists() and mapped.read_bytes().count(b"\n") > MAPPINGS:
        jax.clear_caches()
        gc.collect()
