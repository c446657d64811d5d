"""What is compiled once is not compiled again: in one process, and with JAX's persistent cache in the next one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROUNDS = """
import json, sys
import jax, jax.numpy as jnp
import mpcjax

counts = {"compiled": 0, "missed": 0, "found": 0}
events = {"/jax/compilation_cache/cache_misses": "missed", "/jax/compilation_cache/cache_hits": "found"}

def counted(event, **_):
    if event in events:
        counts[events[event]] += 1

def timed(event, _, **__):
    counts["compiled"] += event.endswith("backend_compile_duration")

jax.monitoring.register_event_listener(counted)
jax.monitoring.register_event_duration_secs_listener(timed)
committee, seen = mpcjax.simulate(parties=3), []
for number in range(2):
    result = mpcjax.aggregate(jnp.ones((4, 7)), "rsa", committee=committee, key=b"k" * 32, round=number)
    jax.block_until_ready(result.value)
    seen.append(dict(counts))
print(json.dumps(seen))
"""


def rounds(cache: Path) -> list[dict[str, Any]]:
    """Counts after the first and the second round of a process of its own."""
    kept = {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment = {**os.environ, **kept, "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    done = subprocess.run([sys.executable, "-c", ROUNDS], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_nothing_is_compiled_twice(tmp_path: Path) -> None:
    first, second = rounds(tmp_path)
    assert first["missed"] and second == first, "a second round of the same shapes compiles nothing"
    again, _ = rounds(tmp_path)
    assert again["missed"] == 0 and again["found"] >= first["missed"], "nor does the next process"
