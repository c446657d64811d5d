"""A round whose certificates are proven by the peers: who deals badly is left out, and nothing is asked before it is fixed."""

from __future__ import annotations

import re
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import mpcjax
from mpcjax._compat import x64
from mpcjax.fields import F61
from mpcjax.planning import plan
from mpcjax.rules import RULES
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir

PEERS, LENGTH = 4, 11  # a length that no other test has: programs are kept by their shapes


@pytest.fixture(autouse=True)
def proofs_of_short_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """And of several levels."""
    proof = sys.modules["mpcjax.protocols.proof"]
    monkeypatch.setattr(proof, "SHORT", 2)
    for module in (proof, sys.modules["mpcjax.protocols.folding"]):
        monkeypatch.setattr(module, "FEW", 4)


class Bent:
    """The first peer adds 1 to the first member's share of something it deals, and takes it off again in the next element."""

    def __init__(self, label: str, errors: tuple[int, ...]):
        self.label, self.errors = label, errors

    def arrays(self, *_: Any) -> np.ndarray:
        return np.zeros(1)

    def hook(self, field: Any, arrays: Any) -> Any:
        moved = field.asarray(list(self.errors))

        def tamper(message: Any, x: Any) -> Any:
            if (message.kind, message.label) != ("peers", self.label):
                return x
            return x.at[0, 0, : len(self.errors)].set(field.add(x[0, 0, : len(self.errors)], moved))

        return tamper


@pytest.mark.parametrize(
    ("label", "errors"), [("message", (1,)), ("message", (1, -1)), ("proof 0", (1,)), ("proof 1", (1,)), ("mask", (1,))]
)
def test_who_deals_badly_is_left_out_alone(label: str, errors: tuple[int, ...]) -> None:
    committee = mpcjax.simulate(parties=3, tamper=Bent(label, errors), attempts=1)
    result = mpcjax.aggregate(jnp.ones((PEERS, LENGTH)), "rsa", committee=committee, key=b"k" * 32)
    assert set(result.report.excluded) == {0} and not bool(result.report.well_dealt[0])
    np.testing.assert_allclose(np.asarray(result.value), 0.07 * (PEERS - 1), rtol=1e-6)


@pytest.mark.long
def test_short_messages_too_are_checked_by_random_combinations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the dealing check reads all shares itself, two errors that cancel in their sum do not cancel."""
    monkeypatch.setattr(sys.modules["mpcjax.protocols.proof"], "SHORT", 1 << 12)
    committee = mpcjax.simulate(parties=3, tamper=Bent("message", (1, -1)), attempts=1)
    result = mpcjax.aggregate(jnp.ones((PEERS, LENGTH + 2)), "rsa", committee=committee, key=b"k" * 32)
    assert set(result.report.excluded) == {0} and not bool(result.report.well_dealt[0])


@pytest.mark.parametrize("rule", ["rsa", "centered_clipping"])
def test_every_challenge_comes_after_what_it_is_about(rule: str) -> None:
    """Message, coin, answers, coin, level by level coefficients and challenge, masks, coin, dealing check."""
    with x64():
        entries = plan(Setup(Shamir(F61, 3, 1), RULES[rule](), PEERS, LENGTH + 4)).entries
    labels = [re.sub(r"#.*", "", entry.label) for entry in entries if entry.phase == "deal"]
    answers = {
        "rsa": ["message", "coin", "coin"],
        "centered_clipping": ["message", "helpers", "coin", "responses", "coin"],
    }
    proven = [x for k in range(sum(label.startswith("proof") for label in labels)) for x in (f"proof {k}", "challenge")]
    assert len(proven) >= 4
    assert labels == ["member keys", *answers[rule], *proven, "mask", "roll call", "roll call", "coin", "dealing check"]
