"""Tables of attacks, run in batches, and the judgement: no run ends wrong."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import jax
import numpy as np

from mpcjax.checks import CATALOGUE
from tests.tamper.attack import ALL, Additive
from tests.tamper.case import PEERS, Case, Outcome, compiled, messages

BATCH = 256


@dataclasses.dataclass
class Table:
    """Attacks as host arrays: `message [N]`, `errors [N, width]`, `position [N]`."""

    message: np.ndarray
    errors: np.ndarray
    position: np.ndarray

    def __len__(self) -> int:
        return len(self.message)

    def __add__(self, other: Table) -> Table:
        return Table(
            *(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in dataclasses.fields(self))
        )


def width(case: Case) -> int:
    return max(case.scheme.parties, PEERS)


def exhaustive(
    case: Case, rng: np.random.Generator, size: int = 1, sets: int | None = None, both: bool = True
) -> Table:
    """Every non-zero error on every message of every set of `size` corrupt senders (or `sets` of them, drawn).

    One corrupt sender adds each error to an element drawn at random and to its whole message (`both`, or one of the
    two); of several, each adds an error of its own. To what a peer deals to a member, only single elements: an error
    added to all shares would be a proper sharing of something else.
    """
    p, rows = case.scheme.field.modulus, []
    for number, sent in enumerate(messages(case)):
        groups = list(itertools.combinations(range(sent.senders), size))
        if sets is not None and sets < len(groups):
            groups = [groups[k] for k in rng.choice(len(groups), sets, replace=False)]
        for group, error in itertools.product(groups, range(1, p)):
            element = int(rng.integers(sent.size))
            places = [element] if sent.kind == "peers" else [element, ALL]
            if not both:
                places = [places[int(rng.integers(len(places)))]]
            more = [error, *rng.integers(1, p, size - 1)]
            rows += [(number, group, more, place) for place in places]
    return _table(case, rows)


def every_element(case: Case) -> Table:
    """Every non-zero error on every element that any single sender sends."""
    rows = [
        (number, (sender,), [error], place)
        for number, sent in enumerate(messages(case))
        for sender, place in itertools.product(range(sent.senders), range(sent.size))
        for error in range(1, case.scheme.field.modulus)
    ]
    return _table(case, rows)


def random(case: Case, rng: np.random.Generator, amount: int, size: int = 1, kinds: Any = None) -> Table:
    """`amount` random errors of `size` corrupt senders on random places of random messages (of these `kinds`)."""
    p, rows = case.scheme.field.modulus, []
    sent = [(k, s) for k, s in enumerate(messages(case)) if kinds is None or s.kind in kinds]
    for index in range(amount):
        number, message = sent[index % len(sent)]
        group = rng.choice(message.senders, min(size, message.senders), replace=False)
        place = ALL if message.kind != "peers" and rng.random() < 0.2 else int(rng.integers(message.size))
        rows.append((number, group, rng.integers(1, p, len(group), dtype=np.uint64), place))
    return _table(case, rows)


def _table(case: Case, rows: list[tuple[Any, ...]]) -> Table:
    errors = np.zeros((len(rows), width(case)), case.scheme.field.dtype)
    for k, (_, group, values, _) in enumerate(rows):
        errors[k, list(group)] = values
    return Table(np.array([r[0] for r in rows]), errors, np.array([r[3] for r in rows]))


def nothing(case: Case, amount: int) -> Table:
    """So many runs without tampering."""
    return Table(np.full(amount, -1), np.zeros((amount, width(case)), case.scheme.field.dtype), np.zeros(amount, int))


def run(case: Case, table: Table, off: np.ndarray | None = None, given: Any = None, seed: int = 0) -> Outcome:
    """Outcomes `[N, ...]` on the host, each run with randomness of its own. `given`: leaves `[N, ...]`."""
    off = np.zeros(len(CATALOGUE), bool) if off is None else off
    if given is None:
        given = jax.tree.map(lambda leaf: np.broadcast_to(leaf, (len(table), *np.shape(leaf))), case.defaults())
    rng, program, parts = np.random.default_rng(seed), compiled(case), []
    for start in range(0, len(table), BATCH):
        index = np.minimum(np.arange(start, start + BATCH), len(table) - 1)
        keys = rng.integers(0, 1 << 32, (BATCH, 2), dtype=np.uint32)
        attack = Additive(table.message[index], table.errors[index], table.position[index])
        chosen = jax.tree.map(lambda leaf: leaf[index], given)  # noqa: B023 - called at once
        parts.append(jax.tree.map(np.asarray, program(attack, off, keys, chosen)))
    return jax.tree.map(lambda *p: np.concatenate(p)[: len(table)], *parts)


@dataclasses.dataclass(frozen=True)
class Judgement:
    """Counts over the runs of a table, and the messages of the runs that went wrong."""

    runs: int
    right: int
    aborted: int
    bad: dict[str, list[str]]

    @property
    def wrong(self) -> int:
        return sum(len(labels) for labels in self.bad.values())


def judge(case: Case, table: Table, outcome: Outcome) -> Judgement:
    """Right, aborted, or bad: a wrong output accepted, an honest peer excluded, a bad one kept, an honest accused."""
    sent = messages(case)
    by_peer = np.array([sent[k].kind == "peers" for k in table.message])
    cheats = table.errors != 0
    bad_peers, bad_members = cheats[:, :PEERS] & by_peer[:, None], cheats[:, : case.scheme.parties] & ~by_peer[:, None]
    verified = outcome.verified
    bad = {
        "wrong output": verified & outcome.wrong,
        "honest peer excluded": verified & np.any(~outcome.accepted & ~bad_peers, axis=1),
        "bad peer accepted": verified & np.any(outcome.accepted & bad_peers, axis=1),
        "bad peer stops the round": ~verified & by_peer,
        "honest member accused": np.any(outcome.accused & ~bad_members, axis=1),
        "opened after a failed check": outcome.leaked,
    }
    labels = {reason: [str(sent[table.message[k]]) for k in np.flatnonzero(hits)] for reason, hits in bad.items()}
    return Judgement(len(table), int(np.sum(verified)), int(np.sum(~verified)), {r: v for r, v in labels.items() if v})


def require_honest_right(case: Case) -> None:
    """Without tampering every run is verified and right, all peers are accepted and nobody is accused."""
    outcome = run(case, nothing(case, 64))
    assert outcome.verified.all() and outcome.accepted.all()
    assert not outcome.wrong.any() and not outcome.accused.any() and not outcome.leaked.any()


def require_none_wrong(case: Case, table: Table, outcome: Outcome) -> Judgement:
    found = judge(case, table, outcome)
    shown = {reason: sorted(set(labels))[:8] for reason, labels in found.bad.items()}
    assert not found.bad, f"{case}: {found.wrong} of {found.runs} runs ended wrong: {shown}"
    return found
