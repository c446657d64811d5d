"""One decision for all honest peers, whatever corrupt ones sign, to whom and when; and nothing they send fills a memory.

Decisions alone, on a clock of the test's: notices between honest peers take 0.4 slots, and an adversary chooses when its own
come. `f` is 1 among 5 peers unless said otherwise, members are 0, 1, 2 and one of them may be corrupt.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpcjax.net.flow import NOTICE_BYTES
from mpcjax.peers.claims import ABORT, CAUGHT, EXPIRED, OPENED, SILENT, TOLD, VOUCH, Claim, records
from mpcjax.peers.decision import LATER, Decision
from mpcjax.peers.links import Lost
from tests.peers._clock import DELAY, NEVER, PROMISED, SLOT, WHEN, World, found, record

X, Y = Claim(VOUCH, b"x" * 32), Claim(VOUCH, b"y" * 32)
GONE = Claim(ABORT)
NOTHING = (None, ())
ALL, ALL_BUT_0 = (0, 1, 2, 3, 4), (1, 2, 3, 4)


def same(have: dict[int, Any], peers: tuple[int, ...]) -> Any:
    """What all these peers have."""
    assert set(have) == set(peers) and len(set(have.values())) == 1, have
    return next(iter(have.values()))


def notice(*records: bytes) -> np.ndarray:
    return np.frombuffer(b"".join(records), np.uint8)


def test_what_all_vouch_for_is_accepted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ALL)
    for member in (0, 1, 2):
        world.say(0.0, member, X)
    assert same(world.run(until=0.9 * SLOT), ALL) == (X.subject, ())


def test_t_plus_one_are_enough_and_t_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ALL)
    world.say(0.0, 1, X)
    world.say(0.0, 2, X)
    assert same(world.run(), ALL) == (X.subject, ())
    world = World(monkeypatch, ALL)
    world.say(0.0, 0, X)
    world.say(0.0, 1, GONE)
    world.say(0.0, 2, GONE)
    assert same(world.run(), ALL) == NOTHING


def test_while_too_few_have_done_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """One member says nothing else than that it stopped: all stop waiting for messages, and nobody starts to count."""
    world = World(monkeypatch, ALL_BUT_0)
    world.inject(0.0, 3, (GONE, 0))
    world.inject(0.0, 3, (X, 0), (Y, 0), (GONE, 0))
    assert world.run() == {} and all(one.over() for one in world.decisions.values())


# attempts of which too little is heard


def test_who_has_heard_nothing_knows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """All others are ahead; the corrupt peer says that the attempt expired for it too. That is no failure."""
    world = World(monkeypatch, (4,))
    one = world.decisions[4]
    world.inject(0.0, 4, (Claim(EXPIRED), 0), (GONE, 0))
    world.patience[4] = 1.0
    assert world.run() == {}
    with pytest.raises(Lost, match=r"what became of attempt \(3, 1\) was not heard"):
        one.result(world.now, world.now)
    with pytest.raises(Lost):
        one.result(NEVER, NEVER, behind=lambda: True)


def test_an_attempt_that_expired_for_all_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three members say nothing; the others have waited at different times."""
    honest = (2, 3, 4)
    world = World(monkeypatch, honest, corrupt=2)
    world.say(0.0, 2, GONE)
    world.patience = {2: 3.0, 3: 4.0, 4: 6.0}
    assert same(world.run(), honest) == NOTHING
    begun = [one._start or 0.0 for one in world.decisions.values()]
    assert min(begun) >= 6.0 and max(begun) - min(begun) <= DELAY + 1e-9


