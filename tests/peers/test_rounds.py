"""Rounds between peers that have only their own arrays: the simulator's bits, and one outcome for all whatever some do."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from mpcjax.errors import Abort
from mpcjax.peers.claims import OPENED, Claim
from mpcjax.peers.decision import Decision
from mpcjax.peers.election import Election
from mpcjax.peers.node import Round
from mpcjax.peers.talk import Talk
from tests.peers._cheats import MODULUS, Cheat, deals, lies, misses, off, silent_from, silent_towards, stands_by, wrong
from tests.peers._consortium import (
    PARTIES,
    PEERS,
    SEED,
    compiled,
    consortium,
    nobody_waits_for,
    play,
    simulated,
    updates,
)
from tests.peers._memory import Net

ALL = set(range(PEERS))
MEMBERS = Election(SEED, PEERS, PARTIES).members((0, 0))
LIGHT = tuple(sorted(ALL - set(MEMBERS)))
CHEAT = MEMBERS[1]  # the member that does something wrong
HONEST = ALL - {CHEAT}
LONG = pytest.mark.long


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """Programs are compiled, and have run once: what follows is short against the patience of a message."""
    compiled()
    play(consortium(Net(PEERS)))


def net(cheat: Cheat | None = None, patience: float = 6.0) -> Net:  # a machine that pauses makes nobody silent
    return Net(PEERS, patience=patience, slot=0.1, cheat=cheat)


def agreed(found: list[Any], of: set[int]) -> Round:
    """The round that these peers have, all the same: outcome, committee, and the committees before that failed."""
    rounds = [found[peer] for peer in of]
    for one in rounds:
        if isinstance(one, Exception):
            raise one
    first = rounds[0]
    same = (first.outcome.packed().tobytes(), first.attempt, first.members, first.failed)
    assert all((r.outcome.packed().tobytes(), r.attempt, r.members, r.failed) == same for r in rounds)
    return first


def left_out(done: Round) -> set[int]:
    """Peers without a part in the mean, which is the mean of the others."""
    accepted = done.outcome.bits["accepted"]
    right = updates()[accepted].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(done.outcome.value, right, atol=1e-5)
    return set(np.flatnonzero(~accepted).tolist())


@pytest.mark.parametrize(
    "rule", ["mean", *(pytest.param(rule, marks=LONG) for rule in ("rsa", "centered_clipping", "fltrust"))]
)
def test_the_bits_of_the_simulator(rule: str) -> None:
    compiled(rule)
    done = agreed(play(consortium(Net(PEERS), rule)), ALL)
    same = simulated(rule, done.members, (done.number, done.attempt))
    assert done.attempt == 0 and done.outcome.bits["accepted"].all()
    assert np.array_equal(done.outcome.value, np.asarray(same.state["value"]))


def test_several_rounds_and_their_committees() -> None:
    nodes = consortium(net())
    done = [agreed(play(nodes, number), ALL) for number in range(3)]
    assert [one.members for one in done] == [nodes[0].election.members((number, 0)) for number in range(3)]
    assert all(left_out(one) == set() for one in done)


def test_no_coin_is_opened_before_an_honest_member_has_what_a_dealer_is_committed_to() -> None:
    """Or a dealer would deal to the last member what suits the coin, which one corrupt member has told it."""
    (first, last, corrupt), dealer, opened = MEMBERS, LIGHT[0], threading.Event()

    def cheat(sender: int, receiver: int, label: str, x: np.ndarray) -> np.ndarray:
        if (sender, receiver) == (first, corrupt) and label.startswith("deal/coin") and "/" not in label[5:]:
            opened.set()
        if sender == dealer and receiver in (first, last) and label == "deal/message/digests":
            opened.wait(30)  # in vain: the coin is opened when nobody waits for this any more
        return x

    done = agreed(play(consortium(net(cheat, patience=1.0))), ALL)
    assert left_out(done) == {dealer} and done.attempt == 0


# peers without a seat


@pytest.mark.parametrize(
    "members", [pytest.param(MEMBERS, marks=LONG), MEMBERS[1:], pytest.param(MEMBERS[:2], marks=LONG)]
)
def test_a_peer_that_does_not_deal_is_left_out(members: tuple[int, ...]) -> None:
    """Towards more members than may be corrupt: the others wait for those that wait, the first attempt stands."""
    silent = LIGHT[0]
    done = agreed(play(consortium(net(silent_towards(silent, members), patience=2.0))), ALL - {silent})
    assert done.attempt == 0 and left_out(done) == {silent}


def test_a_peer_that_deals_badly_is_left_out_and_not_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    dealer = LIGHT[1]
    deals(monkeypatch, dealer, "deal/message", off)
    nodes = consortium(net())
    done = agreed(play(nodes), ALL)
    assert done.attempt == 0 and left_out(done) == {dealer} and not done.outcome.bits["well"][dealer]
    assert all(node.conduct.caught == {dealer} for node in nodes)


def test_a_certificate_that_fails_is_a_cheat_and_withdrawing_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shares of one dealer lie on a polynomial, and not that of what it proves; another's update is too large."""
    false, large = LIGHT

    def instead(x: np.ndarray) -> np.ndarray:
        return (x + (np.arange(PARTIES, dtype=np.uint64) << np.uint64(50))[:, None, None]) % np.uint64(MODULUS)

    def act(given: np.ndarray) -> np.ndarray:
        given[large] *= 1e9
        return given

    deals(monkeypatch, false, "deal/message", instead)
    nodes = consortium(net())
    found = play(nodes, act=act)
    for node, done in zip(nodes, found, strict=True):
        assert not done.outcome.bits["accepted"][[false, large]].any() and done.outcome.bits["well"].all()
        assert node.conduct.caught == {false}


