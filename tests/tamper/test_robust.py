"""Less than a third corrupt: online, the right result is delivered whatever they send, and who lied is named."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tamper import grid
from tests.tamper.case import Case, messages
from tests.tamper.programs import case


def _delivered(program: Case, table: grid.Table) -> None:
    grid.require_honest_right(program)
    outcome = grid.run(program, table)
    found = grid.require_none_wrong(program, table, outcome)
    assert found.aborted == 0, f"{program}: {found.aborted} of {found.runs} runs aborted"
    sent = messages(program)
    by_member = np.array([sent[k].kind != "peers" for k in table.message])
    liars = table.errors[:, : program.scheme.parties] != 0
    np.testing.assert_array_equal(outcome.accused[by_member], liars[by_member])


def test_every_error_of_every_party_is_corrected() -> None:
    """p = 31, one of four: thirty errors on an element or a whole message, every message, every party."""
    program = case("robust", 5, 4, 1)
    _delivered(program, grid.exhaustive(program, np.random.default_rng(1), both=False))


@pytest.mark.long
def test_random_errors_of_two_of_seven_are_corrected() -> None:
    program = case("beaver", 61, 7, 2)
    _delivered(program, grid.random(program, np.random.default_rng(2), 2000, size=2))


def test_more_liars_than_the_threshold_stop_the_run() -> None:
    """One of five may lie and is corrected. Two are beyond the model, and beyond correction: seen, and nobody is named."""
    program = case("openings", 5, 5, 1)
    one = grid.exhaustive(program, np.random.default_rng(3))
    _delivered(program, one)
    two = grid.exhaustive(program, np.random.default_rng(3), size=2)
    outcome = grid.run(program, two)
    assert not outcome.verified.any() and not outcome.accused.any()


@pytest.mark.long
@pytest.mark.parametrize("committee", [(5, 4, 1), (61, 7, 2)])
def test_every_kind_of_product_is_corrected(committee: tuple[int, int, int]) -> None:
    program = case("online", *committee)
    _delivered(program, grid.random(program, np.random.default_rng(6), 3000, size=committee[2]))


@pytest.mark.long
def test_every_error_of_two_of_seven_is_corrected() -> None:
    program = case("online", 5, 7, 2)
    for size in (1, 2):
        _delivered(program, grid.exhaustive(program, np.random.default_rng(4), size=size, both=False))


@pytest.mark.long
def test_random_errors_of_one_of_four_are_corrected() -> None:
    program = case("online", 61, 4, 1)
    _delivered(program, grid.random(program, np.random.default_rng(5), 5000))


@pytest.mark.long
def test_offline_failures_end_in_an_abort_or_right() -> None:
    """Offline there is no input to protect: a wrong dealing stops the run, and no honest member is blamed for it."""
    program = case("offline", 5, 4, 1)
    table = grid.exhaustive(program, np.random.default_rng(6), both=False)
    grid.require_none_wrong(program, table, grid.run(program, table))
