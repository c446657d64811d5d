"""Peers that deal badly are left out; members that lie about a peer are named; honest peers stay in."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tamper import grid, guards
from tests.tamper.case import PEERS, Case, messages
from tests.tamper.programs import case

COMMITTEES = [(3, 3, 1), (5, 5, 2), (5, 4, 1)]


def _bent(program: Case, bends: list[list[int]]) -> dict[str, np.ndarray]:
    """Runs in which peer 1 adds `bends[k]` to the shares it deals to the members."""
    field = program.scheme.field
    bend = np.zeros((len(bends), PEERS, program.scheme.parties), field.dtype)
    bend[:, 1] = field.from_int(bends)
    return {"bend": bend}


def _bad_dealings(program: Case) -> list[list[int]]:
    """Degree t + 1, other sharings for the last members, a wrong share for one member, and shares that are noise."""
    scheme, p = program.scheme, program.scheme.field.modulus
    t, members = scheme.threshold, range(1, scheme.parties + 1)
    high = [[c * x ** (t + 1) % p for x in members] for c in range(1, p)]
    two = [[c if x > scheme.parties - t else 0 for x in members] for c in range(1, p)]
    one = [[c if x == who else 0 for x in members] for c in range(1, p) for who in members]
    noise = np.random.default_rng(1).integers(0, p, (200, scheme.parties))
    bad = np.array([*high, *two, *one, *noise.tolist()])
    consistent = np.asarray(scheme.consistent(scheme.field.from_int(bad.T)))
    return bad[~consistent].tolist()


@pytest.mark.parametrize(
    "committee", [COMMITTEES[0], *(pytest.param(one, marks=pytest.mark.long) for one in COMMITTEES[1:])]
)
def test_bad_dealings_are_left_out(committee: tuple[int, int, int]) -> None:
    program = case("inputs", *committee)
    bends = _bad_dealings(program)
    outcome = grid.run(program, grid.nothing(program, len(bends)), given=_bent(program, bends))
    assert outcome.verified.all() and not outcome.wrong.any() and not outcome.accused.any()
    np.testing.assert_array_equal(outcome.accepted, np.tile([True, False, True], (len(bends), 1)))


@pytest.mark.parametrize("committee", COMMITTEES[:2])
def test_a_member_that_lies_about_a_peer_is_named(committee: tuple[int, int, int]) -> None:
    """Every member, about every honest peer: the run stops, the member is named, no peer is left out."""
    program = case("inputs", *committee)
    number = [sent.label for sent in messages(program)].index("dealing check#2")
    table = grid.exhaustive(program, np.random.default_rng(2))
    chosen = table.message == number
    table = grid.Table(table.message[chosen], table.errors[chosen], table.position[chosen])
    outcome = grid.run(program, table)
    assert not outcome.verified.any() and outcome.accepted.all()
    np.testing.assert_array_equal(outcome.accused, table.errors[:, : program.scheme.parties] != 0)


def test_a_lie_and_a_bad_dealing_at_once() -> None:
    """Peer 1 deals badly while member 0 lies about peer 0: only peer 1 may lose, and the member is named."""
    program = case("inputs", 5, 5, 2)
    bends = _bad_dealings(program)[:100]
    lie = guards.at(program, "dealing check")
    table = grid.Table(*(np.repeat(part, len(bends), axis=0) for part in (lie.message, lie.errors, lie.position)))
    outcome = grid.run(program, table, given=_bent(program, bends))
    assert not outcome.verified.any() and outcome.accused[:, 0].all() and not outcome.accused[:, 1:].any()
    np.testing.assert_array_equal(outcome.accepted, np.tile([True, False, True], (len(bends), 1)))
