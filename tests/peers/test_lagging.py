"""Honest peers begin a round some slots after the fastest, as after a longer training: one corrupt member does not part them."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Collection
from typing import Any

import numpy as np
import pytest

from mpcjax._compat import x64
from mpcjax.errors import Abort
from mpcjax.peers import node as nodes_of
from mpcjax.peers.attempt import attempt
from mpcjax.peers.claims import ABORT, ACCEPT, OPENED, RECORD_BYTES, Claim
from mpcjax.peers.conduct import Conduct
from mpcjax.peers.decision import Decision
from mpcjax.peers.election import Election
from mpcjax.peers.links import Lost
from mpcjax.peers.node import Node, Round
from mpcjax.rules import Public
from tests.peers._clock import record
from tests.peers._consortium import LENGTH, PARTIES, PEERS, SEED, compiled, consortium, play, updates
from tests.peers._memory import Net

SLOT = 0.2  # of the count
ELECTION = Election(SEED, PEERS, PARTIES)


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    compiled()
    play(consortium(Net(PEERS)))


def net(cheat: Any = None, patience: float = 2.0) -> Net:
    return Net(PEERS, patience, slot=SLOT / 2, cheat=cheat)


BEGUN = set[int]()  # peers that have begun with the round


def begun_late(nodes: list[Node], number: int, late: Collection[int], lag: float) -> list[Any]:
    """What every peer has of the round, as `Peer` does it: who is lost asks. The `late` ones begin `lag` seconds later."""
    BEGUN.clear()
    found: list[Any] = [None] * PEERS

    def body(peer: int) -> None:
        time.sleep(lag if peer in late else 0.0)
        BEGUN.add(peer)
        try:
            with x64():
                found[peer] = nodes[peer].round(number, updates()[peer], Public.of(PEERS, LENGTH))
        except Lost:
            try:
                found[peer] = nodes[peer].missed(number)[0]
            except Exception as error:
                found[peer] = error
        except Exception as error:
            found[peer] = error

    threads = [threading.Thread(target=body, args=(peer,)) for peer in range(PEERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def same(nodes: list[Node], found: list[Any], honest: Collection[int]) -> None:
    """All have the same outcome, or none of them has one; and they go on with the same opinions of each other."""
    ends = {
        one.outcome.packed().tobytes() if isinstance(one, Round) else str(type(one))
        for one in (found[p] for p in honest)
    }
    assert len(ends) == 1 and not any(isinstance(found[p], Lost) for p in honest), [found[p] for p in honest]
    assert len({nodes[p].conduct for p in honest}) == 1
    assert len({tuple(int(kept[0]) for kept in nodes[p].history._records.values()) for p in honest}) == 1


def test_a_member_that_ends_the_attempt_as_the_first_has_begun_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says that it has opened, and that it stops. It answers nobody who asks what became of the round."""
    members = ELECTION.members((0, 0))
    corrupt, fast = members[1], members[0]

    def ends(programs: Any, wire: Any, task: Any) -> Any:
        if wire.links.me == corrupt and wire.talk.when == (0, 0):
            wire.decision.say(Claim(OPENED))
            raise Abort("echo", phase="corrupt")
        return attempt(programs, wire, task)

    monkeypatch.setattr(nodes_of, "attempt", ends)
    monkeypatch.setattr(nodes_of, "LONG", 4)
    says, stopped = Decision.say, list[int]()  # how many had begun when an honest member said that it has done

    def say(self: Decision, claim: Claim) -> None:
        if claim.kind == ABORT and self.links.me != corrupt:
            stopped.append(len(BEGUN))
        says(self, claim)

    monkeypatch.setattr(Decision, "say", say)
    nodes = consortium(net(lambda who, to, name, x: None if who == corrupt and name.startswith("history/") else x))
    honest = set(range(PEERS)) - {corrupt}
    same(nodes, begun_late(nodes, 0, honest - {fast}, 2.5 * SLOT), honest)
    assert stopped and min(stopped) >= 3, (
        "2 f + 1: or fewer honest ones than f + 1 are in time for what is counted from then"
    )


def roles() -> tuple[int, int, int, int]:
    """A round; a fast member, a corrupt one, and a slow one of which these two say that it is silent: if it is, the fast one sits
    on the next committee in its place."""
    for number in range(5000):
        for fast, corrupt, slow in itertools.permutations(ELECTION.members((number, 0))):
            drawn, without = set(ELECTION.members((number, 1))), set(ELECTION.members((number, 1), {slow}))
            if {corrupt, slow} <= drawn and fast not in drawn and {fast, corrupt} <= without:
                return number, fast, corrupt, slow
    raise AssertionError


@pytest.mark.parametrize(
    ("patience", "long", "lag", "claims"),
    [(2.0, 20, 7 * SLOT, (Claim(OPENED), Claim(ABORT))), (1.2, 2, 4.2, (Claim(ABORT),))],
)
def test_who_is_fast_and_who_is_late_know_the_same_of_who_was_silent(
    monkeypatch: pytest.MonkeyPatch, patience: float, long: int, lag: float, claims: tuple[Claim, ...]
) -> None:
    """The corrupt member ends the attempt, says to the fast one alone that a slow member is silent, and plays both committees.
    Also where the fast one has waited for anything as long as it does, two patiences, when the others begin."""
    number, fast, corrupt, _ = roles()
    late = set(range(PEERS)) - {fast, corrupt}

    def ends(programs: Any, wire: Any, task: Any) -> Any:
        if wire.links.me == corrupt and wire.talk.when == (number, 0):
            raise Abort("echo", phase="corrupt")
        return attempt(programs, wire, task)

    def withholds(who: int, to: int, name: str, x: np.ndarray) -> np.ndarray | None:
        if who != corrupt or name != "notice" or len(x) % RECORD_BYTES:
            return x
        kept = [one for one in x.reshape(-1, RECORD_BYTES) if bytes(one[:1]) != ACCEPT or int(one[7]) != corrupt]
        return np.concatenate(kept) if kept else None

    honestly = Node._attempt

    def attempted(self: Node, when: tuple[int, int], *more: Any) -> Any:
        if self.links.me == corrupt and when == (number, 1):
            said = b"".join(record(claim, corrupt, when=when) for claim in claims)
            self.links.notify(fast, np.frombuffer(said, np.uint8))
            while len(BEGUN) < PEERS:
                time.sleep(0.05)
            self.conduct = Conduct()  # as the late ones would have it
        return honestly(self, when, *more)

    waits = Node._others_begun
    monkeypatch.setattr(Node, "_others_begun", lambda node, *what: node.links.me == corrupt or waits(node, *what))
    monkeypatch.setattr(nodes_of, "LONG", long)
    monkeypatch.setattr(nodes_of, "attempt", ends)
    monkeypatch.setattr(Node, "_attempt", attempted)
    nodes = consortium(net(withholds, patience), attempts=2)
    same(nodes, begun_late(nodes, number, late, lag), {fast, *late})
