"""Members that do not have what a peer has dealt, or say something false of it; dealers that deal badly and blame members."""

from __future__ import annotations

import hashlib
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mpcjax
from mpcjax._compat import x64
from mpcjax.api import setup_of
from mpcjax.fields import fixed
from mpcjax.net import sealing
from mpcjax.peers import complaints as complaining
from mpcjax.peers.answers import SEALED, Answers
from mpcjax.peers.complaints import Complaints
from mpcjax.peers.dealings import Dealing, Dealings, salted
from mpcjax.peers.disputes import Disputes
from mpcjax.peers.election import Election
from mpcjax.peers.node import Node, Round
from mpcjax.peers.programs import programs
from mpcjax.peers.replay import Replay
from mpcjax.peers.talk import HASH, common
from mpcjax.peers.wire import Wire
from mpcjax.rules import Public, resolve
from tests.peers._cheats import (
    MODULUS,
    deals,
    lies,
    off,
    says_false_of,
    silent_towards,
    stands_by,
    useless_towards,
    wrong,
)
from tests.peers._consortium import LENGTH, PEERS, SEED, compiled, consortium, play, updates
from tests.peers._memory import Memory, Net
from tests.peers.test_rounds import ALL, CHEAT, HONEST, LIGHT, LONG, MEMBERS, agreed, left_out, warm

DEALER, MEMBER = LIGHT[0], MEMBERS[2]  # that are at odds: one of them cheats
VOTES, SAID = "deal/roll call/votes", "deal/dealing check#4"
__all__ = ["warm"]


def played(cheat: Any = None, of: set[int] = ALL, patience: float = 2.0) -> tuple[list[Node], Round]:
    nodes = consortium(Net(PEERS, patience=patience, slot=0.1, cheat=cheat))
    return nodes, agreed(play(nodes), of)


def caught(nodes: list[Node], of: set[int] = ALL) -> set[int]:
    """All the same."""
    found = {nodes[peer].conduct.caught for peer in of}
    assert len(found) == 1
    return set(found.pop())


def complains(monkeypatch: pytest.MonkeyPatch, dealers: tuple[int, ...] = (DEALER,)) -> None:
    """The cheat says, and goes on to say, that it does not have what these have dealt."""

    def said(own: np.ndarray) -> np.ndarray:
        own[list(dealers), : 1 + HASH] = 0
        return own

    stands_by(monkeypatch, CHEAT, VOTES, said)


# members complain


@pytest.mark.parametrize("member", [MEMBERS[2], *(pytest.param(member, marks=LONG) for member in MEMBERS[:2])])
def test_a_dealer_that_one_member_has_not_heard_is_not_left_out(member: int) -> None:
    """What it should have had comes sealed, by way of the others where the dealer sends it nothing at all."""
    nodes, done = played(silent_towards(DEALER, (member,)), patience=1.0)
    assert done.attempt == 0 and left_out(done) == set() and caught(nodes) == set()


def test_a_part_that_arrives_otherwise_is_replaced_by_what_the_dealer_is_committed_to() -> None:
    nodes, done = played(lies(DEALER, "deal/message", (MEMBER,)))
    assert done.attempt == 0 and left_out(done) == set() and caught(nodes) == set()


def test_whom_more_members_do_not_have_than_are_corrupt_is_left_out_at_once() -> None:
    """An honest one is among them: nothing is asked, as each of many such dealers would cost a patience."""
    asked, silent = list[str](), lies(DEALER, "deal/message", MEMBERS[1:])

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray | None:
        if label.startswith("deal/sealed"):
            asked.append(label)
        return silent(who, to, label, x)

    nodes, done = played(cheat)
    assert done.attempt == 0 and left_out(done) == {DEALER} and caught(nodes) == set() and not asked


def test_what_a_member_hands_on_is_compared_with_what_most_members_have() -> None:
    """Of two that hand it on to one that the dealer sends nothing, the first hands on something else."""
    deaf, false = silent_towards(DEALER, (MEMBER,)), lies(MEMBERS[0], f"{VOTES[:-6]}/sealed/0", (MEMBER,))
    handed = list[str]()

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray | None:
        if who == MEMBERS[0] and label == f"{VOTES[:-6]}/sealed/0":
            handed.append(label)
        kept = deaf(who, to, label, x)
        return None if kept is None else false(who, to, label, kept)

    nodes, done = played(cheat, patience=1.0)
    assert handed and done.attempt == 0 and left_out(done) == set() and caught(nodes) == set()


