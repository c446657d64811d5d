"""The seed of all committees: the same for all who start, and of everybody's making."""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import pytest

from mpcjax.errors import Abort
from mpcjax.peers import election
from mpcjax.peers.election import Election, agree_on_seed
from mpcjax.peers.links import Links, Lost
from tests.peers._memory import Net

PEERS = 4


def start(net: Net, own: dict[int, bytes] | None = None, cheat: Any = None) -> list[Any]:
    """The seed that every peer has, or what it raised. `cheat(links)`: what peer 0 does instead."""
    found: list[Any] = [None] * net.peers

    def body(peer: int) -> None:
        try:
            links = net.ends[peer]
            found[peer] = agree_on_seed(links, (own or {}).get(peer)) if peer or cheat is None else cheat(links)
        except Exception as error:  # the test looks at it
            found[peer] = error

    threads = [threading.Thread(target=body, args=(peer,)) for peer in range(net.peers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _another_value(links: Links) -> None:
    commitment = election._commitment(b"a" * 32, links.me)
    election._echo(links, "commitment", election._from_all(links, "commitment", commitment))
    shown = election._from_all(links, "opened", np.frombuffer(b"b" * 32, np.uint8))
    election._echo(links, "opened", shown)


def biased() -> list[Any]:
    """Peer 0 could wait for what the others show, and then shows something else than it had committed to."""
    return start(Net(PEERS, patience=1.0), cheat=_another_value)[1:]


def test_all_have_the_same_seed_and_everybody_has_a_part_in_it() -> None:
    own = {peer: bytes([peer]) * 32 for peer in range(PEERS)}
    first = start(Net(PEERS), own)
    assert len(set(first)) == 1 and len(first[0]) == 32
    for peer in range(PEERS):
        assert start(Net(PEERS), own | {peer: b"x" * 32})[0] != first[0]


def test_a_peer_cannot_change_its_mind() -> None:
    for error in biased():
        assert isinstance(error, Abort) and error.check == "commitment" and error.parties == (0,)


def _parrot(links: Any) -> None:
    def overheard(label: str) -> np.ndarray:
        while (key := (1, 0, election.START, f"start/{label}")) not in links.net.box:
            time.sleep(0.01)
        return links.net.box[key]

    commitments = election._from_all(links, "commitment", overheard("commitment"))
    election._echo(links, "commitment", commitments)
    election._from_all(links, "opened", overheard("opened"))  # the others stop here, and no echo of theirs would come


def test_a_peer_cannot_commit_to_what_another_has_committed_to() -> None:
    """Without a peer's number in it a commitment could be said again, and so its opening, with no random bytes of one's own."""
    for error in start(Net(PEERS, patience=5.0), cheat=_parrot)[1:]:
        assert isinstance(error, Abort) and error.check == "commitment" and error.parties == (0,), error


@pytest.mark.parametrize("label", ["start/commitment", "start/opened"])
def test_a_peer_that_tells_different_things_or_nothing_stops_the_start(label: str) -> None:
    def two_faced(sender: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray | None:
        return x ^ 1 if (sender, receiver, name) == (0, 1, label) else x

    def silent(sender: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray | None:
        return None if (sender, receiver, name) == (0, 1, label) else x

    for cheat in (two_faced, silent):
        found = start(Net(PEERS, patience=0.5, cheat=cheat))[1:]
        assert all(isinstance(error, Abort | Lost) for error in found)


def test_committees_follow_from_the_seed() -> None:
    one, same, other = (Election(seed, 20, 5) for seed in (b"a" * 32, b"a" * 32, b"b" * 32))
    whens = [(round, attempt) for round in range(20) for attempt in range(3)]
    drawn = [one.members(when) for when in whens]
    assert drawn == [same.members(when) for when in whens] != [other.members(when) for when in whens]
    assert len(set(drawn)) > 50 and {peer for members in drawn for peer in members} == set(range(20))
    assert not set(one.members((0, 0), excluded=range(12))) & set(range(12))


def test_a_lie_in_the_last_message_stops_whom_it_was_told_and_all_others_have_one_seed() -> None:
    def cheat(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray:
        return x ^ 1 if (who, receiver, name) == (0, 1, "start/opened/echo") else x

    stopped, *others = start(Net(PEERS, patience=6.0, cheat=cheat))[1:]
    assert isinstance(stopped, Abort) and isinstance(others[0], bytes) and len(set(others)) == 1
