"""A peer over many rounds: attempts until one stands, what all agreed on, who is not drawn again."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mpcjax._compat import as_here
from mpcjax.errors import Abort
from mpcjax.peers.answers import Answers
from mpcjax.peers.attempt import Task, attempt
from mpcjax.peers.begun import Begun
from mpcjax.peers.claims import ABORT, VOUCH, Claim, about
from mpcjax.peers.conduct import Conduct
from mpcjax.peers.decision import Decision
from mpcjax.peers.early import Early, room
from mpcjax.peers.election import Election
from mpcjax.peers.giving import Giving
from mpcjax.peers.history import History, Record
from mpcjax.peers.links import TIMELESS, Links, Lost, Stopped
from mpcjax.peers.outcome import Outcome, digest
from mpcjax.peers.programs import Programs
from mpcjax.peers.replay import Replay
from mpcjax.peers.talk import Talk
from mpcjax.peers.wire import Wire
from mpcjax.rules import Public
from mpcjax.seeds import Keys, keys_of

LOG = logging.getLogger("mpcjax.peers")
LONG = 20  # times the patience of a message go by until a member stops; twice that until it signs that it has waited, thrice
# until it is lost
AHEAD = 3  # rounds before it has a seat a peer compiles what members run
KeysFor = Callable[[tuple[int, int], int, int], Keys]


@dataclasses.dataclass(frozen=True)
class Round:
    """What all honest peers have of a round. `failed`: committees before, and who of them was silent, by all agreed."""

    outcome: Outcome
    number: int
    attempt: int
    members: tuple[int, ...]
    failed: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    seconds: float
    missed: dict[int, str]

    @property
    def liars(self) -> tuple[int, ...]:
        """Members that were proven to have sent wrong shares, which were corrected."""
        return tuple(self.members[seat] for seat in np.flatnonzero(self.outcome.accused))


class Node:
    """One peer. `corrupt`: the most peers that may be, those that are not there included.

    `keys_for(when, seat, peer)`: the randomness of an attempt, fresh by default. `early`: what was heard before. `before`:
    the node of other programs that this one takes over from: it goes on answering for what was done there.
    """

    def __init__(
        self, links: Links, election: Election, programs: Programs, *, corrupt: int, attempts: int = 5,
        keys_for: KeysFor | None = None, early: Early | None = None, before: Node | None = None,
    ):  # fmt: skip
        self.links, self.election, self.programs = links, election, programs
        self.corrupt, self.attempts = corrupt, attempts
        self.keys_for = keys_for or (lambda when, seat, peer: keys_of(_fresh(), seat, peer))
        self.conduct, self.last, self._before = Conduct(), -1, -1  # the last round, and the one before
        self._decisions: dict[tuple[int, int], Decision] = {}
        self._early = early or Early(links.peers, corrupt, room(links.peers, election.size))
        self._giving, self._prepares = Giving(links), False
        self._begun = Begun(links)
        self._answers: Answers | None = None  # of this peer's dealing in the attempt in progress
        self._lock = threading.Lock()
        self.history = History(links, corrupt, Record(0, (0,) * election.size, Conduct(), self._blank()))
        if before is not None:
            self._takes_over(before)
        links.heard = self._heard
        for peer, data in self._early.others():
            self._serves(peer, data)

    def _takes_over(self, before: Node) -> None:
        """All but the programs and the shape of an outcome: the very tables, which the network's thread may be reading."""
        self.conduct, self.last, self._before = before.conduct, before.last, before._before
        self._begun, self._early = before._begun, before._early
        self._decisions, self._giving, self._lock = before._decisions, before._giving, before._lock
        self.history.takes_over(before.history)

    def round(self, number: int, update: np.ndarray, public: Public) -> Round:
        """The outcome of round `number`, with this peer's `update [d]` float32.

        Raises `ValueError` for a number that was used; `Abort` after all attempts, or after one whose output a corrupt member
        may have seen: all honest peers do. `Lost` where this peer cannot know what became of it: it must ask (`missed`).
        """
        if not self.last < number < TIMELESS[0]:
            raise ValueError(
                f"round={number}: legal are rounds from {self.last + 1} on, below {TIMELESS[0]}; they count up, each number is "
                "used once"
            )
        self._before, self.last = self.last, number
        self.links.advance((number, 0))
        start, failed, opened = time.monotonic(), [], False
        for k in range(self.attempts):
            if self._is_behind(number, k):
                raise Lost(self.links.me, f"round {number}", "the others are ahead: ask them what became of it")
            found = self._attempt((number, k), update, public, failed)
            if isinstance(found, Round):
                found = dataclasses.replace(found, seconds=time.monotonic() - start)
                self._settle(found)
                return found
            failed.append(found)
            opened = self._decisions[number, k].opened()
            if opened:
                break
        committees = [list(members) for members, _ in failed]
        self._ended(number, dataclasses.replace(self.history.blank, conduct=self.conduct, stands=False))
        raise _no_outcome(number, f"{len(committees)} committees did not finish: {committees}", opened)

    def prepare(self, number: int) -> None:
        """Compiles what a member runs, in another thread, if this peer is to have a seat in round `number` or soon after.

        Who has none needs neither the time nor the memory. In a second attempt, or a dispute, it is waited for."""
        soon = (self.election.members((k, 0), self.conduct.undrawn) for k in range(number, number + AHEAD))
        if not self._prepares and any(self.links.me in members for members in soon):
            self._prepares = True
            threading.Thread(target=as_here(self.programs.compile), args=(True,), name="mpcjax-compile").start()

    def missed(self, number: int) -> tuple[Round | None, bool]:
        """A round in which this peer had no part, from the others, None where it has no outcome; and whether it was still
        running when they were asked."""
        self._before, self.last = self.last, max(self.last, number)
        self.links.advance(
            (number + 1, 0)
        )  # or arrays of rounds that went on without this peer could leave no room for answers
        found, running = self.history.ask(number, time.monotonic() + LONG * self.links.patience)
        self.conduct = found.conduct
        self._ended(number, found)
        done = Round(found.outcome, number, found.attempt, found.members, (), 0.0, {})
        return (done if found.stands else None), running

    def _attempt(
        self, when: tuple[int, int], update: np.ndarray, public: Public, failed: list[Any]
    ) -> Round | tuple[tuple[int, ...], tuple[int, ...]]:
        members = self._members(when)
        begun = time.monotonic()
        self.links.advance(when)
        decision = self._decide(when, members, begun)
        self._begun.say(when)
        LOG.info("attempt round=%d attempt=%d members=%s", *when, list(members))
        long, least = begun + LONG * self.links.patience, self.links.peers - self.corrupt

        talk = Talk(self.links, decision, long, self._absent(when[0]))
        answers = Answers(self.links, when, members, decision.threshold, Replay(self.programs, public))
        wire = Wire(talk, self.programs.told, least, answers)
        self._answers = answers
        keys = self.keys_for(when, talk.seat or 0, self.links.me)
        packed = self._run(wire, Task(update, public, keys), decision)
        until, more = max(2 * long - begun, self.links.due()), long - begun
        found, silent = decision.result(until, until + more, lambda: self._early.begun() > when[0])
        if found is None:
            caught = decision.caught()
            LOG.warning("failed round=%d attempt=%d silent=%s caught=%s", *when, list(silent), list(caught))
            self.conduct = self.conduct.failed(silent, caught)
            return members, silent
        if packed is None or digest(packed) != found:
            packed = self._giving.fetch(when, members, found, self._blank().packed())
        outcome = self._blank().unpacked(packed)
        return Round(outcome, *when, members, tuple(failed), 0.0, wire.talk.missed)

    def _members(self, when: tuple[int, int]) -> tuple[int, ...]:
        """The committee of an attempt. Who has a seat on it has compiled what a member runs."""
        members = self.election.members(when, self.conduct.undrawn)
        if self.links.me in members:
            self.programs.compile(member=True)
        return members

    def _run(self, wire: Wire, task: Task, decision: Decision) -> np.ndarray | None:
        """Goes through the programs, and tells everybody how it ended."""
        try:
            outcome = attempt(self.programs, wire, task)
            if outcome is None:
                return None
            packed = outcome.packed()
            found = digest(packed)
            wire.require_same("open/outcome", found)  # or two honest members could vouch for different outcomes
        except (Abort, Lost, Stopped) as error:
            LOG.warning("stopped round=%d attempt=%d missed=%s why=%s", *wire.talk.when, wire.talk.missed, error)
            if wire.seat is not None and self._others_begun(wire, decision):
                decision.say(Claim(ABORT))
            return None
        self._giving.keep(wire.talk.when, packed)
        decision.say(Claim(VOUCH, found))
        self._giving.give(wire.talk.when, wire.members, packed)
        return packed

    def _others_begun(self, wire: Wire, decision: Decision) -> bool:
        """Waits, at most as long as for anything, until 2 f + 1 peers have begun with the round: f + 1 honest ones. Or a corrupt
        member and the fastest honest one could end an attempt, and all honest ones that train for longer would come too late to
        agree on how. Where so many do not come this peer signs nothing: that it has waited, n - f peers must say. Where the count
        has started an honest member has waited for them, and there is nothing left to wait for.

        Who vouches need not wait: n - f have dealt."""
        while self._begun.count(wire.talk.when) < 2 * self.corrupt + 1:
            if decision.started():
                return True
            if time.monotonic() >= wire.talk.long:
                return False
            time.sleep(self.links.slot / 8)
        return True

    def _settle(self, done: Round) -> None:
        self.conduct = self.conduct.settled(done.outcome, done.liars)
        self._ended(done.number, Record(done.attempt, done.members, self.conduct, done.outcome))

    def _ended(self, number: int, record: Record) -> None:
        """However the round has ended, what was kept of those before is of no use any more."""
        self.history.add(number, record)
        self._answers = None
        with self._lock:
            for when in [when for when in self._decisions if when[0] < number]:
                del self._decisions[when]
        self._giving.forget(number)
        self._early.forget(number)

    def _is_behind(self, number: int, k: int) -> bool:
        """Whether the round is over for an honest peer, or something of one about this attempt was not kept."""
        return self._early.begun() > number or not self._early.whole((number, k))

    def _decide(self, when: tuple[int, int], members: tuple[int, ...], begun: float) -> Decision:
        def owes(who: int) -> bool:
            waited = time.monotonic() - begun >= self.links.patience
            return waited or self._begun.has(who, when) or self.links.left(who)

        with self._lock:  # what comes meanwhile waits, and is heard after what came long ago
            decision = Decision(
                self.links,
                members,
                self.programs.setup.scheme.threshold,
                self.corrupt,
                when,
                self._early.about(when),
                owes,
            )
            self._decisions[when] = decision
        return decision

    def _heard(self, peer: int, notice: np.ndarray) -> None:
        """Called from the network's thread. What is about an attempt that did not begin here is kept for it."""
        if self._serves(peer, notice.tobytes()) or (when := about(notice)) is None:
            return
        self._early.reached(peer, when[0])
        with self._lock:
            decision = self._decisions.get(when)
            if decision is None:
                self._early.keep(peer, notice)
        if decision is not None:
            decision.hear(peer, notice)

    def _serves(self, peer: int, data: bytes) -> bool:
        """Whether a notice was about no attempt's end, and has been seen to."""
        if self._begun.hear(peer, data):
            return True
        answers = self._answers
        if answers is not None and answers.hear(peer, data):
            return True
        return self._giving.answer(peer, data) or self.history.answer(peer, data)

    def _absent(self, number: int) -> Callable[[int], bool]:
        """Who was away is waited for where it may yet come: if it took part in the last round too, or was missed once."""
        away, gone = self.conduct.away, self.conduct.gone

        def absent(peer: int) -> bool:
            missed_twice = peer in gone and not self._begun.has(peer, (self._before, 0))
            return not self._begun.has(peer, (number, 0)) and (missed_twice or (peer in away and self.links.left(peer)))

        return absent

    def _blank(self) -> Outcome:
        setup = self.programs.setup
        return Outcome.blank(setup.length, setup.peers, setup.scheme.parties, setup.rule.shuffles)


def _no_outcome(number: int, why: str, opened: bool) -> Abort:
    """What all honest peers raise together: they may go on with the next round."""
    return Abort(
        "echo",
        phase="round",
        round=number,
        remedy=f"{why}. A round whose output somebody may have seen is not repeated: the difference of two outputs of the same "
        "updates could say something of one of them. Go on with the next round; the log says who was silent",
        opened=opened,
    )


def _fresh() -> np.ndarray:
    return np.frombuffer(os.urandom(32), np.uint32)
