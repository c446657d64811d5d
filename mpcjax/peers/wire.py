"""What a peer does at a mark of its program: it sends, waits, compares.

Guarantee: what `Talk` says of members; a peer that does not deal is left out of the attempt, by all members alike, and no
other: see `Complaints` and `Disputes`.
"""

from __future__ import annotations

import logging
from typing import Any

import jax.numpy as jnp
import numpy as np

from mpcjax.checks import verdict
from mpcjax.errors import Abort
from mpcjax.fabric import Mark
from mpcjax.peers.answers import Answers
from mpcjax.peers.claims import OPENED, Claim
from mpcjax.peers.complaints import Complaints
from mpcjax.peers.dealings import Dealings
from mpcjax.peers.disputes import Disputes
from mpcjax.peers.links import Stopped
from mpcjax.peers.talk import HASH, Talk, common
from mpcjax.phases import ALL
from mpcjax.segments import Outside

LOG = logging.getLogger("mpcjax.peers")
DIGESTS = "/digests"


class Again(Exception):
    """What this member was sent is not what it went through its program with: it must begin the phase again."""


class Wire(Outside):
    """One attempt, in which members `talk`. `told`: see `Programs`. `least`: so many must have dealt well, or the attempt ends.

    `answers`: of this peer's dealing.
    """

    def __init__(self, talk: Talk, told: dict[str, frozenset[str]], least: int, answers: Answers):
        self.talk, self.told, self.least, self.answers = talk, told, least, answers
        self.links, self.decision, self.seat, self.members = talk.links, talk.decision, talk.seat, talk.members
        self._opened = False
        self._dealings = Dealings(talk.links.peers, talk.seat, answers.dealing)
        corrupt = talk.links.peers - least
        self._complaints = Complaints(talk, answers, self._dealings, corrupt)
        self._disputes = Disputes(talk, answers, self._dealings, corrupt)
        self._coins: list[bytes] = []
        self._before: dict[str, Any] = {}  # what came of marks of the dealing phase, while it may begin again
        self._again: dict[str, Any] = {}

    def meet(self, mark: Mark, step: str, due: Any, *x: Any) -> Any:
        label = f"{mark.phase}/{mark.label}{step}"
        if label in self._again:
            return self._again.pop(label)
        if mark.phase == ALL[-1] and not self._opened and self.seat is not None:
            self._may_open(label)
        if mark.kind == "told" and self.seat is None:
            return self._hear(label, due)
        found = getattr(self, "_" + mark.kind)(mark, label, *(np.asarray(part) for part in x))
        if mark.phase == ALL[0]:
            self._before[label] = found
        return found

    def again(self) -> None:
        """Goes through the dealing phase once more: what came of its marks is what came before, with what was replaced."""
        self._again = self._before | {label: part[None] for label, part in self._dealings.parts.items()}
        self._before = {}

    def false(self, well: np.ndarray) -> np.ndarray:
        """Which peers are proven corrupt, as dealers, `[peer]` bool; `well`: who has dealt well."""
        proven = self._complaints.false | self._disputes.answered
        return np.isin(np.arange(self.links.peers), sorted(proven)) & ~np.asarray(well)

    def _may_open(self, label: str) -> None:
        if self.talk.stopped():  # the others may have agreed already that nobody has opened, and repeat the round
            raise Stopped(label)
        self._opened = True
        self.decision.say(Claim(OPENED))
        if not self.decision.may_open(self.talk.due()):
            raise Stopped(label)

    # members among each other

    def _exchange(self, mark: Mark, label: str, x: np.ndarray, expanded: np.ndarray | None = None) -> np.ndarray:
        talk, known, parts = self.talk, mark.known, {}
        talk.private = True
        for seat in talk.others:
            if not known or not known[self.seat][seat]:
                talk.send(self.members[seat], label, x[0, seat])
        parts[self.seat] = x[0, self.seat]
        until = talk.due()
        for seat in talk.others:
            if known and known[seat][self.seat]:
                assert expanded is not None
                parts[seat] = expanded[0, seat]
            else:
                parts[seat] = talk.receive(self.members[seat], label, x[0, seat], until)
        if not known:
            talk.together()
        return np.stack([parts[seat] for seat in range(len(self.members))])[None]

    def _broadcast(self, mark: Mark, label: str, x: np.ndarray) -> np.ndarray:
        return self.talk.broadcast(label, x[0])

    def require_same(self, label: str, what: bytes) -> None:
        """`Abort` at every honest member, where two of them would go on with different bytes.

        They compute the same from the same messages, but in floating point, and not all machines round alike.
        """
        told = self.talk.from_all(label, np.frombuffer(what, np.uint8))
        if not verdict("echo", bool((told == told[self.seat]).all())):
            raise Abort(
                "echo",
                phase=label,
                round=self.talk.when[0],
                remedy="members came to different outcomes: one cheats, or their machines round differently (processor, flags of "
                "XLA, version of jax); if it happens again, compare these",
            )

    def _check(self, mark: Mark, label: str, ok: np.ndarray, named: np.ndarray) -> None:
        if not ok.all():
            self.talk.blame(mark.label, mark.phase, np.flatnonzero(named).tolist(), proven=True)

    # peers and members

    def _peers(self, mark: Mark, label: str, x: np.ndarray) -> Any:
        """Every part of a dealing goes with the digests of what all members are sent, and what makes each a secret."""
        talk, dealing, seats = self.talk, self.answers.dealing, range(*mark.to)
        dealing.add(label, seats, x[:, 0])
        for seat, who in enumerate(self.members):
            if seat != self.seat and seats:
                talk.send(who, label + DIGESTS, dealing.digests(seat))
                if seat in seats:
                    talk.send(who, label, x[seat, 0])
        due, talk.private = talk.dues(), True
        if self.seat is None:
            return None
        own = dealing.digests(self.seat)
        digests = talk.of_peers(label + DIGESTS, own, due) if seats else np.stack([own] * talk.links.peers)
        found = talk.of_peers(label, x[self.seat, 0], due) if self.seat in seats else None
        self._dealings.add(label, found, digests, talk.missed)
        if found is None:
            return np.zeros((1, self.links.peers, *x.shape[2:]), x.dtype)
        # where the program has it; a view, so that it lies in memory once
        given = jnp.asarray(found[None])
        self._dealings.parts[label] = np.asarray(given)[0]
        return given

    def _said(self, mark: Mark, label: str, said: np.ndarray) -> np.ndarray | None:
        """Members vote: who has dealt, to what it is committed, and what most heard that it says."""
        talk = self.talk
        for seat, who in enumerate(self.members):
            if seat != self.seat:
                talk.send(who, label, said[0])
        if self.seat is None:
            return None
        heard = talk.of_peers(label, said[0], talk.dues())
        heard[list(talk.missed)] = True  # of who did not come nothing else is said
        here = ~np.isin(np.arange(talk.links.peers), [*talk.missed, *self._dealings.torn])
        committed = self._dealings.commitments(talk.missed)
        votes = talk.broadcast(
            f"{label}/votes", np.concatenate([here[:, None], committed, heard], axis=1).astype(np.uint8)
        )
        present, changed = self._complaints.settle(label, votes[..., : 1 + HASH])
        majority = 2 * votes[..., 1 + HASH :].astype(bool).sum(axis=0) > len(self.members)
        self._require_alike(label, present, majority[:, majority.shape[1] - mark.alike :])
        found = np.concatenate([present[:, None], majority], axis=1)
        if changed:
            self._before[label] = found
            raise Again
        return found

    def _require_alike(self, label: str, present: np.ndarray, said: np.ndarray) -> None:
        """What a member computes that was given other public numbers than most fits to nothing, and nothing would tell who it
        was. It says so itself as a peer, `said [peer, alike]`; it is drawn again when it has dealt as all others do."""
        words = {seat: said[who].tobytes() for seat, who in enumerate(self.members) if present[who]}
        most = common(words.values(), len(self.members) // 2)
        others = [seat for seat, what in words.items() if most and what != most[0]]
        if others:
            who = [self.members[seat] for seat in others]
            LOG.warning("given other public arguments than most round=%d attempt=%d members=%s", *self.talk.when, who)
            self.talk.blame("dealing", label, others, proven=False)

    def _told(self, mark: Mark, label: str, x: np.ndarray) -> np.ndarray:
        if mark.phase == ALL[0]:
            self._coins.append(x.tobytes())
        if mark.label in self.told[mark.phase]:
            for peer in set(range(self.links.peers)) - set(self.members):
                self.talk.send(peer, label, x)
        return x

    def _hear(self, label: str, due: Any) -> np.ndarray:
        """What t + 1 members tell alike: one of them is honest. However long it takes: members may wait for each other."""
        talk, heard, labels = self.talk, dict[bytes, int](), dict.fromkeys(self.members, label)
        for _, x in self.links.each(labels, talk.when, due, talk.long, talk.stopped):
            heard[x.tobytes()] = heard.get(x.tobytes(), 0) + 1
            if heard[x.tobytes()] > talk.threshold:
                talk.together()
                return x
        raise Abort("echo", phase=label, remedy="too few members told the same; another committee repeats the round")

    def _shown(self, mark: Mark, label: str, said: np.ndarray, disputed: np.ndarray) -> np.ndarray:
        """What members should have said of the dealings that are disputed. With it nothing is left to ask of dealings."""
        self._before = {}
        if disputed.any():
            said = self._disputes.settle(label, said, disputed, b"".join(self._coins))
        self._dealings.parts = {}
        return said
