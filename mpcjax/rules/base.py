"""What a rule is: what a peer does alone, what is checked about its message, what is computed on all, what follows."""

from __future__ import annotations

import abc
import dataclasses
import inspect
from typing import Any

import jax
import jax.numpy as jnp

from mpcjax.certificates import Certificate
from mpcjax.secret import mask


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Public:
    """What every peer knows in a round, flattened to vectors.

    `weights [n]` in [0, 1], zero for peers that are left out; `accepted [n]` bool; `center [d]`: the agreed point that
    updates are measured from (zero by default); `reference [d]` or None: an agreed update all peers can compute;
    `order [n]` or None: a permutation of the peers that nobody could foresee when they dealt (see `Rule.shuffles`).
    """

    weights: Any
    accepted: Any
    center: Any
    reference: Any = None
    order: Any = None

    @classmethod
    def of(cls, peers: int, length: int, weights: Any = None, center: Any = None, reference: Any = None) -> Public:
        """Of `peers` updates of `length`: all accepted, equal weights and a center of zero unless given."""
        return cls(
            weights=jnp.ones((peers,), jnp.float32) if weights is None else weights,
            accepted=jnp.ones((peers,), bool),
            center=jnp.zeros((length,), jnp.float32) if center is None else center,
            reference=reference,
        )