def test_of_what_several_hand_on_all_but_one_copy_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes the others: they would leave no room for notices until the attempt is over."""
    deaf, handed, forgotten = silent_towards(DEALER, (MEMBER,)), set[Any](), set[Any]()
    monkeypatch.setattr(Memory, "forget", lambda end, peer, when, label: forgotten.add((peer, label)))

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray | None:
        if to == MEMBER and label.startswith(f"{VOTES[:-6]}/sealed/") and label.rpartition("/")[2].isdigit():
            handed.add((who, label))
        return deaf(who, to, label, x)

    _, done = played(cheat)
    labels = {label for _, label in handed}
    assert labels and left_out(done) == set() and len(handed) == 2 * len(labels)
    assert len(forgotten) == len(labels) == len({label for _, label in handed & forgotten})


@pytest.mark.parametrize("dealer", [DEALER, MEMBERS[0]])
def test_a_member_that_complains_of_an_honest_dealer_has_nobody_left_out(
    monkeypatch: pytest.MonkeyPatch, dealer: int
) -> None:
    """Also of a dealer that is a member itself."""
    complains(monkeypatch, (dealer,))
    nodes, done = played()
    assert done.attempt == 0 and left_out(done) == set() and caught(nodes) == set()


def test_a_member_that_complains_and_shows_no_key_has_nobody_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    complains(monkeypatch)
    stands_by(monkeypatch, CHEAT, f"{VOTES[:-6]}/keys", np.zeros_like)
    nodes, done = played()
    assert done.attempt == 0 and left_out(done) == set() and caught(nodes) == set()


@pytest.mark.parametrize("key", ["the right one", "another", "none of any point"])
def test_a_member_that_denies_what_was_sealed_for_it_is_caught(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    complains(monkeypatch)
    monkeypatch.setattr(complaining, "fresh", lambda: bytes(range(1, 33)))
    if key == "none of any point":
        stands_by(monkeypatch, CHEAT, f"{VOTES[:-6]}/keys", lambda own: own * 0 + np.eye(1, 32, dtype=np.uint8))
    shown = np.frombuffer(bytes(range(2, 34) if key == "another" else range(1, 33)), np.uint8)
    stands_by(monkeypatch, CHEAT, f"{VOTES[:-6]}/shown", lambda own: own * 0 + shown)
    nodes, done = played(of=HONEST)
    assert done.failed == ((MEMBERS, ()),) and left_out(done) == set() and caught(nodes, HONEST) == {CHEAT}


def test_a_dealer_that_seals_something_else_is_left_out_and_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    honestly = Answers.sealed

    def sealed(self: Answers, keys: bytes) -> Any:
        return {label: wrong(x) for label, x in honestly(self, keys).items()}

    monkeypatch.setattr(Answers, "sealed", sealed)
    nodes, done = played(useless_towards(DEALER, (MEMBER,), "deal/message"))
    assert done.attempt == 0 and left_out(done) == {DEALER} and caught(nodes) == {DEALER}


def test_a_dealer_that_seals_what_it_is_not_committed_to_is_left_out_and_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Or it could choose the share when it knows the coins."""
    honestly = Dealing.packed

    def packed(self: Dealing, seat: int) -> bytes:
        found = honestly(self, seat)
        return found[:-1] + bytes([found[-1] ^ 1])

    monkeypatch.setattr(Dealing, "packed", packed)
    nodes, done = played(useless_towards(DEALER, (MEMBER,), "deal/message"))
    assert done.attempt == 0 and left_out(done) == {DEALER} and caught(nodes) == {DEALER}


@pytest.mark.parametrize("heard", [(), MEMBERS[:1]])
def test_a_dealer_that_answers_too_few_is_left_out_at_all_alike(heard: tuple[int, ...]) -> None:
    """And not caught: it may have crashed."""

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray | None:
        missing = (label.startswith("deal/sealed") and to not in heard) or (to == MEMBER and label == "deal/message")
        return x[:0] if who == DEALER and missing else x

    nodes, done = played(cheat)
    assert done.attempt == 0 and left_out(done) == {DEALER} and caught(nodes) == set()


