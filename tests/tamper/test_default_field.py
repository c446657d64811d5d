"""The default field, p = 2^61 - 1: more than 10,000 random errors. No run ends wrong."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from tests.tamper import certify, grid
from tests.tamper.case import Case
from tests.tamper.programs import case

PROGRAMS = {
    "offline": (lambda: case("offline", 61, 3, 1), 3000),
    "online": (lambda: case("online", 61, 3, 1), 6000),
    "signs": (lambda: certify.SIGNS_61[0], 1000),
    "range": (lambda: certify.RANGE[0], 1000),
    "norm": (lambda: certify.NORM[0], 512),
}


def _none_wrong(program: Case, amount: int, seed: int, size: int = 1) -> None:
    grid.require_honest_right(program)
    table = grid.random(program, np.random.default_rng(seed), amount, size)
    found = grid.require_none_wrong(program, table, grid.run(program, table, seed=seed))
    assert found.right and found.aborted


def test_at_least_ten_thousand() -> None:
    assert sum(amount for _, amount in PROGRAMS.values()) >= 10_000


@pytest.mark.long
@pytest.mark.parametrize("name", PROGRAMS)
def test_random_errors(name: str) -> None:
    make, amount = PROGRAMS[name]
    _none_wrong(make(), amount, seed=11)


@pytest.mark.long
@pytest.mark.parametrize("name", ["offline", "online"])
def test_random_errors_of_two_of_five(name: str) -> None:
    program = case(name, 61, 5, 2)
    for size in (1, 2):
        _none_wrong(program, 5000, seed=13 + size, size=size)


@pytest.mark.long
@pytest.mark.parametrize("name", ["inputs", "offline", "online"])
def test_random_errors_where_weights_are_products(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of more than 16,384 values at a time: dealings and material, openings and products."""
    monkeypatch.setattr(sys.modules["mpcjax.protocols.weights"], "FEW", 1)
    program = case(name, 61, 3, 1)
    _none_wrong(dataclasses.replace(program, name=f"{name}, products"), 1000, seed=17)  # a program of its own
