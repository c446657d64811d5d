"""Tiny fields: every additive error, on every message, by every party. No run ends wrong.

Checks repeat their challenges there until their error is 2^-40, so not one run in a table may be an exception.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.tamper import certify, grid
from tests.tamper.case import Case
from tests.tamper.programs import case

SMALL = ("sharings", "triples", "inputs", "openings", "multiply", "beaver", "dot", "squares", "combination", "gram")


def _none_wrong(program: Case, table: grid.Table, harmless: bool = True) -> None:
    """Honest runs are right, no other ends wrong, and some errors are caught; some are `harmless`, where there are such."""
    grid.require_honest_right(program)
    found = grid.require_none_wrong(program, table, grid.run(program, table))
    assert found.aborted, f"{program}: {found}, no error was caught"
    assert found.right or not harmless, f"{program}: {found}, no error was harmless"


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=pytest.mark.long if one == "triples" else ()) for one in SMALL]
)
def test_every_error_at_every_message(name: str) -> None:
    """p = 7, three parties: six errors, on one element and on all, of every message of every party. Sharings: p = 31, five
    parties, as three send each other keys alone."""
    program = case(name, 5, 5, 2) if name == "sharings" else case(name, 3, 3, 1)
    # three inner products for three kings: no place is left over where an error would be harmless
    _none_wrong(program, grid.exhaustive(program, np.random.default_rng(1)), harmless=name != "gram")


def test_every_error_in_sharings_of_degree_2t_that_are_sent() -> None:
    """p = 7, four parties: among five, all of degree 2t is expanded from keys."""
    program = case("sharings", 3, 4, 1)
    _none_wrong(program, grid.exhaustive(program, np.random.default_rng(5)))


@pytest.mark.long
def test_every_error_while_finding_ranks() -> None:
    """p = 31, so that the table of seven entries fits."""
    program = case("ranks", 5, 3, 1)
    _none_wrong(program, grid.exhaustive(program, np.random.default_rng(7), both=False))


@pytest.mark.long
@pytest.mark.parametrize("name", ["offline", "online"])
def test_every_error_of_two_corrupt_parties(name: str) -> None:
    """p = 31, five parties: thirty errors of one party, an own one of a second, drawn for every message."""
    program = case(name, 5, 5, 2)
    _none_wrong(program, grid.exhaustive(program, np.random.default_rng(2), size=2, sets=1, both=False))


def test_every_error_at_a_certificate() -> None:
    """p = 31, three parties, three peers that prove that their messages are signs."""
    program, _ = certify.SIGNS
    _none_wrong(program, grid.exhaustive(program, np.random.default_rng(3), sets=1, both=False))


@pytest.mark.long
@pytest.mark.parametrize("name", SMALL)
def test_every_error_at_every_element(name: str) -> None:
    program = case(name, 3, 4, 1) if name == "sharings" else case(name, 3, 3, 1)
    # one wrong element of a sharing is always caught: there is no other that it could be consistent with
    _none_wrong(program, grid.every_element(program), harmless=name != "sharings")


@pytest.mark.long
def test_every_error_while_making_bits() -> None:
    program = case("bits", 3, 3, 1)
    _none_wrong(program, grid.exhaustive(program, np.random.default_rng(4)))


@pytest.mark.long
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("name", ["offline", "online"])
def test_every_error_of_every_set_of_parties(name: str, size: int) -> None:
    program = case(name, 5, 5, 2)
    _none_wrong(program, grid.exhaustive(program, np.random.default_rng(5), size=size))


@pytest.mark.long
def test_every_error_of_every_party_at_a_certificate() -> None:
    program, _ = certify.SIGNS
    _none_wrong(program, grid.exhaustive(program, np.random.default_rng(6)))