def test_what_is_sealed_for_a_member_nobody_else_reads() -> None:
    seen, sealed = list[np.ndarray](), dict[int, list[bytes]]()

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray | None:
        if who == DEALER and to == MEMBER and label == "deal/message":
            seen.append(x)
            return x[:0]
        if label.startswith("deal/sealed"):
            sealed.setdefault(to, []).append(x.tobytes())
        return x

    _, done = played(cheat)
    (part,) = (x.tobytes() for x in seen)
    whole = {b"".join(pieces) for pieces in sealed.values()}
    assert left_out(done) == set() and len(whole) == 1 and len(sealed) == len(MEMBERS)
    assert all(part[k : k + 16] not in min(whole) for k in range(0, len(part), 16))


@pytest.mark.parametrize("right", [True, False])
def test_digests_say_nothing_of_an_update(right: bool) -> None:
    """From t shares and a guess of the update all other shares follow; what a member is not told is what is hashed with them."""
    seat, other, got = 1, 2, dict[str, np.ndarray]()

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray:
        if (who, to) == (DEALER, CHEAT) and label in ("deal/message", "deal/message/digests"):
            got[label] = x.copy()
        return x

    played(cheat)
    guess = updates()[DEALER] * (1 if right else -1)
    with x64():
        bits = compiled().setup.bits
        secrets = [int(v) % MODULUS for v in np.asarray(fixed.to_integers(guess[None], bits))[0]]
    half = pow(seat + 1, -1, MODULUS)
    line = [
        (s + (int(c) - s) * half * (other + 1)) % MODULUS for s, c in zip(secrets, got["deal/message"], strict=True)
    ]
    told = got["deal/message/digests"]
    for salt in (np.zeros(0, np.uint8), told[-1]):  # its own is of no use
        assert not np.array_equal(salted(salt, np.array(line, np.uint64)), told[other])
    assert np.array_equal(salted(told[-1], got["deal/message"]), told[seat])


def test_a_member_that_has_been_asked_before_it_asks_answers_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers would be sealed differently, so that not enough members have the same."""
    dealer, sealed, held = MEMBERS[0], set[bytes](), list[np.ndarray]()
    complains(monkeypatch, (dealer,))
    stands_by(monkeypatch, CHEAT, f"{VOTES[:-6]}/sealed/digests", np.zeros_like)  # it was sent nothing, it says
    net = Net(PEERS, patience=2.0, slot=0.1)

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray | None:
        if who == dealer and label.startswith("deal/sealed"):
            sealed.add(x.tobytes())
        if (who, to, label) != (CHEAT, dealer, f"{VOTES[:-6]}/keys/echo") or held:
            return x
        held.append(x.copy())
        threading.Timer(0.5, lambda: net.ends[CHEAT].send(to, (0, 0), label, held[0])).start()  # in time
        return None

    net.cheat = cheat
    done = agreed(play(consortium(net)), HONEST)
    assert held and left_out(done) == set() and len(sealed) == 2, "its complaint is of two pieces"


@pytest.mark.parametrize("dealer", [DEALER, MEMBERS[0]])
def test_no_answer_is_longer_than_what_is_dealt(monkeypatch: pytest.MonkeyPatch, dealer: int) -> None:
    """A channel may take no longer array."""
    complains(monkeypatch, (dealer,))
    sizes = dict[str, int]()

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray:
        sizes[label] = x.nbytes
        return x

    _, done = played(cheat)
    dealt = {label.removesuffix("/digests") for label in sizes if label.endswith("/digests")}
    answers = {label for label in sizes if label.startswith("deal/sealed/")}
    assert left_out(done) == set() and any(label.endswith("/1") for label in answers)
    assert max(sizes[label] for label in answers) <= max(size for label, size in sizes.items() if label in dealt)


@pytest.mark.parametrize("dealer", [DEALER, MEMBERS[0]])
def test_who_cannot_answer_goes_on(monkeypatch: pytest.MonkeyPatch, dealer: int) -> None:
    """As if it had not dealt to those that complain."""
    complains(monkeypatch, (dealer,))
    monkeypatch.setattr(Answers, "sealed", lambda self, keys: 1 / 0)
    nodes, done = played()
    assert done.attempt == 0 and left_out(done) == {dealer} and caught(nodes) == set()


def test_what_a_member_that_did_not_hear_it_takes_a_peer_to_say_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that does not withdraw: one member has not heard that, and another says the opposite."""

    def said(own: np.ndarray) -> np.ndarray:
        own[DEALER, 1 + HASH :] = 0
        return own

    stands_by(monkeypatch, CHEAT, VOTES, said)
    _, done = played(useless_towards(DEALER, (MEMBERS[0],), "deal/roll call"))
    assert left_out(done) == set() and done.outcome.bits["fits"].all()