def test_who_was_left_out_may_still_sit_on_a_committee() -> None:
    """It may be slow, or have crashed: were it not drawn then, corrupt ones would be drawn more often."""
    victim = LIGHT[0]
    nodes = consortium(net(misses(MEMBERS[:2], victim)))
    assert left_out(agreed(play(nodes), ALL)) == {victim}
    assert all(node.conduct.away == {victim} and node.conduct.undrawn == set() for node in nodes)


def test_an_update_that_is_no_number_is_left_out() -> None:
    def act(given: np.ndarray) -> np.ndarray:
        given[LIGHT[0], 3] = np.nan
        return given

    done = agreed(play(consortium(net()), act=act), ALL)
    assert done.attempt == 0 and left_out(done) == {LIGHT[0]} and not done.outcome.bits["finite"][LIGHT[0]]


def test_a_peer_that_comes_late_has_the_same_outcome() -> None:
    """The others have done with the round before it begins."""
    nodes, late = consortium(net()), LIGHT[0]
    nobody_waits_for(nodes, late)
    found = play(nodes, without=(late,))
    found[late] = play(nodes, without=tuple(ALL - {late}))[late]
    assert left_out(agreed(found, ALL)) == {late}


# members that stop


@pytest.mark.parametrize(
    "phase",
    [
        pytest.param("offline", marks=LONG),
        pytest.param("deal", marks=LONG),
        pytest.param("certify", marks=LONG),
        "verify certificates",
    ],
)
def test_a_member_that_falls_silent(phase: str) -> None:
    """All others end with the same outcome, of another committee, and know who it was."""
    done = agreed(play(consortium(net(silent_from(CHEAT, phase), patience=1.0))), HONEST)
    assert done.failed == ((MEMBERS, (CHEAT,)),) and done.attempt == 1 and CHEAT not in done.members
    assert left_out(done) == {CHEAT}


# an output that somebody may have seen


def without_outcome(nodes: list[Any], found: list[Any], of: set[int]) -> None:
    """All these raised the same after one attempt, and the next round goes on."""
    assert all(isinstance(found[peer], Abort) and found[peer].phase == "round" for peer in of), found
    assert all(found[peer].opened for peer in of)
    assert len({str(found[peer]) for peer in of}) == 1 and str([list(MEMBERS)]) in str(found[min(of)])
    assert all(nodes[peer].conduct == nodes[min(of)].conduct for peer in of)
    assert agreed(play(nodes, 1), of).number == 1


