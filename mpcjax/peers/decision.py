"""What became of an attempt: the same at every honest peer, whatever corrupt members sign, to whom, and when.

Members that reach the end *vouch* for the digest of the outcome, others *abort*; a slot after the start they say who of them
was *silent*, having said neither. A claim that t + 1 members signed has an honest one among them. But a corrupt member can
sign late, or for some only; so a peer that accepts a claim signs that too and sends everybody all signatures, and in slot s
a claim counts only if s peers besides have accepted it, from slot f + 1 on f + 1 peers, f being the most that may be
corrupt. What an honest peer accepts before, all accept one slot later; what it accepts then bears the signature of an honest
peer, which has sent it to all (Dolev, Strong 1983, signed messages). So all have decided after f + 2 slots.

Time is counted from when a peer knows that t + 1 members have done with the attempt. It tells everybody how it knows, so
all honest peers start within the time of a message. A peer that begins with the attempt later than others counts from when
the notices had come: it is too late for signatures that were held back for it alone. For outcomes slot 0 lasts one slot
longer, in which the slower members finish; for silence, so long that all are heard. An outcome is accepted at once: in a
round that nobody disturbs nothing is waited for.

Members sign what they broadcast, by the number of the broadcast. Who gets two signatures of one member for one broadcast
shows them to everybody, and the members sign that it is *caught*: t + 1 of them, one of them honest, have seen the proof.

A member says that it has *opened* before it sends its share of the output; of one member that is believed. So all agree, too,
on whether anybody may have seen an output of an attempt that failed.

Guarantee: if one honest peer accepts an outcome, all do, and the same one; if nobody honest does, all agree on who was silent
and who is caught, and no honest member is caught. Assumes synchrony: a notice between honest peers takes less than half a slot
(they start as far apart as one takes, and what one of them sends must come in the next slot of all). At most t of the members
and f of the peers corrupt, else nothing; and for a peer that was late, f + 1 honest ones that were not. A claim about an
outcome is only as good as its members: see `mpcjax.committee_size`.

Who begins when the others have done with the attempt, or hears nothing of it, cannot tell that all agree on its failure from
not having heard what they agreed on: it is `blind`, and asks the others whether the round has ended (`History.finished`).
"""

from __future__ import annotations

import itertools
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from mpcjax.peers.claims import (
    ABORT,
    ACCEPT,
    CAUGHT,
    DONE,
    NUMBER,
    OPENED,
    RECORD,
    SILENT,
    TOLD,
    VOUCH,
    Claim,
    Signed,
    records,
)  # fmt: skip
from mpcjax.peers.links import Links

AT_ONCE = 500  # signatures in a notice: of no length that the network refuses (64 kB)
RELAYED = 4  # signatures of a kind, of one member, that are taken from one peer: an honest one has no more to pass on
LATER = {VOUCH: 1, OPENED: 1, SILENT: 3, CAUGHT: 3}  # slots after the start from which claims of a kind are counted