def test_who_starts_to_count_tells_everybody_how_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What started it was said to one peer alone: that a second member has done, or that a fifth peer has waited."""
    honest = (1, 3, 4, 5, 6)
    for said, what in ((X, Y), (None, Claim(EXPIRED))):
        world = World(monkeypatch, honest, peers=7, corrupt=2)
        if said:
            world.say(0.0, 1, said)
        else:
            world.patience = dict.fromkeys(honest[:-1], 1.0)
        world.inject(3.0, 4, (what, 0))
        assert same(world.run(), honest)[0] is None


@pytest.mark.parametrize("receiver", (1, 3, 6))
@pytest.mark.parametrize("accepting", [(), (0,)])
@pytest.mark.parametrize("at", [k / 4 for k in range(8, 48)])
def test_a_vouch_held_back_until_others_have_given_up(
    monkeypatch: pytest.MonkeyPatch, receiver: int, accepting: tuple[int, ...], at: float
) -> None:
    """Of members 0, 1, 2 the last is dead and the first corrupt: its signature makes an outcome, for one peer, at any time."""
    honest = (1, 3, 4, 5, 6)
    world = World(monkeypatch, honest, peers=7, corrupt=2)
    world.say(0.0, 1, X)
    world.patience = {peer: 3.0 + 0.2 * peer for peer in honest}
    world.inject(at, receiver, (X, 0), *((X.accepted, peer) for peer in accepting), knowing=True)
    same(world.run(until=30.0), honest)


def test_a_member_that_vouches_for_many_things_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ALL_BUT_0)
    for peer in ALL_BUT_0:
        world.inject(0.1 * peer, peer, (Claim(VOUCH, bytes([peer]) * 32), 0), (GONE, 0))
    world.say(0.2, 1, X)
    world.say(0.3, 2, X)
    assert same(world.run(), ALL_BUT_0) == (X.subject, ())


def test_different_signatures_for_different_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever got the other one first takes the right one from whoever has accepted."""
    world = World(monkeypatch, ALL_BUT_0)
    world.say(0.0, 1, X)
    world.say(0.0, 2, GONE)
    for peer in (2, 3, 4):
        world.inject(0.1, peer, (Y, 0), (Claim(VOUCH, b"z" * 32), 0))
    world.inject(0.6, 1, (X, 0))
    assert same(world.run(), ALL_BUT_0) == (X.subject, ())


def test_a_silent_member_is_named_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ALL_BUT_0)
    world.say(0.0, 1, GONE)
    world.say(0.2, 2, GONE)
    assert same(world.run(), ALL_BUT_0) == (None, (0,))


def test_who_waits_for_the_decision_late_still_names_the_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members whose main thread was busy through slot 2 say it in slot 3."""
    world = World(monkeypatch, ALL_BUT_0)
    world.say(0.0, 1, GONE)
    world.say(0.0, 2, GONE)
    waiting, world.decisions = world.decisions, {}
    for one in waiting.values():
        monkeypatch.setattr(
            one, "_found", lambda until, one=one: type(one)._found(one, until) if world.now > 3.5 else None
        )
    world.decisions = waiting
    assert same(world.run(), ALL_BUT_0) == (None, (0,))


def test_who_has_done_is_not_named_whatever_the_corrupt_say(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ALL_BUT_0)
    world.say(0.0, 1, GONE)
    world.say(0.3, 2, GONE)
    for peer in ALL_BUT_0:
        world.inject(2.1, peer, (GONE, 0), (Claim.silent(1), 0), (Claim.silent(1).accepted, 0), (Claim.silent(4), 0))
    assert same(world.run(), ALL_BUT_0)[1] in ((), (0,))


SHOWN = Claim(OPENED)


def all_know(world: World, peers: tuple[int, ...]) -> bool:
    """Whether these agree that an output may have been seen."""
    have = {world.decisions[peer].opened() for peer in peers}
    assert len(have) == 1
    return have.pop()


def test_that_members_opened_is_believed_of_t_plus_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corrupt one alone cannot end a round that another committee would finish."""
    for saying in ((), (0,), (1,), (0, 1), (1, 2)):
        world = World(monkeypatch, ALL_BUT_0)
        for member in saying:
            world.say(0.0, member, SHOWN) if member else world.inject(0.0, 3, (SHOWN, 0), (SHOWN.accepted, 0))
        for member in (1, 2):
            world.say(0.1, member, GONE)
        assert same(world.run(), ALL_BUT_0) == (None, (0,)) and all_know(world, ALL_BUT_0) == (len(saying) == 2)