def test_who_falls_silent_with_the_others_shares_of_the_output_gets_no_second_one() -> None:
    nodes = consortium(net(silent_from(CHEAT, "open"), patience=1.0))
    found = play(nodes)
    without_outcome(nodes, found, HONEST)
    assert nodes[LIGHT[0]].conduct.silent == {CHEAT}


def test_nobody_shows_a_share_of_the_output_before_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member by itself, before what it sends in the last phase."""
    said, shown = [], []

    def noted(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray:
        if name.startswith("open/"):
            shown.append(who)
            assert who in said
        return x

    honestly = Decision.say

    def say(self: Decision, claim: Any) -> None:
        if claim.kind == OPENED:
            said.append(self.links.me)
        honestly(self, claim)

    monkeypatch.setattr(Decision, "say", say)
    agreed(play(consortium(net(noted))), ALL)
    assert set(shown) == set(said) == set(MEMBERS) and len(said) == PARTIES


# members that lie: the kinds of messages, and what comes of a lie to all and to one

LIES = {
    "offline/keys#2": False,
    "deal/coin#1": False,
    "deal/roll call": False,
    "deal/roll call/votes": True,
    "deal/dealing check#4": False,
    "certify/squares#1/to king": True,
    "certify/squares#1/from king": True,
    "verify certificates/fold#2/to king": False,
    "verify certificates/challenge#3": False,
    "verify certificates/last product#10": False,
    "verify certificates/certificate#11": False,
    "open/output#1": True,
}  # and whether it is a fast test
BROADCASTS = {"deal/coin#1", "deal/roll call/votes", "deal/dealing check#4"} | {
    label
    for label in LIES
    if label.split("/")[1].split("#")[0] in ("from king", "challenge", "last product", "certificate")
    or label.startswith("open")
}
LABELS = [label if fast else pytest.param(label, marks=LONG) for label, fast in LIES.items()]


def one_right_outcome(cheat: Cheat, label: str) -> None:
    """For all: of this committee where nobody needs to believe the cheat, or of another."""
    seen = set()

    def noted(who: int, receiver: int, name: str, x: np.ndarray) -> Any:
        seen.add((who, name))
        return cheat(who, receiver, name, x)

    nodes = consortium(net(noted))
    found = play(nodes)
    assert (CHEAT, label) in seen, "is that still the name of a message?"
    if label.startswith("open"):
        without_outcome(nodes, found, HONEST)
        return
    done = agreed(found, HONEST)
    blamed = {(), (CHEAT,)} if label.endswith("votes") else {()}  # it complains about more peers than are corrupt
    assert left_out(done) <= {CHEAT} and {silent for _, silent in done.failed} <= blamed


@pytest.mark.parametrize("label", LABELS)
def test_a_member_that_lies_to_one(label: str) -> None:
    one_right_outcome(lies(CHEAT, label, MEMBERS[2:]), label)


@pytest.mark.long
@pytest.mark.parametrize("label", LIES)
def test_a_member_that_lies_to_all(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a broadcast it stands by its lie, also in the echo. What others dealt it can spoil: then it is found out."""
    if label in BROADCASTS:
        stands_by(monkeypatch, CHEAT, label, wrong)
    one_right_outcome(lies(CHEAT, label) if label not in BROADCASTS else lambda who, to, name, x: x, label)


def test_a_broadcast_that_differs_is_found_by_its_echo() -> None:
    for label in ("deal/coin#1", "deal/coin#1/echo"):
        done = agreed(play(consortium(net(lies(CHEAT, label, MEMBERS[2:])))), HONEST)
        assert done.failed == ((MEMBERS, ()),)


