"""One program, every protocol, two fabrics: the same bits, and the ledger of the trace is what was really sent.

The simulator compiles the program for all parties at once; on the threaded fabric each party runs it eagerly on one-row
arrays, and its hub is wrapped so that it weighs what passes through.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax import protocols
from mpcjax.fabric import Fabric, Hub, Ledger, Simulated, run
from mpcjax.fields import F31, F61, Field
from mpcjax.offline import Demand, count, pieces, prepare
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.protocols._play import SEED
from tests.sharing._haste import hasty

PEERS, LENGTH = 2, 3
WORDS = np.frombuffer(SEED, "<u4").astype(np.uint32)  # an argument: a constant would be folded for minutes
Program = Callable[[Runtime, Any], dict[str, Any]]


class Scale(Hub):
    """Weighs what each party puts down for the others: bytes, and the number of times they meet."""

    instances: list[Scale]

    def __init__(self, parties: int):
        super().__init__(parties)
        self.sent, self.rounds = [0] * parties, [0] * parties
        Scale.instances.append(self)

    def swap(self, party: int, item: Any) -> list[Any]:
        others = [j for j in range(self.parties) if j != party]
        self.sent[party] += sum(_bytes(item if isinstance(item, bytes) else item[j]) for j in others)
        self.rounds[party] += 1
        return super().swap(party, item)


def _bytes(item: Any) -> int:
    return 0 if item is None else len(item) if isinstance(item, bytes) else item.nbytes


@pytest.fixture
def scales(monkeypatch: pytest.MonkeyPatch) -> list[Scale]:
    Scale.instances = []
    monkeypatch.setattr(sys.modules["mpcjax.fabric.threaded"], "Hub", Scale)
    return Scale.instances


@pytest.fixture(autouse=True)
def every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few values open through kings too, and peers prove forms of short vectors like those of long ones."""
    monkeypatch.setattr(sys.modules["mpcjax.protocols.opening"], "BULK", 4)
    for name in ("SHORT", "ROBUST_SHORT"):
        monkeypatch.setattr(sys.modules["mpcjax.protocols.proof"], name, 2)


def one_product(rt: Runtime, seed: Any) -> dict[str, Any]:
    """The least that sends every kind of message: material, a dealing, a product through a king, an opening."""
    with rt.fabric.ledger.in_phase("offline"):
        rt.material = prepare(rt, Demand(random=2, double=3))
    with rt.fabric.ledger.in_phase("online"):
        peers = protocols.dealers(rt, Stream.from_seed(seed).child("peers").per_row("peer", range(PEERS)))
        x = protocols.deal(rt, np.arange(PEERS, dtype=rt.field.dtype)[:, None], peers, "message")
        z = protocols.dot(rt, x[:, :, 0], x[:, :, 0])
        shares = jnp.stack([z, rt.take("random", ())], axis=1)
        return {"shares": shares, "opened": protocols.open_now(rt, z[:, None], "product")}


def everything(rt: Runtime, seed: Any) -> dict[str, Any]:
    with rt.fabric.ledger.in_phase("offline"):
        rt.material = prepare(rt, needs(rt.scheme))
    return online(rt, seed)


def needs(scheme: Shamir) -> Demand:
    return count(lambda rt: online(rt, SEED), scheme)[0]