@pytest.mark.parametrize("had", ["no digests", "others"])
def test_a_member_that_complained_can_check_what_another_shows_of_the_same_dealing(
    monkeypatch: pytest.MonkeyPatch, had: str
) -> None:
    """Of a dealer that tells it other digests than most members, though its own part fits to both: it takes what those have."""
    says_false_of(monkeypatch, CHEAT, DEALER)

    def others(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray:
        if (who, to, label) == (DEALER, MEMBER, "deal/message/digests"):
            x = x.copy()
            x[MEMBERS.index(CHEAT)] ^= 1
        return x

    nodes, done = played(others if had == "others" else useless_towards(DEALER, (MEMBER,), "deal/message/digests"))
    assert done.failed == ((MEMBERS, ()),) and left_out(done) == set() and caught(nodes) == {CHEAT}


def test_a_coin_is_checked_by_members_that_go_through_the_phase_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two corrupt peers: a member, and one without a seat; each sends another honest member nothing of something."""
    first, corrupt, last = MEMBERS
    stands_by(monkeypatch, corrupt, "deal/coin#3", wrong)
    opened, opens, checks = set[int](), Wire._may_open, Wire._check

    def may_open(self: Wire, label: str) -> None:
        if self.talk.when == (0, 0):
            opened.add(self.links.me)
        opens(self, label)

    def check(self: Wire, mark: Any, *given: Any) -> None:
        if (self.links.me, self.talk.when) != (corrupt, (0, 0)):  # it goes on, of course
            checks(self, mark, *given)

    again, once_more = set[int](), Wire.again

    def begins_again(self: Wire) -> None:
        again.add(self.links.me)
        once_more(self)

    monkeypatch.setattr(Wire, "_check", check)
    monkeypatch.setattr(Wire, "again", begins_again)
    monkeypatch.setattr(Wire, "_may_open", may_open)

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray | None:
        return (
            x[:0] if (who, to, label) in ((corrupt, first, "deal/member keys"), (DEALER, last, "deal/message")) else x
        )

    play(consortium(Net(PEERS, patience=2.0, slot=0.1, cheat=cheat), corrupt=2))
    assert again >= {first, last} and not opened & {first, last}


def test_who_asks_alone_is_not_answered() -> None:
    """A corrupt member would have another's part sealed to a key of its own. More than t must say the same."""
    answers = Answers(Net(PEERS).ends[DEALER], (0, 0), MEMBERS, 1, None)  # type: ignore[arg-type]
    answers._run, asked = lambda kind, what: asked.append(kind), list[bytes]()  # type: ignore[assignment,misc]
    notices = list[bytes]()
    asker = Answers(Net(PEERS).ends[CHEAT], (0, 0), MEMBERS, 1, None)  # type: ignore[arg-type]
    asker.links.notify = lambda peer, notice: notices.append(notice.tobytes())  # type: ignore[method-assign]
    asker.ask(SEALED, {DEALER: bytes(96)})
    asker.ask(SEALED, {DEALER: bytes(95) + b"1"})
    one, other = notices
    stale = one[:3] + b"1" + one[4:]
    for peer, notice in (
        (CHEAT, one),
        (CHEAT, one),
        (LIGHT[1], one),
        (MEMBERS[0], other),
        (MEMBERS[0], stale),
    ):
        assert answers.hear(peer, notice) and not answers._answered
    assert answers.hear(MEMBERS[0], one)
    for _ in range(100):
        if asked:
            break
        threading.Event().wait(0.02)
    assert asked == [SEALED] and not answers.hear(MEMBERS[0], b"R" + one[1:])


def test_two_commitments_are_none_and_prove_a_cheat() -> None:
    """Where a committee is larger than 2 t + 1 more than t members can say of two things that they had them in time."""
    talk: Any = type("T", (), {"threshold": 1, "members": (0, 1, 2, 3), "seat": 0})
    found = Complaints(talk, None, None, 1)  # type: ignore[arg-type]
    votes = np.zeros((4, 3, 1 + HASH), np.uint8)
    votes[:, :, 0], votes[:2, 0, 1:], votes[2:, 0, 1:] = 1, 7, 8
    votes[:, 1, 1:] = 9
    votes[:1, 2, 1:] = 9
    assert found.settle("label", votes)[0].tolist() == [False, True, False] and found.false == {0}
    assert common([b"ab", b"ab", b"\0\0", b"\0\0"], 1) == [b"ab"]


def test_a_dealer_of_whom_something_is_missing_is_committed_to_nothing() -> None:
    """Or one that is slow towards half of a larger committee would seem to be committed to two things."""
    found = Dealings(2, 1, Dealing(3))
    found.add("a", None, np.ones((2, 4, HASH), np.uint8), {1})
    assert found.torn == {1} and [one.any() for one in found.commitments({1})] == [True, False]


# members and dealers dispute


def test_what_a_member_should_say_follows_from_what_it_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """For all seats and dealers: what honest members said is what the replay says."""
    kept = dict[int, Any]()
    honestly = Wire._shown

    def shown(self: Wire, mark: Any, label: str, said: np.ndarray, disputed: np.ndarray) -> Any:
        sent, seat = self._dealings, self.seat
        parts = {peer: sent.shown(peer, seat, sent.packed(peer).tobytes()) for peer in range(PEERS)}
        kept[seat] = said, b"".join(self._coins), parts
        return honestly(self, mark, label, said, disputed)

    monkeypatch.setattr(Wire, "_shown", shown)
    _, done = played()
    replay = Replay(compiled(), Public.of(PEERS, LENGTH))
    for seat in range(len(MEMBERS)):
        said, told, parts = kept[seat]
        assert left_out(done) == set() and np.array_equal(replay.said(seat, parts, told), said[seat])


@pytest.mark.parametrize("dealer", [DEALER, MEMBERS[0]])
def test_a_member_that_says_something_false_of_one_dealing_is_caught(
    monkeypatch: pytest.MonkeyPatch, dealer: int
) -> None:
    says_false_of(monkeypatch, CHEAT, dealer)
    shown = set[Any]()

    def noted(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray:
        if label.startswith("deal/dispute/shown/") and label.count("/") == 4:
            shown.add((who, label.split("/")[3]))
        return x

    nodes, done = played(noted)
    assert done.failed == ((MEMBERS, ()),) and left_out(done) == set() and caught(nodes) == {CHEAT}
    assert {(who, what) for who, what in shown if what.isdigit()} == {(CHEAT, str(dealer))}


@pytest.mark.parametrize("shows", ["nothing", "something else"])
def test_a_member_that_does_not_show_what_it_was_sent_ends_the_attempt(
    monkeypatch: pytest.MonkeyPatch, shows: str
) -> None:
    """And is not drawn again in this round; it may have crashed."""
    says_false_of(monkeypatch, CHEAT, DEALER)

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray | None:
        if who != CHEAT or label != f"deal/dispute/shown/{DEALER}/0":
            return x
        return None if shows == "nothing" else wrong(x)

    nodes, done = played(cheat)
    assert done.failed == ((MEMBERS, (CHEAT,)),) and left_out(done) == set() and caught(nodes) == set()


@pytest.mark.parametrize("names", [(0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 1, 1)])
def test_a_dealer_that_deals_badly_and_blames_members_is_left_out_and_caught(
    monkeypatch: pytest.MonkeyPatch, names: tuple[int, ...]
) -> None:
    deals(monkeypatch, DEALER, "deal/message", off)
    monkeypatch.setattr(Answers, "named", lambda self, what: np.array(names, np.uint8))
    shown = list[str]()

    def noted(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray:
        if label == f"deal/dispute/shown/{DEALER}/0":
            shown.append(label)
        return x

    nodes, done = played(noted)
    assert done.attempt == 0 and left_out(done) == {DEALER} and caught(nodes) == {DEALER}
    assert bool(shown) == (sum(names) == 1), "who names more members than may be corrupt is shown nothing"


@pytest.mark.parametrize("heard", [(), MEMBERS[:1]])
def test_a_dealer_that_deals_badly_and_names_nobody_is_left_out(
    monkeypatch: pytest.MonkeyPatch, heard: tuple[int, ...]
) -> None:
    """And not caught: it may have crashed, and a member may have lied."""
    deals(monkeypatch, DEALER, "deal/message", off)

    def cheat(who: int, to: int, label: str, x: np.ndarray) -> np.ndarray | None:
        return x[:0] if who == DEALER and label == "deal/named" and to not in heard else x

    nodes, done = played(cheat)
    assert done.attempt == 0 and left_out(done) == {DEALER} and caught(nodes) == set()


def test_a_dealer_that_names_different_members_to_different_ones_is_heard_as_most_hear_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deals(monkeypatch, DEALER, "deal/message", off)
    nodes, done = played(lies(DEALER, "deal/named", MEMBERS[:1]))
    assert done.attempt == 0 and left_out(done) == {DEALER} and caught(nodes) == {DEALER}


def test_a_dealer_that_answers_rightly_is_not_caught() -> None:
    """With t < m/3 the round goes on: the dealing is good, and the member was corrected."""
    wire: Any = object.__new__(Wire)
    wire._complaints, wire._disputes = SimpleNamespace(false={1}), SimpleNamespace(answered={2, 3})
    wire.links = SimpleNamespace(peers=5)
    assert wire.false(np.array([True, False, True, False, False])).tolist() == [False, True, False, True, False]


@pytest.mark.long
def test_where_wrong_shares_are_corrected_a_member_that_lies_is_caught_and_the_round_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with x64():
        made = programs(setup_of(resolve("mean"), mpcjax.simulate(4, threshold=1), PEERS, LENGTH))
        made.compile(member=True)
        made.compile(member=False)
    election = Election(SEED, PEERS, 4)
    members = election.members((0, 0))
    (dealer,) = set(range(PEERS)) - set(members)
    says_false_of(monkeypatch, members[1], dealer, "deal/dealing check#6")
    nodes = [Node(end, election, made, corrupt=1) for end in Net(PEERS, patience=20.0, slot=0.1).ends]
    done = agreed(play(nodes), ALL)
    assert done.attempt == 0 and left_out(done) == set() and caught(nodes) == {members[1]}


@pytest.mark.parametrize("dealers", [1, 2, 3])
def test_of_one_dealer_more_than_are_corrupt_one_is_honest(dealers: int) -> None:
    """A member that so many blame is corrupt and shows nothing; one that complains about so many does it in vain."""
    blamed = list[Any]()
    talk: Any = SimpleNamespace(blame=lambda check, label, seats, proven: blamed.append((list(seats), proven)))
    Disputes(talk, None, None, 1)._require_few("label", {peer: [0, 2][: 1 + peer] for peer in range(dealers)})  # type: ignore[arg-type]
    Complaints(talk, None, None, 1)._require_few("label", [(peer, 1) for peer in range(dealers)])  # type: ignore[arg-type]
    assert blamed == [[], [([0], True), ([1], False)], [([0, 2], True), ([1], False)]][dealers - 1]


# sealing


def test_what_is_sealed_opens_with_its_key_alone() -> None:
    private = sealing.fresh()
    sealed = sealing.seal(b"share", sealing.public(private))
    assert len(sealed) == len(b"share") + sealing.MORE
    assert sealing.opened(sealed, private) == b"share" and sealing.opened(sealed, sealing.fresh()) is None
    for k, bit in (*((k, 1) for k in range(len(sealed))), (sealing.KEY - 1, 0x80)):  # the last is no part of a point
        spoilt = bytearray(sealed)
        spoilt[k] ^= bit
        assert sealing.opened(bytes(spoilt), private) is None
    low = bytes(32)  # a point of low order: everybody would know the key
    assert sealing.seal(b"share", low) == bytes(len(sealed)) and sealing.opened(bytes(len(sealed)), private) is None


def test_a_part_that_is_not_what_its_digests_say_is_not_taken() -> None:
    mine = Dealing(3)
    mine.add("a", range(1, 3), np.arange(12, dtype=np.uint64).reshape(3, 4))
    mine.add("keys", range(1), np.arange(96, dtype=np.uint8).reshape(3, 32))
    taken = Dealings(2, 1, mine)
    commitment = common([sha(mine)] * 2, 1)[0]
    for seat, parts in ((0, {"keys"}), (1, {"a"}), (2, {"a"})):
        packed = mine.packed(seat)
        found = taken.unpacked(packed, commitment, seat)
        assert found is not None and len(packed) == mine.size(seat) and len(found) == 2 + 2 + len(parts)
        assert (
            taken.unpacked(packed, bytes(HASH), seat) is None and taken.unpacked(packed[:-1], commitment, seat) is None
        )
        for k in (0, 40, len(packed) - 1):
            assert taken.unpacked(packed[:k] + bytes([packed[k] ^ 1]) + packed[k + 1 :], commitment, seat) is None


def sha(dealing: Dealing) -> bytes:
    return hashlib.sha256(b"".join(v.tobytes() for v in dealing.vectors)).digest()