def test_a_member_opens_when_it_has_accepted_that_t_plus_one_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither after its own word, nor after that of a corrupt peer that it accepts it."""
    world = World(monkeypatch, ALL_BUT_0)
    one = world.decisions[1]
    one.say(SHOWN)
    world.inject(0.0, 1, (SHOWN.accepted, 0), (SHOWN, 4))
    world.run(until=1.0)
    assert not one.may_open(world.now)
    world.say(1.0, 2, SHOWN)
    world.run(until=2.0)
    assert one.may_open(world.now) and world.decisions[2].may_open(world.now)


def test_who_has_no_seat_cannot_say_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ALL_BUT_0[:3])
    world.inject(0.0, 1, (SHOWN, 4))
    world.say(0.1, 1, GONE)
    world.say(0.1, 2, GONE)
    world.run()
    assert not all_know(world, (1, 2, 3))


@pytest.mark.parametrize("slot", range(1, 9))
@pytest.mark.parametrize("receiver", ALL_BUT_0)
@pytest.mark.parametrize("accepting", [False, True])
def test_a_corrupt_member_that_says_it_late_to_one(
    monkeypatch: pytest.MonkeyPatch, slot: int, receiver: int, accepting: bool
) -> None:
    """Else some would repeat the round and others not."""
    world = World(monkeypatch, ALL_BUT_0)
    world.say(0.0, 1, SHOWN)
    world.say(0.0, 1, GONE)
    world.say(0.1, 2, GONE)
    late = [(SHOWN, 0), *([(SHOWN.accepted, 0)] if accepting else [])]
    world.inject(0.5 + slot * SLOT - 0.01, receiver, *late, knowing=True)
    assert same(world.run(), ALL_BUT_0)[0] is None
    all_know(world, ALL_BUT_0)


ONE, OTHER, NEXT = Claim.told(7, b"one"), Claim.told(7, b"other"), Claim.told(8, b"other")


def caught(world: World, peers: tuple[int, ...]) -> tuple[int, ...]:
    """Whom these peers have all caught."""
    return same({peer: world.decisions[peer].caught() for peer in peers}, peers)


def test_who_signed_two_things_for_one_broadcast_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the two signatures come from, and not by a signature for another broadcast."""
    for first, second, proven in ((ONE, OTHER, True), (ONE, NEXT, False), (ONE, ONE, False)):
        for where in (1, 2, 3):
            world = World(monkeypatch, ALL_BUT_0)
            world.inject(0.0, 1, (first, 0))
            world.inject(0.0, where, (second, 0))
            world.say(0.1, 1, GONE)
            world.say(0.2, 2, GONE)
            world.decisions[1].show({(first, 0): record(first, 0)[-64:]})
            assert same(world.run(), ALL_BUT_0) == (None, (0,))
            assert caught(world, ALL_BUT_0) == ((0,) if proven else ())


def test_a_corrupt_member_alone_catches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ALL_BUT_0)
    world.say(0.0, 1, GONE)
    world.say(0.1, 2, GONE)
    world.decisions[1].show({(ONE, 1): record(ONE, 1)[-64:]})
    for peer in ALL_BUT_0:
        world.inject(0.3, peer, (Claim.caught(1), 0), (Claim.caught(1).accepted, 0), (Claim.caught(4), 0))
        world.decisions[peer].hear(0, notice(record(OTHER, 1)[:-1] + b"?"))
    same(world.run(), ALL_BUT_0)
    assert caught(world, ALL_BUT_0) == ()


# signatures released late


LAST = 3 + LATER[VOUCH]  # the slot after the last in which an outcome is accepted: f + 2, from slot 1 on


@pytest.mark.parametrize("slot", range(1, 9))
@pytest.mark.parametrize("receiver", ALL_BUT_0)
@pytest.mark.parametrize("accepting", [False, True])
@pytest.mark.parametrize("before", [0.01, 0.3])
def test_a_vouch_held_back_for_one_peer(
    monkeypatch: pytest.MonkeyPatch, slot: int, receiver: int, accepting: bool, before: float
) -> None:
    """Just before a slot ends one peer learns what no other has seen, with and without the signature of an acceptor."""
    world = World(monkeypatch, ALL_BUT_0)
    world.say(0.0, 1, X)
    world.say(0.1, 2, GONE)
    started = 0.4  # at 1 and 2, when each has heard the other
    late = [(X, 0), *([(X.accepted, 0)] if accepting else [])]
    world.inject(started + slot * SLOT - before, receiver, *late, knowing=True)
    same(world.run(), ALL_BUT_0)