def test_a_signature_in_an_echo_that_is_not_right_ends_the_attempt() -> None:
    """Without it nobody could show later that its sender told members different things."""
    spoilt = list[int]()

    def cheat(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray:
        if spoilt or (who, receiver, name) != (CHEAT, MEMBERS[2], "deal/coin#1/echo"):
            return x
        spoilt.append(who)
        return np.concatenate([x[:-1], x[-1:] ^ 1])

    assert agreed(play(consortium(net(cheat))), HONEST).failed == ((MEMBERS, ()),)


@pytest.mark.parametrize(
    "label", ["deal/coin#1", *(pytest.param(label, marks=LONG) for label in sorted(BROADCASTS - {"deal/coin#1"}))]
)
def test_who_tells_different_things_is_caught(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It signs for everybody what it told that one; all agree, and it is not drawn any more."""
    honestly, told = Talk.send, {}

    def send(self: Talk, peer: int, name: str, x: np.ndarray) -> None:
        if self.links.me == CHEAT and self.when == (0, 0) and peer == MEMBERS[2]:
            if name == label:
                told[label] = x = wrong(x)
            elif name == f"{label}/echo":
                signature = self.decision.signature(Claim.told(self._broadcasts - 1, told[label].tobytes()))
                x = np.concatenate([x[:32], np.frombuffer(signature, np.uint8)])
        honestly(self, peer, name, x)

    monkeypatch.setattr(Talk, "send", send)
    nodes = consortium(net())
    found = play(nodes)
    if label.startswith("open"):
        without_outcome(nodes, found, HONEST)
    else:
        assert agreed(found, HONEST).failed == ((MEMBERS, ()),)
    assert all(nodes[peer].conduct.caught == {CHEAT} for peer in HONEST)
    assert all(CHEAT not in agreed(play(nodes, number), HONEST).members for number in (2, 3))


def test_a_member_that_complains_about_more_peers_than_are_corrupt_is_not_drawn_again_in_this_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It lies, or is cut off: so the attempt does not go on, and once it has dealt in a round it may be drawn."""
    stands_by(monkeypatch, CHEAT, "deal/roll call/votes", np.zeros_like)
    nodes = consortium(net())
    done = agreed(play(nodes), ALL)
    assert done.failed == ((MEMBERS, (CHEAT,)),) and CHEAT not in done.members and left_out(done) == set()
    assert all(node.conduct.undrawn == set() for node in nodes)


def test_a_member_that_lies_of_all_dealings_is_caught_and_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An honest one whose machine computes otherwise would show what honest peers dealt to it."""
    stands_by(monkeypatch, CHEAT, "deal/dealing check#4", np.zeros_like)
    labels = set[str]()

    def noted(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray:
        labels.add(name)
        return x

    nodes = consortium(net(noted))
    done = agreed(play(nodes), ALL)
    assert "deal/dispute/named/digests" in labels and not any("dispute/shown" in name for name in labels)
    assert done.failed == ((MEMBERS, ()),) and left_out(done) == set()
    assert all(node.conduct.caught == {CHEAT} for node in nodes)


@pytest.mark.parametrize("label", ["deal/told#1", "outcome"])
@pytest.mark.parametrize("nothing", [False, pytest.param(True, marks=LONG)])
def test_what_one_member_tells_a_peer_is_not_believed(label: str, nothing: bool) -> None:
    """Coins are believed of t + 1, an outcome of its digest; whoever has the outcome gives it on request."""
    for teller in MEMBERS:
        cheat = silent_towards(teller, LIGHT, label) if nothing else lies(teller, label, LIGHT)
        done = agreed(play(consortium(net(cheat))), ALL)
        assert done.attempt == 0 and left_out(done) == set()


def test_a_message_of_another_shape_is_none() -> None:
    """From a member of whom something is told: the others are believed. From a dealer: it is left out."""
    for sender, label, out in ((MEMBERS[0], "deal/told#1", set()), (LIGHT[0], "deal/helpers", {LIGHT[0]})):

        def cheat(who: int, receiver: int, name: str, x: np.ndarray) -> np.ndarray:
            return x[:-1] if (who, name) == (sender, label) else x  # noqa: B023 - used at once

        done = agreed(play(consortium(net(cheat))), ALL)
        assert done.attempt == 0 and left_out(done) == out


def test_after_so_many_committees_the_round_ends() -> None:
    """Whoever sits on it, every broadcast differs."""

    def cheat(who: int, receiver: int, label: str, x: np.ndarray) -> np.ndarray:
        return wrong(x) if label == "deal/coin#1/echo" else x

    for error in play(consortium(net(cheat), attempts=2)):
        assert isinstance(error, Abort) and error.check == "echo" and "2 committees did not finish" in str(error)
        assert not error.opened
        assert str(list(MEMBERS)) in str(error)