class Decision:
    """Of one attempt, `when`, by the committee of `members`. `corrupt`: f. `behind()`: others are in a later round for sure."""

    def __init__(
        self, links: Links, members: tuple[int, ...], threshold: int, corrupt: int, when: tuple[int, int],
        behind: Callable[[], bool] = lambda: False,
    ):  # fmt: skip
        self.links, self.members, self.threshold, self.corrupt, self.when = links, members, threshold, corrupt, when
        self._changed, self._behind, self._begun = threading.Condition(), behind, time.monotonic()
        self._signatures: dict[Signed, bytes] = {}
        self._signers: dict[Claim, set[int]] = {}
        self._acceptances: dict[Claim, Claim] = {}  # of what a signature of acceptance may be about
        self._touched: dict[Claim, None] = {}  # claims with a signature that was not considered yet
        self._accepted: dict[Claim, None] = {}
        self._start: float | None = None
        self._taken: Counter[tuple[int, bytes, int]] = Counter()
        self._forgers: set[int] = set()  # peers that passed on what nobody has signed, which no honest one does
        self._proven: set[int] = set()
        self._passed_on = False

    # what this peer says

    def say(self, claim: Claim) -> None:
        """Signs and tells everybody. Of a member only: others have nothing to say."""
        with self._changed:
            self._sign([claim])

    def signature(self, claim: Claim) -> bytes:
        """This peer's, 64 bytes, told to nobody."""
        return self.links.sign(self._statement(claim))

    def signed(self, records: dict[Signed, bytes]) -> bool:
        """Whether all these signatures are right."""
        return all(self.links.signed(who, self._statement(claim), found) for (claim, who), found in records.items())

    def show(self, records: dict[Signed, bytes]) -> None:
        """What members broadcast, as they signed it for this one. All of them do this when two did not hear the same."""
        with self._changed:
            right = {one: found for one, found in records.items() if self.signed({one: found})}
            for one, found in right.items():
                self._add(one, found)
            self._tell(list(right))
            self._consider()

    def quiet(self) -> threading.Condition:
        """While it is held, nothing is heard but what this thread hands over."""
        return self._changed

    def over(self) -> bool:
        """Whether there is no use in waiting for the protocol's messages any more."""
        with self._changed:
            ended = any(claim.kind == ABORT for claim, _ in self._signatures)
            return ended or self._slot() >= 1 or self._behind()

    def hear(self, peer: int, notice: np.ndarray, at: float | None = None) -> None:
        """Signatures from a peer, which came now or at the time `at`.

        Those that are not right, or of another attempt, are passed over.
        """
        with self._changed:
            for one, signature in records(notice.tobytes(), self.when):
                if peer not in self._forgers and one not in self._signatures and self._wanted(peer, *one):
                    self._take(peer, one, signature)
            self._consider(time.monotonic() if at is None else at)

    def _wanted(self, peer: int, claim: Claim, signer: int) -> bool:
        """Whether a signature is about anything. What one peer can have kept here is bounded."""
        if claim.kind == ACCEPT:
            return signer < self.links.peers and claim in self._acceptances
        subjects = {kind: [Claim(kind)] for kind in (ABORT, OPENED)}
        subjects |= {SILENT: [Claim.silent(who) for who in self.members], VOUCH: [claim], TOLD: [claim]}
        subjects |= {CAUGHT: [Claim.caught(who) for who in self.members]}
        few = claim.kind in (SILENT, CAUGHT) or self._taken[peer, claim.kind, signer] < RELAYED
        return signer in self.members and claim in subjects.get(claim.kind, ()) and few

    def _take(self, peer: int, one: Signed, signature: bytes) -> None:
        claim, signer = one
        if self.links.signed(signer, self._statement(claim), signature):
            self._add(one, signature)
            self._taken[peer, claim.kind, signer] += 1
        else:
            self._forgers.add(peer)

    def _add(self, one: Signed, signature: bytes) -> None:
        claim, signer = one
        self._signatures[one] = signature
        self._signers.setdefault(claim, set()).add(signer)
        if claim.kind in LATER and claim.accepted not in self._acceptances:
            self._acceptances[claim.accepted] = claim
        about = self._acceptances.get(claim, claim)
        if about.kind in LATER:
            self._touched[about] = None

    # what follows

    def result(self, until: float) -> tuple[bytes | None, tuple[int, ...]]:
        """Waits. The digest of the outcome that all accept, or None and who was silent.

        Where too few members ever have done with it, only until the time `until`, or until others are in a later round: then
        this peer knows nothing, see `blind`.
        """
        with self._changed:
            while (found := self._found(until)) is None:
                self._changed.wait(self.links.slot / 8)
            return found

    def _found(self, until: float) -> tuple[bytes | None, tuple[int, ...]] | None:
        """What `result` gives, once it is known."""
        outcome = [claim.subject for claim in self._accepted if claim.kind == VOUCH]
        if outcome:
            return min(outcome), ()
        slot = self._slot()
        nothing = self._start is None and (time.monotonic() >= until or self._behind())
        if slot >= self.corrupt + 2 + LATER[SILENT] or nothing:
            return None, self._named(SILENT)
        if 2 <= slot <= LATER[SILENT]:
            self._say_who_is_silent()
        return None

    def blind(self) -> bool:
        """Whether, where there is no outcome, the others may have one all the same: too little was heard, or too late."""
        with self._changed:
            return self._start is None or self._begun > self._start + self.links.slot

    def opened(self) -> bool:
        """Whether all agree, once there is a result, that a member may have shown its share of the output."""
        with self._changed:
            return Claim(OPENED) in self._accepted

    def caught(self) -> tuple[int, ...]:
        """Members of whom all agree, once there is a result, that they told others different things."""
        with self._changed:
            return self._named(CAUGHT)

    def _named(self, kind: bytes) -> tuple[int, ...]:
        return tuple(sorted(int.from_bytes(c.subject, "big") for c in self._accepted if c.kind == kind))

    def _sign(self, claims: Iterable[Claim]) -> None:
        mine = [(claim, self.links.me) for claim in claims]
        for one in mine:
            self._add(one, self.links.sign(self._statement(one[0])))
        self._tell(mine)
        self._consider()

    def _consider(self, at: float | None = None) -> None:
        done = {who: (claim, who) for claim, who in self._signatures if claim.kind in DONE}
        if not self._passed_on and any(claim.kind == ABORT for claim, _ in done.values()):
            self._passed_on = True
            self._tell(list(done.values()))
        if self._start is None and len(done) > self.threshold:
            self._start = time.monotonic() if at is None else at
            self._tell(list(done.values()))
        self._say_who_is_caught()
        # a slot that has begun since only asks for more: what has no new signature need not be looked at again
        while self._touched:
            claim, _ = self._touched.popitem()
            if claim not in self._accepted and self._supported(claim):
                self._accept(claim)
        self._changed.notify_all()

    def _slot(self) -> int:
        return 0 if self._start is None else int((time.monotonic() - self._start) / self.links.slot)

    def _say_who_is_silent(self) -> None:
        heard = {who for claim, who in self._signatures if claim.kind in DONE}
        claims = [Claim.silent(who) for who in self.members if who not in heard and who != self.links.me]
        if self.links.me in self.members and any((claim, self.links.me) not in self._signatures for claim in claims):
            self._sign(claims)

    def _say_who_is_caught(self) -> None:
        """Whoever has signed two things for one broadcast; with the proof, so that all members can say it."""
        told = sorted((who, claim.subject) for claim, who in self._signatures if claim.kind == TOLD)
        for (who, one), (whose, other) in itertools.pairwise(told):
            if who == whose and one[:NUMBER] == other[:NUMBER] and who not in self._proven:
                self._proven.add(who)
                self._tell([(Claim(TOLD, one), who), (Claim(TOLD, other), who)])
                if self.links.me in self.members:
                    self._sign([Claim.caught(who)])

    def _supported(self, claim: Claim) -> bool:
        members, others = len(self._signers.get(claim, ())), len(self._signers.get(claim.accepted, ()))
        slot = max(self._slot() - LATER[claim.kind], 0)
        needed = 0 if claim.kind == OPENED else self.threshold  # one honest share may complete what t corrupt ones have
        return members > needed and others >= min(slot, self.corrupt + 1)

    def _accept(self, claim: Claim) -> None:
        self._accepted[claim] = None
        mine = (claim.accepted, self.links.me)
        self._add(mine, self.links.sign(self._statement(claim.accepted)))
        self._tell([(said, who) for said in (claim, claim.accepted) for who in self._signers[said]])

    def _tell(self, which: list[Signed]) -> None:
        for start in range(0, len(which), AT_ONCE):
            notice = self._packed(which[start : start + AT_ONCE])
            for peer in set(range(self.links.peers)) - {self.links.me}:
                self.links.notify(peer, notice)

    def _packed(self, which: list[Signed]) -> np.ndarray:
        records = (
            RECORD.pack(claim.kind, *self.when, who, claim.subject, self._signatures[claim, who])
            for claim, who in which
        )
        return np.frombuffer(b"".join(records), np.uint8)

    def _statement(self, claim: Claim) -> bytes:
        return b"mpcjax decision" + struct.pack("<cIH", claim.kind, *self.when) + claim.subject