@pytest.mark.parametrize("at", [k / 20 for k in range(20, 120)])
def test_notices_may_take_as_long_as_is_promised(monkeypatch: pytest.MonkeyPatch, at: float) -> None:
    """A member says that it has done with the attempt when another has long: to those two the count starts as long apart."""
    world = World(monkeypatch, ALL_BUT_0, delay=0.98 * PROMISED)
    world.say(0.0, 1, X)
    for peer in (2, 3, 4):
        world.inject(0.98 * PROMISED, peer, (GONE, 0))
    world.say(2.5, 2, GONE)
    world.inject(at, 1, (X, 0))
    same(world.run(), ALL_BUT_0)


@pytest.mark.parametrize("slot", range(1, 9))
@pytest.mark.parametrize("receiver", (1, 3))
@pytest.mark.parametrize("accepting", [(), (0,), (0, 4)])
def test_with_two_corrupt_of_five_members_and_a_peer(
    monkeypatch: pytest.MonkeyPatch, slot: int, receiver: int, accepting: tuple[int, ...]
) -> None:
    """f = 2 of 7 peers: 0 sits on the committee of five, 4 does not and accepts what no honest peer has accepted."""
    honest = (1, 2, 3, 5, 6)
    world = World(monkeypatch, honest, peers=7, members=(0, 1, 2, 3, 5), threshold=2, corrupt=2)
    for peer, claim in ((1, X), (2, X), (3, GONE), (5, GONE)):
        world.say(0.0, peer, claim)
    late = [(X, 0), *((X.accepted, peer) for peer in accepting)]
    world.inject(0.4 + slot * SLOT - 0.01, receiver, *late, knowing=True)
    same(world.run(), honest)


CLAIMS = [X, Y, GONE, Claim(OPENED), Claim.silent(1), Claim.silent(2), Claim.silent(0), ONE, OTHER, Claim.caught(1)]
EVENTS = st.tuples(
    st.integers(0, 90),  # tenths of a slot
    st.sampled_from(ALL_BUT_0),
    st.sets(st.sampled_from(CLAIMS), max_size=4),
    st.booleans(),
    st.booleans(),
)


