"""Material made piece by piece: as much, as right and as random as at once, and wrong as a whole if one piece is."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from mpcjax.errors import Abort
from mpcjax.fabric import Message, Simulated
from mpcjax.fabric.threaded import run
from mpcjax.fields import F31, F61
from mpcjax.offline import Demand, count, pieces, prepare
from mpcjax.offline.preprocess import at_once, dealt_for
from mpcjax.prg import Stream
from mpcjax.runtime import Runtime
from mpcjax.sharing import Shamir
from tests.sharing._haste import hasty

SEED = np.arange(8, dtype=np.uint32)  # an argument of programs: a constant would be folded
SCHEMES = [Shamir(F31, 3, 1), pytest.param(Shamir(F61, 4, 1), marks=pytest.mark.long)]
DEMAND = Demand(random=4, double=5, zero=3, bit=14, triple=4)
PIECES = 3


@pytest.fixture(params=SCHEMES, ids=str)
def scheme(request: Any, monkeypatch: pytest.MonkeyPatch) -> Shamir:
    """With pieces so small that the demand takes three."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", -(-dealt_for(request.param, DEMAND) // PIECES))
    assert pieces.number_of_pieces(request.param, DEMAND) == PIECES
    return request.param


def runtime(scheme: Shamir, fabric: Any, seed: Any) -> Runtime:
    streams = Stream.from_seed(seed).per_row("party", fabric.rows)
    return Runtime(scheme, fabric, streams, None)  # type: ignore[arg-type]


def test_it_is_what_it_claims_and_no_two_pieces_are_alike(scheme: Shamir) -> None:
    def make(seed: Any) -> Any:
        rt = runtime(scheme, Simulated(scheme.parties), seed)
        return prepare(rt, DEMAND).split([DEMAND])[0], rt.verified

    stock, verified = hasty(make)(SEED)
    assert bool(verified)
    (random,), (low, high), (zero,), (bit,), (a, b, c) = (stock.arrays[kind] for kind in vars(DEMAND))
    assert [x.shape[1] for x in (random, low, zero, bit, a)] == list(vars(DEMAND).values())
    assert np.all(scheme.consistent(np.concatenate([random, low, bit, a, b, c], axis=1)))
    open_low, open_high = scheme.reconstruct, lambda x: scheme.reconstruct(x, 2 * scheme.threshold)
    assert np.array_equal(open_low(low), open_high(high)) and not np.any(open_high(zero))
    assert set(np.asarray(open_low(bit)).tolist()) == {0, 1}
    assert np.array_equal(scheme.field.mul(open_low(a), open_low(b)), open_low(c))
    drawn = np.asarray(open_low(np.concatenate([random, low, a, b], axis=1)))
    assert len(np.unique(drawn)) == drawn.size
    assert len(np.unique(np.asarray(zero)[0])) == zero.shape[1]


def test_each_piece_costs_what_it_costs_alone(scheme: Shamir) -> None:
    each = Demand(*(-(-amount // PIECES) for amount in vars(DEMAND).values()))
    _, alone = count(lambda rt: at_once(rt, each), scheme)
    _, ledger = count(lambda rt: prepare(rt, DEMAND), scheme)
    assert (ledger.rounds, ledger.sent) == (PIECES * alone.rounds, PIECES * alone.sent)
    assert len({entry.label for entry in ledger.entries}) == len(ledger.entries)


class Last:
    """Counts what is sent under a label; of so many `times` of that, adds 1 the last time."""

    def __init__(self, label: str, times: int = 0):
        self.label, self.times, self.met = label, times, 0

    def __call__(self, message: Message, x: Any) -> Any:
        if message.kind == "copies" or self.label not in message.label:
            return x
        self.met += 1
        return (jnp.asarray(x) + 1).astype(x.dtype) if self.met == self.times else x


@pytest.mark.parametrize("label", ["bit square", pytest.param("fold", marks=pytest.mark.long)])
def test_an_error_in_the_last_piece_fails_all(scheme: Shamir, label: str) -> None:
    honest = Last(label)
    play(scheme, honest)
    assert honest.met >= PIECES and honest.met % PIECES == 0
    outcomes = play(scheme, Last(label, honest.met))
    assert all(isinstance(outcome, Abort) for outcome in outcomes), outcomes


def test_an_error_in_the_compiled_pieces_fails_all(scheme: Shamir) -> None:
    """There a hook meets the messages of all pieces at once."""

    def bent(message: Message, x: Any) -> Any:
        return x.at[1].set(x[1] ^ np.asarray(1, x.dtype)) if "bit square" in message.label else x

    def make(seed: Any) -> Any:
        rt = runtime(scheme, Simulated(scheme.parties, bent), seed)
        prepare(rt, DEMAND)
        return rt.verified

    assert not bool(hasty(make)(SEED))


def play(scheme: Shamir, hook: Any) -> list[Any]:
    def party(fabric: Any) -> Any:
        return prepare(runtime(scheme, fabric, SEED), DEMAND)

    return run(scheme.parties, party, {1: hook})


@pytest.mark.parametrize("parties", [3, pytest.param(21, marks=pytest.mark.long)])
def test_a_piece_is_bounded_and_little_is_made_at_once(parties: int) -> None:
    scheme = Shamir(F61, parties, (parties - 1) // 2)
    few, many = Demand(double=1000, bit=1000), Demand(random=58, double=10_909_432, bit=6_944_850)
    assert pieces.number_of_pieces(scheme, few) == 1
    count = pieces.number_of_pieces(scheme, many)
    assert 1 < count < pieces.MOST == pieces.number_of_pieces(scheme, Demand(double=10**11))
    each = Demand(*(-(-amount // count) for amount in vars(many).values()))
    assert dealt_for(scheme, each) <= 1.01 * pieces.PIECE_BYTES
