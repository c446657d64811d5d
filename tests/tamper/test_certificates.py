"""Peers that lie in their certificates are left out, whatever helper values they deal; honest peers never are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.tamper import certify, grid
from tests.tamper.case import PEERS, Case
from tests.tamper.certify import LENGTH, Trial

REPEATS = 8  # every lie is told so often, with other coins
P = certify.RANGE[1].field.modulus
BELOW = 1 << (certify.RANGE[1].certificate.width - 1)
REACH = certify.NORM[1].certificate.reach(certify.NORM[1].bits, LENGTH)


def _told(trial: Trial, message: list[int], claimed: list[int] | None, liar: int, **lies: Any) -> dict[str, Any]:
    """Peer `liar` deals `message` and answers for `claimed`; the others are honest."""
    honest = trial.honest()["claimed"].astype(object)
    dealt, said = honest.copy(), honest.copy()
    dealt[liar], said[liar] = message, message if claimed is None else claimed
    repaired = {
        name: [bool(lies.get(name)) and peer == liar for peer in range(PEERS)]
        for name in ("helpers", "responses", "proof")
    }
    more, lift = ([lies.get(name, 0) if peer == liar else 0 for peer in range(PEERS)] for name in ("more", "lift"))
    return trial.given(dealt, np.where(abs(said) < 1 << 62, said, 0), more=more, lift=lift, **repaired)


def _accepted(program: Case, trial: Trial, cases: list[Any]) -> np.ndarray:
    """For every lie and repetition, whether the liar was accepted; the honest always are."""
    liars = [k % PEERS for k in range(len(cases) * REPEATS)]
    told = [_told(trial, *cases[k // REPEATS][:2], liar, **cases[k // REPEATS][2]) for k, liar in enumerate(liars)]
    given = {name: np.stack([t[name] for t in told]) for name in told[0]}
    outcome = grid.run(program, grid.nothing(program, len(told)), given=given)
    assert outcome.verified.all()
    mine = np.eye(PEERS, dtype=bool)[liars]
    assert outcome.accepted[~mine].all()
    return outcome.accepted[mine].reshape(len(cases), REPEATS)


SIGN_LIES = [([bad, 1, -1, 1], None, {}) for bad in (0, 2, 3, 15)] + [
    ([1, 1, 1, 0], None, {}),
    ([2, 2, 2, 2], None, {}),
    ([2, 0, 0, 0], None, {}),  # the squares add up as they should
    ([2, 1, -1, 1], [1, 1, -1, 1], {"proof": True}),  # proves what holds of another vector
]

RANGE_LIES = {
    "one above": ([BELOW, 0, 0, 0], None, {}),
    "one below": ([0, -BELOW - 1, 0, 0], None, {}),
    "one above, spelled by bits that are none": ([BELOW, 0, 0, 0], None, {"helpers": True}),
    "huge": ([P // 2, 0, 0, 0], None, {"helpers": True}),
    "bits of another number": ([3, 0, 0, 0], [2, 0, 0, 0], {}),
    "bits of two other numbers with the same sum": ([3, 2, 0, 0], [2, 3, 0, 0], {}),
    "a bit that is 2": ([6, 0, 0, 0], [4, 0, 0, 0], {"helpers": True}),
    "a bit that is -1": ([4, 0, 0, 0], [5, 0, 0, 0], {"helpers": True, "more": -1}),
}
RANGE_TRUTHS = [([BELOW - 1, -BELOW, 0, 1], None, {}), ([P - 1, 0, 0, 0], [-1, 0, 0, 0], {})]


def _wrapping() -> list[list[int]]:
    """Vectors of huge elements whose squares add up to 1 mod p."""
    rng, found = np.random.default_rng(1), []
    while len(found) < 3:
        a, c, d = (int(v) for v in rng.integers(1 << 40, P, 3))
        square = (1 - a * a - c * c - d * d) % P
        b = pow(square, (P + 1) // 4, P)
        if b * b % P == square:
            found.append([a, b, c, d])
    return found


def _norm_lies() -> dict[str, Any]:
    lies = {
        "one unit above": ([REACH, 1, 0, 0], None, {}),
        "one unit above, slack of bits that are none": ([REACH, 1, 0, 0], None, {"helpers": True}),
        "one unit above, slack of another vector": ([REACH, 1, 0, 0], [REACH, 0, 0, 0], {"responses": True}),
        "twice the norm": ([2 * REACH, 0, 0, 0], None, {"helpers": True}),
        "slack of another number": ([5, 0, 0, 0], None, {"more": 1}),
        "one unit above, made up for by an answer": ([REACH, 1, 0, 0], None, {"lift": 1}),
        "projections of another vector of that norm": ([5, 5, 0, 0], [3, 4, 5, 0], {}),
        "projections of the negative": ([5, 1, 0, 0], [-5, -1, 0, 0], {}),
        "proof of another vector of that norm": ([REACH, 1, 0, 0], [REACH, 0, 0, 0], {"proof": True}),
    }
    for k, wrapped in enumerate(_wrapping()):
        assert sum(x * x for x in wrapped) % P == 1  # so its slack is that of (1, 0, 0, 0)
        lies[f"wrap-around {k}"] = (wrapped, [1, 0, 0, 0], {})
        lies[f"wrap-around {k}, answers of bits that are none"] = (wrapped, [1, 0, 0, 0], {"responses": True})
        lies[f"wrap-around {k}, proof of another vector"] = (wrapped, [1, 0, 0, 0], {"proof": True})
    return lies


NORM_TRUTHS = [([REACH, 0, 0, 0], None, {}), ([0, 0, 1 - REACH, 0], None, {}), ([0, 0, 0, 0], None, {})]


@pytest.mark.parametrize(
    "trial", [certify.SIGNS, pytest.param(certify.SIGNS_61, marks=pytest.mark.long)], ids=["e5", "e61"]
)
def test_what_is_no_sign_is_rejected(trial: tuple[Case, Trial]) -> None:
    _only_truths_pass(trial, SIGN_LIES, [([-1, 1, -1, -1], None, {})])


def test_what_is_out_of_range_is_rejected() -> None:
    _only_truths_pass(certify.RANGE, list(RANGE_LIES.values()), RANGE_TRUTHS)


def test_what_is_too_long_is_rejected() -> None:
    _only_truths_pass(certify.NORM, list(_norm_lies().values()), NORM_TRUTHS)


def _only_truths_pass(trial: tuple[Case, Trial], lies: list[Any], truths: list[Any]) -> None:
    """Truths go up to the bound itself. Every lie must fail every time, every truth pass."""
    accepted = _accepted(*trial, [*lies, *truths])
    assert not accepted[: len(lies)].any(), [lie for lie, taken in zip(lies, accepted, strict=False) if taken.any()]
    assert accepted[len(lies) :].all()
