"""Without any one check an attack succeeds: so each check is needed, and a test guards it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpcjax import checks, runtime
from mpcjax.checks import CATALOGUE
from tests.tamper import grid
from tests.tamper.attack import only, switched_off
from tests.tamper.guards import GUARDS, NOTHING_OFF
from tests.tamper.programs import case


def test_every_check_is_guarded() -> None:
    assert set(GUARDS) == set(CATALOGUE)


@pytest.mark.parametrize("name", GUARDS)
def test_the_guarding_tests_exist(name: str) -> None:
    assert GUARDS[name].tests
    for test in GUARDS[name].tests:
        file, function = test.split("::")
        assert f"\ndef {function}(" in (Path(__file__).parent / file).read_text()


def test_switched_off_is_switched_on_again() -> None:
    """What a test switches off would stay off for every later test of the process."""
    honest = checks.verdict
    with switched_off({"king": True}):
        assert checks.verdict is not honest and runtime.verdict("king", False)
    assert checks.verdict is honest and runtime.verdict is honest and not runtime.verdict("king", False)


@pytest.mark.parametrize("name", GUARDS)
def test_an_attack_succeeds_without_the_check(name: str) -> None:
    guilty = GUARDS[name].guilty
    assert not guilty(NOTHING_OFF), f"the attack on {name!r} succeeds with all checks on"
    assert guilty(only(name)), f"nothing goes wrong without the check {name!r}"


@pytest.mark.parametrize("name", ["unlucky_bits", "unlucky_masks"])
def test_unlucky_material_is_rejected(name: str) -> None:
    """Honest randomness that cannot be used, of negligible probability: the run stops instead of going on with it."""
    program = case(name, 5, 3, 1)
    assert not grid.run(program, grid.nothing(program, 1)).verified.any()