@given(
    says=st.tuples(*[st.tuples(st.integers(0, 40), st.sampled_from([X, GONE]))] * 2),
    events=st.lists(EVENTS, max_size=8),
    delay=st.sampled_from([0.0, 0.1, 0.25, 0.49]),
)
def test_any_schedule(says: Any, events: Any, delay: float) -> None:
    """One corrupt member signs anything, for anybody, at any time, and passes on what it has heard or does not."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World(monkeypatch, ALL_BUT_0, delay=delay)
        for member, (when, claim) in zip((1, 2), says, strict=True):
            world.say(when / 10, member, claim)
        for when, receiver, claims, accepting, knowing in events:
            signed = [(claim, 0) for claim in sorted(claims, key=lambda c: c.kind + c.subject)]
            signed += [(claim.accepted, 0) for claim, _ in signed] if accepting else []
            world.inject(when / 10, receiver, *signed, knowing=knowing)
        digest, _ = same(world.run(), ALL_BUT_0)
        assert digest in (None, X.subject)
        assert digest is not None or caught(world, ALL_BUT_0) in ((), (0,))
        assert digest is not None or all_know(world, ALL_BUT_0) in (False, True)


# peers that begin later than others


def late_peer(monkeypatch: pytest.MonkeyPatch, vouched: tuple[Claim, Claim], from_0: Any, accepting: bool) -> Any:
    """Peer 4 begins with the attempt when the others have done, with notices that came in time; 0 tells only it `from_0`."""
    world = World(monkeypatch, (1, 2, 3))
    for member, claim in zip((1, 2), vouched, strict=True):
        world.say(0.0, member, claim)
    ended = same(world.run(until=12.0), (1, 2, 3))
    early = [(0.4, 0, notice(*(record(claim, 0) for claim in from_0)))]  # before all others
    early += [(0.4, 1, notice(*(record(claim, member) for member, claim in zip((1, 2), vouched, strict=True))))]
    if ended[0] is not None:
        early += [(0.8, peer, notice(record(X.accepted, peer))) for peer in (1, 2, 3)]
    if accepting:
        early += [(0.4, 0, notice(*(record(claim.accepted, 0) for claim in from_0)))]
    late = World(monkeypatch, (4,), now=world.now, early=early)
    late.run(until=late.now + 8.0)
    return ended, late.found.get(4), late.decisions[4].opened()


def test_a_peer_that_begins_late_finds_what_the_others_found(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, late, _ = late_peer(monkeypatch, (X, X), (), accepting=False)
    assert late == ended == (X.subject, ())


@pytest.mark.parametrize("accepting", [False, True])
def test_a_peer_that_begins_late_is_not_told_another_end(monkeypatch: pytest.MonkeyPatch, accepting: bool) -> None:
    """The vouch that 0 has for it alone would be the one that was missing, had it come in time."""
    ended, late, opened = late_peer(monkeypatch, (X, GONE), (X, SHOWN), accepting)
    assert ended[0] is None and late is not None and late[0] is None and not opened


@pytest.mark.parametrize("what", [GONE, Claim(EXPIRED)])
@pytest.mark.parametrize("meanwhile", [0.1, 3.0, 7.5])
def test_what_a_peer_that_begins_late_alone_has_heard_parts_it_from_nobody(
    monkeypatch: pytest.MonkeyPatch, what: Claim, meanwhile: float
) -> None:
    """It starts its count by what 0 told it alone, long ago; the others start by what it tells then, and 0 vouches to them."""
    world = World(monkeypatch, (1, 2, 3), late=(4,))
    if what == GONE:
        world.say(0.0, 1, X)
    else:
        world.patience = dict.fromkeys((1, 2, 3), 0.0)
        world.say(8.3, 1, X)
    world.inject(0.4, 4, (what, 0))
    assert world.run(until=8.0) == {}
    world.begin(4)
    for member in (1, 2):
        world.inject(8.0 + meanwhile, member, (X, 0), (X.accepted, 0))
    same(world.run(until=40.0), (1, 2, 3, 4))


LATE_EVENTS = st.tuples(
    st.integers(0, 200), st.sampled_from((1, 2, 3, 4, 4)), st.sets(st.sampled_from([*CLAIMS, Claim(EXPIRED)]), max_size=3),
    st.booleans(), st.booleans(),
)  # fmt: skip


@given(
    begins=st.integers(0, 140),
    says=st.tuples(*[st.tuples(st.integers(0, 120), st.sampled_from([X, GONE]), st.booleans())] * 2),
    events=st.lists(LATE_EVENTS, max_size=8),
    delay=st.sampled_from([0.0, 0.1, 0.25, 0.49]),
    expires=st.one_of(st.none(), st.integers(0, 60)),
)
def test_any_schedule_with_a_peer_that_begins_late(
    begins: int, says: Any, events: Any, delay: float, expires: Any
) -> None:
    """The corrupt one tells it, and it alone, what it likes before it begins. Who has no end by then is `Lost`, and asks."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        world = World(monkeypatch, (1, 2, 3), delay=delay, late=(4,))
        if expires is not None:
            world.patience = dict.fromkeys((1, 2, 3), expires / 10)
        for member, (when, claim, opens) in zip((1, 2), says, strict=True):
            world.say(when / 10, member, SHOWN) if opens else None
            world.say(when / 10, member, claim)
        for when, receiver, claims, accepting, knowing in events:
            signed = [(claim, 0) for claim in sorted(claims, key=lambda c: c.kind + c.subject)]
            signed += [(claim.accepted, 0) for claim, _ in signed] if accepting else []
            world.inject(when / 10, receiver, *signed, knowing=knowing)
        world.run(until=begins / 10)
        world.begin(4)
        ended = world.run(until=begins / 10 + 40)
        whole = set[Any]()
        for peer, (outcome, silent) in ended.items():
            one = world.decisions[peer]
            whole.add((outcome, silent, None if outcome else (one.opened(), one.caught())))
        assert len(whole) <= 1, ended


def test_what_was_opened_and_held_back_for_a_late_peer_it_does_not_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    """It hears all that came before it looks at any of it."""
    world = World(monkeypatch, (1, 2, 3))
    for at, member, claim in ((0.0, 1, SHOWN), (0.3, 1, GONE), (0.3, 2, GONE)):
        world.say(at, member, claim)
    same(world.run(until=12.0), (1, 2, 3))
    assert not world.decisions[1].opened()
    came = ((0.3, 0, SHOWN), (0.4, 1, SHOWN), (0.7, 1, GONE), (0.7, 2, GONE))
    early = [(at, who, notice(record(claim, who))) for at, who, claim in came]
    late = World(monkeypatch, (4,), now=world.now, early=early)
    late.run(until=30.0)
    assert late.found[4] == (None, ()) and not late.decisions[4].opened()