def online(rt: Runtime, seed: Any) -> dict[str, Any]:
    field, ledger = rt.field, rt.fabric.ledger
    with ledger.in_phase("deal"):
        peers = protocols.dealers(rt, Stream.from_seed(seed).child("peers").per_row("peer", range(PEERS)))
        values = np.arange(PEERS * LENGTH, dtype=np.int32).reshape(PEERS, LENGTH) - 2
        x, masks = protocols.deal(rt, values, peers, "message"), protocols.deal_masks(rt, peers)
        form = protocols.random_form(rt.scheme, protocols.coin(rt), "form", LENGTH)
        statement = protocols.Statement(jnp.asarray(values), x, form)
        (proof,) = protocols.prove(rt, peers, [statement])
        accepted = protocols.check_dealings(rt, protocols.coin(rt), [x], masks)
    with ledger.in_phase("compute"):
        square, tests = protocols.value(rt, form, x, proof)
        weights = field.asarray(list(range(1, LENGTH + 1)))
        bits = rt.take("bit", (PEERS, LENGTH))
        found = [
            protocols.multiply(rt, x, bits),
            protocols.beaver(rt, x, x),
            protocols.dot(rt, x, x),
            protocols.weighted_squares(rt, x, weights),
            protocols.combination(rt, protocols.dot(rt, x, x), x),
            square,
            *tests,
            protocols.gram(rt, x),
        ]
        masked = protocols.open_many(rt, field.add(x, rt.take("random", x.shape[1:])), "masked")
    with ledger.in_phase("verify"):
        protocols.verify(rt)
    with ledger.in_phase("open"):
        shares = jnp.concatenate([part.reshape(part.shape[0], -1) for part in found], axis=1)
        small = protocols.open_now(rt, shares[:, :2], "small", output=True)
        bulk = protocols.open_many(rt, shares[:, 2:], "bulk", output=True)
        protocols.verify(rt)
        public = protocols.challenge(rt, 2)
    return {
        "shares": shares,
        "opened": jnp.concatenate([small, bulk, masked.reshape(-1), public]),
        "accepted": accepted,
    }


def play(scheme: Shamir, program: Program, fabric: Fabric, seed: Any) -> tuple[dict[str, Any], Ledger]:
    stream = Stream.from_seed(seed).child("parties").per_row("party", fabric.rows)
    rt = Runtime(scheme, fabric, stream, None)  # type: ignore[arg-type]
    found = program(rt, seed)
    return {**found, "verified": rt.verified, "accused": rt.accused}, fabric.ledger


def require_the_same(scheme: Shamir, program: Program, scales: list[Scale]) -> None:
    _, planned = count(lambda rt: program(rt, SEED), scheme)
    simulated = hasty(lambda seed: play(scheme, program, Simulated(scheme.parties), seed)[0])(WORDS)
    outcomes = run(scheme.parties, lambda fabric: play(scheme, program, fabric, WORDS))
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    assert bool(simulated["verified"])
    for party, (found, ledger) in enumerate(outcomes):
        assert np.array_equal(found.pop("shares"), simulated["shares"][party : party + 1])
        for name, value in found.items():
            assert np.array_equal(value, simulated[name]), name
        assert ledger.entries == planned.entries
        assert ledger.opened == planned.opened
        uploads = [entry for entry in ledger.entries if entry.kind == "peers"]
        assert scales[-1].sent[party] == planned.sent
        assert scales[-1].rounds[party] == planned.rounds - sum(entry.rounds for entry in uploads)


def test_a_small_program_in_a_small_field(scales: list[Scale]) -> None:
    require_the_same(Shamir(Field(5), 3, 1), one_product, scales)


@pytest.mark.long
def test_material_in_pieces(scales: list[Scale], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "PIECE_BYTES", 200)
    require_the_same(Shamir(Field(5), 5, 2), one_product, scales)


@pytest.mark.long
@pytest.mark.parametrize("scheme", [Shamir(F61, 3, 1), Shamir(F31, 4, 1)], ids=["checked", "robust"])
def test_every_protocol(scheme: Shamir, scales: list[Scale]) -> None:
    require_the_same(scheme, everything, scales)


def test_the_ledger_by_hand() -> None:
    """One opening of 5 values and one king opening of 6 at m = 3, in a field of 8 bytes."""

    def openings(rt: Runtime) -> None:
        with rt.fabric.ledger.in_phase("first"):
            protocols.open_now(rt, rt.field.zeros((3, 5)), "small")
        with rt.fabric.ledger.in_phase("second"):
            protocols.open_many(rt, rt.field.zeros((3, 6)), "bulk")

    _, ledger = count(openings, Shamir(F61, 3, 1))
    table = ledger.by_phase()
    assert table["first"] == {"rounds": 2, "sent": 2 * (5 * 8 + 32), "uploaded": 0.0}
    assert table["second"] == {"rounds": 3, "sent": 2 * 2 * 8 + 2 * (2 * 8 + 32), "uploaded": 0.0}
    assert ledger.rounds == 5 and ledger.sent == 144 + 128
