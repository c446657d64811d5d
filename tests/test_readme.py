"""The README's example runs as it is printed, in a program of its own, and its commands are targets of the Makefile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def examples() -> list[Any]:
    """The one that measures rates takes long: that they are measured, and what costs say then, tests/api/test_costs.py says."""
    return [
        pytest.param(code, marks=pytest.mark.long if "costs.calibrate()" in code else ()) for code in blocks("python")
    ]


@pytest.mark.user
@pytest.mark.parametrize("example", examples())
def test_example_runs(example, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_commands_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = {word for words in re.findall(r"\bmake ([a-z-]+)", README) for word in words.split()}
    assert {"demo", "test"} <= named <= targets