@pytest.mark.parametrize("at", [4.3, 4.4, 4.9, 5.0, 5.2, 5.3, 5.5, 6.1, 6.3])
def test_a_proof_that_is_held_back_to_the_last_is_known_to_all_when_they_end(
    monkeypatch: pytest.MonkeyPatch, at: float
) -> None:
    world = World(monkeypatch, ALL_BUT_0)
    world.say(0.0, 1, GONE)
    world.say(0.0, 2, GONE)
    proof = Claim.caught(0)
    world.inject(at, 1, (ONE, 0), (OTHER, 0), (proof, 0))
    world.inject(at + 0.05, 1, (proof.accepted, 0))
    ended = dict[int, tuple[int, ...]]()
    world.run(until=4.0)
    for peer, one in world.decisions.items():

        def noted(until: float, one: Decision = one, peer: int = peer) -> Any:
            known = type(one)._found(one, until)
            if known is not None:
                ended.setdefault(peer, one.caught())
            return known

        monkeypatch.setattr(one, "_found", noted)
    world.run()
    same(ended, ALL_BUT_0)


def test_three_vouches_of_one_member_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as an honest peer may have of one that vouches for several things."""
    world = World(monkeypatch, ALL_BUT_0)
    world.inject(0.0, 1, (GONE, 0), (Y, 0))
    world.inject(0.1, 1, (Claim(VOUCH, b"z" * 32), 0))
    world.say(0.2, 1, X)
    world.inject(0.8, 1, (X, 0))
    assert same(world.run(), ALL_BUT_0) == (X.subject, ())


# what is no notice at all


def test_a_member_that_computes_meanwhile_says_in_time_that_it_is_no_silent_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A corrupt member ends the attempt at once, and says of an honest one, whose main thread cannot speak, that it is silent."""
    world = World(monkeypatch, ALL_BUT_0)
    world.say(0.0, 1, Claim(ABORT))
    for peer in ALL_BUT_0:
        world.inject(0.2, peer, (Claim(ABORT), 0), (Claim.silent(2), 0))
    assert same(world.run(), ALL_BUT_0) == (None, ())
    assert all(2 in one._done and Claim.silent(2) not in one._accepted for one in world.decisions.values())


def test_who_begins_late_says_first_that_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """And after it has heard everything that came before."""
    early = [(at, 0, notice(record(Claim(ABORT), who))) for at, who in ((1.0, 0), (1.1, 1))]
    one = World(monkeypatch, (2,), now=9.0, early=early).decisions[2]
    assert (Claim(ABORT), 2) in one._signatures and one._start == 1.1