class Rule(abc.ABC):
    """A robust aggregation rule. Subclasses are frozen dataclasses (hashable: a rule is part of a compiled program).

    `local` is trusted to nobody: a peer that skips it fails the certificate. Any message that passes is one that some
    update could have produced, so nothing more need be proved ("computational surjectivity", Franzese et al. 2023).

    Attributes: `name`; `paper` (authors and year); `reveals`, names of all that becomes public besides one bit per peer;
    `needs`, arguments of `mpcjax.aggregate` without which the rule cannot run; `takes`, those it uses if they are given;
    `additive`: `combine` of all peers is the sum of `combine` of groups of them, exactly (linear, without `rescale`), so
    that peers may be handled group by group; `local` and `combine` then see the `weights` and `accepted` of a group.

    `coordinatewise`: the rule of a stretch of the parameters is that stretch of the rule of all, in `local`, `combine` and
    `finish`, and so its certificate, so that parameters may be handled block by block. (Members then also see in which block a
    message fails that a peer proves against its better knowledge.)

    `shuffles`: `combine` uses `public.order`, drawn by a public coin once all have dealt.

    Random numbers: `local` and `finish` run with JAX's types of 32 bits, as in `plain`. In `combine` secrets need those of 64,
    so that a draw there names its type, `jax.random.normal(key, shape, jnp.float32)`, to be the same in both.
    Draws of NumPy or Python are others in every run and at every peer, which nothing finds out: not legal.

    `mixes`: means of messages are what `combine` may be given instead; where messages are no vectors, they are not.

    What no sum over peers is, such as a division by one, an additive rule may do with it in `settle`, once for all.

    Instead of `combine` a rule may give `score` and `weigh`: the messages' sum by secret weights that follow from a score
    of each. Such a rule is `weighted`, and peers may be handled group by group as well.
    """

    name: str = ""
    paper: str = ""
    reveals: tuple[str, ...] = ("output",)
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    additive: bool = False
    coordinatewise: bool = False
    shuffles: bool = False
    mixes: bool = True

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        """What peer number `peer` makes of its `update [d]`, float32 `[message_length(d)]`; the update itself by default."""
        return update

    def message_length(self, length: int) -> int:
        """How many numbers `local` makes of an update of `length`; as many by default."""
        return length

    @abc.abstractmethod
    def certificate(self, peers: int) -> Certificate:
        """What is checked about every message. The messages get as many fractional bits as it and `combine` have room for."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuses parts that do not take what they are called with, where the rule is written and not in the midst of a round."""
        super().__init_subclass__(**options)
        for part in PARTS:
            if not inspect.isfunction(own := vars(cls).get(part)):
                continue
            given, legal = inspect.signature(own), inspect.signature(getattr(Rule, part))
            if not _can_be_called_like(given, legal):
                names = ", ".join(legal.parameters)
                raise TypeError(f"rule {cls.__name__}: {part}{given}; legal is {part}({names})")

    def __new__(cls, *_: Any, **__: Any) -> Rule:
        """Refuses a rule that says nothing about how messages are combined."""
        if cls.combine is Rule.combine and not cls._scores_and_weighs():
            raise TypeError(f"rule {cls.__name__} says not how to combine messages: define combine, or score and weigh")
        return super().__new__(cls)

    @classmethod
    def _scores_and_weighs(cls) -> bool:
        return cls.score is not Rule.score and cls.weigh is not Rule.weigh

    @property
    def weighted(self) -> bool:
        """Whether it is given by `score` and `weigh`."""
        return self._scores_and_weighs() and type(self).combine is Rule.combine

    def score(self, messages: Any, public: Public) -> Any:
        """A number for each of `messages [n, d]`, `[n]`, which depends on no other message; of all peers or of a group."""
        raise TypeError(f"rule {self.name!r} has no scores: it defines combine")

    def weigh(self, scores: Any, public: Public) -> Any:
        """The weights `[n]` of all messages in the sum, from all `scores [n]`."""
        raise TypeError(f"rule {self.name!r} has no scores to weigh: it defines combine")

    def combine(self, messages: Any, public: Public) -> Any:
        """`messages [n, d]`, secret or plain, to `[d]`. Written with operators and `mpcjax.secret` functions.

        What cannot run on secrets is refused with its line and what to use instead (see `mpcjax.rules.calling`).
        Rows of peers that are not accepted are zero. A poisoned message that passes the certificate is a message.
        By default their sum with the weights of `score` and `weigh`.
        """
        scores = _a_number_each("score", self.score(messages, public), messages)
        return _a_number_each("weigh", self.weigh(scores, public), messages) @ messages

    def settle(self, total: Any, public: Public) -> Any:
        """What becomes of the output of `combine` (of an additive rule: of all peers) before it is opened, secret or plain.

        A rule that defines it may have `combine` return `message_length` numbers: it gives the `[d]` that are opened.
        """
        return total

    @property
    def settles(self) -> bool:
        return type(self).settle is not Rule.settle

    def finish(self, combined: Any, public: Public) -> Any:
        """What everybody computes from the opened `combined [d]`; the identity by default."""
        return combined

    def of_means(self) -> Rule:
        """The rule of means of messages, and what its peers send then; itself by default."""
        return self

    def plain(self, updates: Any, public: Public | None = None) -> Any:
        """The rule without MPC, in float: its specification. `updates [n, d]` to `[d]`.

        `public`: `Public.of(*updates.shape, reference=...)`, with what the rule needs or is to use; all accepted by default.
        """
        public = Public.of(*updates.shape) if public is None else public
        if "reference" in self.needs and public.reference is None:
            given = "mpcjax.rules.Public.of(*updates.shape, reference=...)"
            raise ValueError(f"rule {self.name!r} needs a reference, a vector like one update: plain(updates, {given})")
        peers = jnp.arange(updates.shape[0])
        messages = jax.vmap(self.local, in_axes=(0, 0, None))(updates, peers, public)
        return self.finish(self.settle(self.combine(mask(messages, public.accepted), public), public), public)


PARTS = ("local", "message_length", "certificate", "score", "weigh", "combine", "settle", "finish", "plain")


def _can_be_called_like(own: inspect.Signature, legal: inspect.Signature) -> bool:
    try:
        own.bind(*legal.parameters)
    except TypeError:
        return False
    return True


def _a_number_each(part: str, found: Any, messages: Any) -> Any:
    if jnp.shape(found) != messages.shape[:1]:
        raise ValueError(
            f"{part} returned shape {jnp.shape(found)}, legal is {messages.shape[:1]}: a number for every peer"
        )
    return found
