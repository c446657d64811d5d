"""The example of a rule of one's own runs as it stands, in a tiny size, and shows what its text says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "experiments" / "own_rule.py"


pytestmark = pytest.mark.long  # the README's example of the same rule runs by default


@pytest.fixture(scope="module")
def printed() -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MPCJAX_NOTEBOOK": "tiny"}
    command = [sys.executable, "-W", "error", str(SCRIPT)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def number(printed: str, row: str) -> float:
    return float(re.findall(rf"^{row} +(\S+)$", printed, flags=re.MULTILINE)[-1])


def test_the_rule_withstands_what_the_mean_does_not(printed):
    assert number(printed, "mean under attack") < 0 < 0.5 < number(printed, "agreement, plain")


def test_mpc_gives_the_plain_result(printed):
    assert number(printed, "agreement, MPC") == number(printed, "agreement, plain")
    assert number(printed, "largest difference") < 2.0**-15
    assert "verified; 6 of 6 peers accepted" in printed


def test_cost_leakage_and_the_error_are_shown(printed):
    assert "revealed: output, accepted or not, and why not, per peer" in printed
    first, second = (float(mb) for mb in re.findall(r"([\d.,]+) MB sent", printed))
    assert first < second
    assert re.search(r"rule 'peeks'.*own_rule\.py:\d+ `if agreement\[0\] > agreement\[1\]:`.*where", printed)


def test_it_is_a_notebook():
    kinds = [cell.cell_type for cell in jupytext.read(SCRIPT).cells]
    assert kinds[0] == "markdown" and {"code", "markdown"} == set(kinds)