def test_strange_signatures_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torn, of another attempt, forged, of a peer without a seat, of one that does not exist, of no known kind."""
    right = record(X, 0)
    strange = {
        "torn": right[:-1],
        "another attempt": record(X, 0, when=(WHEN[0], WHEN[1] + 1)),
        "another attempt, renamed": record(X, 0, about=(WHEN[0] - 1, WHEN[1])),
        "another try, renamed": record(X, 0, about=(WHEN[0], WHEN[1] - 1)),
        "of another kind": OPENED + record(Claim(ABORT), 0)[1:],
        "forged": right[:-1] + bytes([right[-1] ^ 1]),
        "of another claim": record(Y, 0)[:-64] + right[-64:],
        "no member": record(X, 4),
        "nobody": record(X, 60_000),
        "nobody accepts": record(X.accepted, 60_000),
        "accepts what nobody claims": record(Y.accepted, 0),
        "no kind": record(Claim(b"?", X.subject), 0),
        "caught nobody": record(Claim.caught(4), 0),
        "silent nobody": record(Claim.silent(77), 0),
        "abort of something": record(Claim(ABORT, X.subject), 0),
        "empty": b"",
    }
    forged = ("another attempt, renamed", "another try, renamed", "of another kind", "forged", "of another claim")
    for name, data in strange.items():
        world = World(monkeypatch, ALL_BUT_0)
        world.say(0.0, 1, X)
        for peer in ALL_BUT_0:
            world.decisions[peer].hear(0, notice(data))
        world.run(until=1.0)
        assert all(set(one._signatures) == {(X, 1)} for one in world.decisions.values()), name
        world.decisions[2].hear(3 if name in forged else 0, notice(right))  # who passes on no forgery is still heard
        assert found(world.decisions[2], until=0.0) == (X.subject, ()), name


def test_a_flood_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A corrupt member signs without end, a corrupt peer forges without end: what is kept and what is checked is bounded."""
    world = World(monkeypatch, ALL_BUT_0)
    one, checks = world.decisions[3], []
    monkeypatch.setattr(one.links, "signed", lambda *args: checks.append(0) or type(one.links).signed(one.links, *args))
    for k in range(300):
        claims = [Claim(kind, k.to_bytes(32, "big")) for kind in (VOUCH, ABORT, SILENT, TOLD, CAUGHT)]
        one.hear(0, notice(*(record(claim, 0) for claim in claims)))
        one.hear(4, notice(record(claims[0], 0)[:-1] + b"?"))
    assert len(one._signatures) <= 20 and len(checks) <= 20
    world.say(0.0, 1, X)
    world.say(0.0, 2, X)
    assert same(world.run(), ALL_BUT_0) == (X.subject, ())


def test_who_accepts_what_too_few_members_claim_has_nothing_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or one corrupt member could sign many things, and each corrupt peer accept every one of them."""
    one, checks = World(monkeypatch, (3,)).decisions[3], []
    monkeypatch.setattr(
        one.links, "signed", lambda *args: checks.append(args) or type(one.links).signed(one.links, *args)
    )
    one.hear(0, notice(record(X, 0), record(X.accepted, 0), record(X.accepted, 4)))
    assert len(checks) == 1
    one.hear(4, notice(record(X, 1), record(X.accepted, 4)))
    assert len(checks) == 3 and one._signers[X.accepted] == {3, 4}


def test_of_many_signatures_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """They go in several notices, each of which a channel takes."""
    members = tuple(range(700))
    one = World(monkeypatch, (0,), peers=701, members=members, threshold=699).decisions[0]
    sent: list[Any] = []
    monkeypatch.setattr(one.links, "notify", lambda peer, x: sent.append(x) if peer == 1 else None)
    one.hear(700, notice(*(record(GONE, member) for member in members)))
    told = [signed for x in sent for signed, _ in records(x, WHEN)]
    assert max(len(x) for x in sent) <= NOTICE_BYTES and set(told) >= {(GONE, member) for member in members}


def test_each_signature_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, (3,))
    one, checks = world.decisions[3], []
    monkeypatch.setattr(one.links, "signed", lambda *args: checks.append(0) or type(one.links).signed(one.links, *args))
    for peer in (0, 1, 2, 4) * 5:
        one.hear(peer, notice(record(X, 0), record(GONE, 1)))
    assert len(checks) == 2


def test_of_a_peer_that_sends_without_end_nothing_is_read_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only of that one. All that it says before this peer begins is read at once, while nothing else is heard."""
    one, read = World(monkeypatch, (3,)).decisions[3], []
    monkeypatch.setattr(one, "_wanted", lambda *what: bool(read.append(0)))
    many, things, signatures = notice(*(record(X, 0) for _ in range(60))), 4 * 3 + 8, 3 + 5
    for _ in range(100):
        one.hear(0, many)
    assert things * signatures / 2 < len(read) < 2 * things * signatures, "what an honest peer says about one attempt"
    read.clear()
    one.hear(1, many)
    assert len(read) == 60


def test_what_is_passed_on_does_not_grow_with_what_one_member_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ALL_BUT_0)
    one, sent = world.decisions[3], []
    monkeypatch.setattr(one.links, "notify", lambda peer, x: sent.append(len(x)))
    one.hear(0, notice(*(record(Claim(VOUCH, bytes([k]) * 32), 0) for k in range(100)), record(GONE, 0)))
    one.hear(1, notice(record(X, 1)))
    assert sent and max(sent) <= 2 * len(record(X, 0))
