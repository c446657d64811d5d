"""Words above p: a sender may put any word on the wire, and it must mean the same in every operation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import protocols
from mpcjax.errors import Abort
from mpcjax.fabric import Fabric, Message, Simulated, Tamper, Threaded
from mpcjax.fields import F61
from mpcjax.offline import count
from mpcjax.protocols.opening import BULK
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.tamper import threads
from tests.tamper.material import dealt, uniform


def bent(x: Any, high: int) -> Any:
    """Words that `sub` reads as `x`, `add` as x + 2 high, and a plain comparison as numbers above p."""
    return F61.add(jnp.asarray(x), high) + np.uint64(high << F61.exponent)


def lying(label: str, kind: str, high: int) -> Tamper:
    def tamper(message: Message, x: Any) -> Any:
        return bent(x, high) if (message.label, message.kind) == (label, kind) else x

    return tamper


def fates() -> set[str]:
    """Of runs in which party 0 bends all words of one message, for every broadcast and exchange."""
    found = set()
    for kind in ("broadcast", "exchange"):
        for label in threads.labels(kind):
            outcomes = threads.play({0: lying(label, kind, 1)})
            found.add(threads.fate(outcomes, corrupt=0))
    return found


def test_no_run_ends_wrong() -> None:
    assert fates() <= {"right", "abort"}


@pytest.mark.long
def test_without_the_reduction_a_run_ends_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Threaded, "_received", lambda self, x: x)
    assert "wrong" in fates()


@pytest.mark.parametrize("high", [1, 2, 7])
def test_a_king_in_the_simulator(high: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def king(message: Message, x: Any) -> Any:
        return x.at[0].set(bent(x[0], high)) if message.label.endswith("from king") else x

    with pytest.raises(Abort, match="king"):
        _opened(king)
    monkeypatch.setattr(Simulated, "_received", Fabric.__dict__["_received"])
    monkeypatch.setattr(Runtime, "_canonical", lambda self, x: x)
    if high < 7:  # a larger one is too far off to pass even so
        opened, right = _opened(king)
        assert (opened != right).any()


def test_what_a_peer_deals() -> None:
    """A word above p is the element it stands for: such a dealing is a good one, and stops nobody."""

    def dealer(message: Message, x: Any) -> Any:
        return x.at[0].set(x[0] - np.uint64(0) + np.uint64(F61.modulus)) if message.kind == "peers" else x

    rt = Runtime(Shamir(F61, 3, 1), Simulated(3, dealer), None, None)  # type: ignore[arg-type]
    shares = jnp.arange(12, dtype=np.uint64).reshape(3, 2, 2)
    assert (rt.fabric.from_peers(shares, "message") == shares).all()


def _opened(tamper: Tamper) -> tuple[np.ndarray, np.ndarray]:
    """An output opened by kings and verified, and what it should be."""
    scheme, key = Shamir(F61, 3, 1), jax.random.key(0)
    value = uniform(F61, key, (BULK * 3,))
    shares = scheme.share(value, uniform(F61, jax.random.fold_in(key, 1), (1, *value.shape)))

    def program(rt: Runtime) -> Any:
        opened = protocols.open_many(rt, shares, "output", output=True)
        protocols.verify(rt)
        return opened

    demand, _ = count(program, scheme)
    rt = Runtime(scheme, Simulated(3, tamper), None, dealt(scheme, key, demand))  # type: ignore[arg-type]
    return np.asarray(program(rt)), np.asarray(value)
