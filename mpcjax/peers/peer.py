"""One peer of a consortium, which this process is."""

from __future__ import annotations

import dataclasses
import logging
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import api
from mpcjax._compat import x64_scope
from mpcjax._trees import stack_rows
from mpcjax.arguments import public_of
from mpcjax.committee import committee_size
from mpcjax.errors import Abort
from mpcjax.net import Channels, Config
from mpcjax.net import config as configs
from mpcjax.net.doctor import Check, agreed
from mpcjax.net.tables import Table
from mpcjax.peers.early import Early, room
from mpcjax.peers.election import Election, agree_on_seed
from mpcjax.peers.kept import Kept
from mpcjax.peers.links import Lost
from mpcjax.peers.node import LONG, Node, Round
from mpcjax.peers.programs import programs
from mpcjax.peers.tls import Tls
from mpcjax.report import Happened, Report
from mpcjax.rules import Rule, resolve

LOG = logging.getLogger("mpcjax.peers")
WAITING = "waiting for=%s refusals=%s"  # every 5 seconds, every half a minute as a warning


@dataclasses.dataclass(frozen=True)
class Terms:
    """What a consortium agrees on about the protocol, in `[run.protocol]` of its configuration.

    `corrupt`: the most peers that may be corrupt or gone, f, at most and by default (n - 1) / 3 rounded down, which is none of
    three: with more, honest peers that begin late could be too few to learn what became of a round. A peer that crashes while
    it tells others what it has accepted parts them as a corrupt one would, so it counts, until it is back. `committee`:
    members m, by default as many as keep more than (m - 1) / 2 corrupt ones off but with chance 2^-40, at least 3.
    `threshold`: t, by default (m - 1) / 2, at least 1: with 0 every member would see all updates. `attempts` at a round.
    `slot_seconds`: longer than any notice between honest peers takes; 2 f + 10 of them go by after a failed
    attempt.
    `grace_seconds`: after so long without a connection a peer is given up for the message it owes.
    """

    corrupt: int
    committee: int
    threshold: int
    attempts: int = 5
    slot_seconds: float = 1.0
    grace_seconds: float = 5.0

    @staticmethod
    def of(config: Config) -> Terms:
        peers = len(config.peers)
        if peers < 3:
            raise ValueError(
                f"consortium.peers has {peers} peers, legal: at least 3; of fewer every one sees the others' updates"
            )
        names = tuple(field.name for field in dataclasses.fields(Terms))
        table = Table(config.run.get("protocol", {}), "run.protocol", names)
        corrupt = table.integer("corrupt", (peers - 1) // 3, 0, (peers - 1) // 3, "peers")
        usual = 0 if "committee" in table.values else committee_size(peers, corrupt) if corrupt else min(peers, 3)
        members = table.integer("committee", usual, 3, peers, "members")
        return Terms(
            corrupt,
            members,
            table.integer("threshold", (members - 1) // 2, 1, (members - 1) // 2, "corrupt members"),
            table.integer("attempts", Terms.attempts, 1, 1000, "attempts"),
            table.number("slot_seconds", Terms.slot_seconds, 0.01, 3600, "seconds"),
            table.number("grace_seconds", Terms.grace_seconds, 0.01, 3600, "seconds"),
        )

    def __str__(self) -> str:
        return f"{self.corrupt} peers may be corrupt; committees of {self.committee}, {self.threshold} of them corrupt"


def examine(path: str | Path) -> list[Check]:
    """What `mpcjax doctor` says of the protocol, besides what it says of the network. Raises nothing."""
    return agreed(path, "protocol", lambda config: str(Terms.of(config)))


class Peer:
    """One peer of a consortium, made by `mpcjax.connect`. Every peer makes the same calls in the same order."""

    def __init__(self, channels: Channels, terms: Terms, kept: Kept):
        self.channels, self.terms, self._kept = channels, terms, kept
        # behind: it came back, and takes no part in rounds that began without it; late: it only has not kept up
        self._behind, self._late, self._asked = kept.seed is not None, False, False
        self._dealt = kept.begun  # the last round in which a process before this one may have dealt
        self.links = Tls(channels, terms.slot_seconds, terms.grace_seconds)
        # others may have begun, or be done, while this peer still compiles its programs
        self._early = Early(self.links.peers, terms.corrupt, room(self.links.peers, terms.committee))
        self.links.heard = self._early.keep
        if kept.seed is None:
            kept.start(agree_on_seed(self.links))
        assert kept.seed is not None
        self.seed = self.links.session = kept.seed
        self._simulated = api.simulate(terms.committee, terms.threshold)
        self._node: Node | None = None

    @property
    def number(self) -> int:
        """This peer's place in the consortium, from 0."""
        return self.links.me

    @property
    def peers(self) -> int:
        return self.links.peers

    @x64_scope
    def aggregate(
        self, update: Any, rule: Rule | str, *, round: int, weights: Any = None, center: Any = None, reference: Any = None,
        fraction_bits: int | None = None,
    ) -> api.Result:  # fmt: skip
        """As `mpcjax.aggregate`, of this peer's `update` (a pytree) and those that the others give for the same `round`.

        All other arguments are public and must be the same for all peers; a peer whose arguments differ computes another
        program, and its messages are those of a cheat. Rounds count up; a number is used once.

        Returns the same value to all honest peers, and a report. The first call compiles.

        Raises ValueError as `mpcjax.aggregate` does; `Abort` when `attempts` committees in a row did not finish, or
        one after which a corrupt member may have seen the output: then nothing is repeated, for the difference of two
        outputs could say something of one update. All honest peers raise it together and go on with the next round.
        `mpcjax.peers.Lost` where too few others can say how the round has ended: stop, and go on from a checkpoint later.

        Guarantee: of the corrupt members of a committee and the corrupt peers no more than `Terms` say, sending anything at
        any time: privacy of honest updates; no honest peer that deals in time is left out; an honest peer ends with the
        result of all accepted updates, the same as every other honest peer, or with none. A peer that cannot know what
        became of a round asks the others for it, and raises `Lost` where too few answer: then it has no model that others
        have, and must not go on alone.
        Assumes that messages between honest peers arrive within the deadlines.
        """
        rule, node = resolve(rule), self._node
        own = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], update)
        matrix, unravel = stack_rows(own)
        setup = api.setup_of(rule, self._simulated, self.peers, matrix.shape[1], fraction_bits, at_once=True)
        shape = jax.ShapeDtypeStruct((self.peers, matrix.shape[1]), jnp.float32)
        public = public_of(rule, own, shape, weights, center, reference)
        if node is None or node.programs.setup != setup:
            node = self._prepared(setup)
            node.prepare(round)
        done = self._missed(node, round) if self._behind else self._done(node, round, np.asarray(matrix[0]), public)
        node.prepare(round + 1)
        report = self._report(setup, done)
        api.say_if_nobody(setup, report)
        return api.Result(unravel(jnp.asarray(done.outcome.value)), report)

    def _done(self, node: Node, round: int, update: np.ndarray, public: Any) -> Round:
        """The round; where this peer cannot keep up with the others, what they have of it, until it has caught up."""
        if self._late:
            self._late = node.history.finished(round, time.monotonic() + LONG * self.links.patience)
        try:
            if self._late:
                return self._missed(node, round)
            self._kept.begin(round)
            return node.round(round, update, public)
        except Lost as lost:  # what became of an attempt is not known here, or the outcome is, and nobody gives it
            if self._late:
                raise
            LOG.warning("behind round=%d why=%s", round, lost)
            self._late = True
            return self._missed(node, round)

    def _missed(self, node: Node, round: int) -> Round:
        """The round from the others. A peer that came back takes no part in rounds that began without it, nor in one in which it
        may have dealt before, however slow the others are."""
        LOG.log(
            logging.INFO if self._asked else logging.WARNING,
            "asking the others for the outcome of round=%d; if all peers have ended none of them has it: then remove the "
            "session's file everywhere and begin anew from a checkpoint",
            round,
        )
        self._asked = True  # the warning stands once
        done, running = node.missed(round)
        self._behind = self._behind and (not running or round < self._dealt)
        if done is None:
            raise Abort(
                "echo",
                phase="round",
                round=round,
                remedy="it has no outcome at any peer; go on with the next round",
                opened=self._late or round <= self._dealt,  # for all that is known here
            )
        LOG.info("missed round=%d attempt=%d", done.number, done.attempt)
        return done

    def _prepared(self, setup: Any) -> Node:
        made = programs(setup)
        LOG.info("compiled dealer_seconds=%.1f", made.compile(member=False))
        election = Election(self.seed, self.peers, self.terms.committee)
        self._node = Node(
            self.links, election, made, corrupt=self.terms.corrupt, attempts=self.terms.attempts,
            early=self._early, before=self._node,
        )  # fmt: skip
        return self._node

    def _report(self, setup: Any, done: Round) -> Report:
        bits, order = done.outcome.bits, done.outcome.order
        return Report(
            verified=np.True_, accepted=bits["accepted"], finite=bits["finite"], well_dealt=bits["well"],
            certified=bits["certified"], accused=done.outcome.accused, cost=api.cost_of(setup),
            happened=Happened(done.members, tuple((who, f"not finished, silent {list(silent)}") for who, silent in done.failed),
                              (("round", done.seconds),)),
            order=order if order.size else None,
        )  # fmt: skip

    def close(self) -> None:
        """Says goodbye to the others."""
        try:
            self.channels.close()
        finally:
            self._kept.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connected(config: str | Path | Config, session: str | Path | None, seconds: float) -> Peer:
    """See `mpcjax.connect`."""
    config = config if isinstance(config, Config) else configs.load(config)
    terms, kept = Terms.of(config), Kept.at(session)
    try:
        return _connected(config, terms, kept, seconds)
    except BaseException:
        kept.close()
        raise


def _connected(config: Config, terms: Terms, kept: Kept, seconds: float) -> Peer:
    channels = Channels(config, config.identity())
    channels.start()
    try:
        if kept.seed is None:
            _wait_for_all(channels, seconds)
        return Peer(channels, terms, kept)
    except BaseException:
        channels.close(linger=0.0)
        raise


def _wait_for_all(channels: Channels, seconds: float) -> None:
    until, others, turn = time.monotonic() + seconds, len(channels.config.peers) - 1, 0
    while len(channels.wait_connected(deadline=min(until, time.monotonic() + 5))) < others:
        missing = {peer.name for peer in channels.config.peers} - {*channels.connected(), channels.config.me.name}
        LOG.log(logging.WARNING if turn % 6 == 5 else logging.INFO, WAITING, sorted(missing), channels.refusals())
        if time.monotonic() >= until:
            raise TimeoutError(
                f"{sorted(missing)} did not come within {seconds:g} seconds: {channels.refusals()}; see that they run, and what "
                "`mpcjax doctor` says of addresses and certificates"
            )
        turn += 1
