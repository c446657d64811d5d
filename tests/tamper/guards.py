"""Every check of the library, and the tests that fail without it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from tests.tamper import certify, grid
from tests.tamper.attack import ALL, only, switched_off, switches
from tests.tamper.case import Case, messages
from tests.tamper.programs import case

NOTHING_OFF = only()


@dataclasses.dataclass(frozen=True)
class Guard:
    """`guilty(off)`: whether an attack succeeds with the checks `off`; `tests`: those that then fail."""

    guilty: Any
    tests: tuple[str, ...]


def at(program: Case, label: str, senders: tuple[int, ...] = (0,), position: int = 0) -> grid.Table:
    """Error 1 from `senders` at `position` of the first message whose label starts with `label`."""
    number = next(k for k, sent in enumerate(messages(program)) if sent.label.startswith(label))
    errors = np.zeros((1, grid.width(program)), program.scheme.field.dtype)
    errors[0, list(senders)] = 1
    return grid.Table(np.array([number]), errors, np.array([position]))


def _bad(program: Case, table: grid.Table, off: Any) -> bool:
    return bool(grid.judge(program, table, grid.run(program, table, off)).bad)


def _additive(name: str, *, field: int = 3, parties: int = 3, label: str, **where: Any) -> Any:
    def guilty(off: Any) -> bool:
        program = case(name, field, parties, 1)
        return _bad(program, at(program, label, **where), off)

    return guilty


def _liar_goes_free(off: Any) -> bool:
    """A member lies about an honest peer's dealing, and the round ends without naming it."""
    program = case("inputs", 3, 3, 1)
    outcome = grid.run(program, at(program, "dealing check"), off)
    return not outcome.accused[0, 0]


def _unlucky(name: str) -> Any:
    def guilty(off: Any) -> bool:
        program = case(name, 5, 3, 1)
        return _bad(program, grid.nothing(program, 1), off)

    return guilty


def _two_is_a_sign(off: Any) -> bool:
    program, trial = certify.SIGNS
    given = trial.given(np.array([[2, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]))
    given = {name: leaf[None] for name, leaf in given.items()}
    return bool(grid.run(program, grid.nothing(program, 1), off, given).accepted[0, 0])


def _disagreement(off: Any) -> bool:
    from tests.tamper.threads import honest_disagree  # threads are started only where needed

    return honest_disagree(off)


def _a_mind_is_changed(off: Any) -> bool:
    from tests.peers.test_election import biased

    with switched_off(switches(off)):
        return all(isinstance(seed, bytes) for seed in biased())


_TINY = "test_tiny.py::test_every_error_at_every_message"

# The positions of dealings: 15 masks for the smallest field, then what is handed out; party 1 of 4 expands its share of
# degree t from a key, party 2 is sent it. The same error for party 0 itself and for party 3, while 1 and 2 expand theirs, is a
# proper sharing of degree 2 of another value.
GUARDS: dict[str, Guard] = {
    "echo": Guard(_disagreement, ("test_threads.py::test_equivocation_stops_all_honest_parties",)),
    "dealing": Guard(
        _additive("inputs", label="message"),
        (_TINY, "test_dealing.py::test_bad_dealings_are_left_out"),
    ),
    "member": Guard(_liar_goes_free, ("test_dealing.py::test_a_member_that_lies_about_a_peer_is_named",)),
    "double degree": Guard(_additive("sharings", parties=4, label="deal degree t", position=53), (_TINY,)),
    "double value": Guard(
        _additive("sharings", parties=4, label="deal degree 2t", position=ALL),
        ("test_tiny.py::test_every_error_in_sharings_of_degree_2t_that_are_sent",),
    ),
    "opening": Guard(_additive("openings", label="output small"), (_TINY,)),
    "decoding": Guard(
        _additive("openings", field=5, parties=5, label="output small", senders=(0, 1)),
        ("test_robust.py::test_more_liars_than_the_threshold_stop_the_run",),
    ),
    "king": Guard(_additive("openings", label="bulk#2/from king"), (_TINY,)),
    "mask": Guard(_unlucky("unlucky_masks"), ("test_mutation.py::test_unlucky_material_is_rejected",)),
    "product": Guard(_additive("multiply", label="multiply#1/from king"), (_TINY,)),
    "bit square": Guard(_unlucky("unlucky_bits"), ("test_mutation.py::test_unlucky_material_is_rejected",)),
    "commitment": Guard(_a_mind_is_changed, ("../peers/test_election.py::test_a_peer_cannot_change_its_mind",)),
    "certificate": Guard(_two_is_a_sign, ("test_certificates.py::test_what_is_no_sign_is_rejected",)),
}
