"""Time over floor: every stage of a round beside the least that it must move and compute on this machine.

The formulas and what they leave out stand in `floors.py`; the machine's rates are measured in the same process. Rounds are
measured through the public API, by the names of their phases. Two things that happen in one phase are measured apart too:
encoding, and dealing (PRG and shares). The dealing check runs in the phase that deals while its floor is one with the other
checks: what is comparable whatever runs where is the row of both together, and that of the whole round.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

import mpcjax
from benchmarks import bench_round, floors, harness, rates
from mpcjax._compat import x64_scope
from mpcjax.api import setup_of
from mpcjax.fields import fixed
from mpcjax.prg import Stream
from mpcjax.rules import Public
from mpcjax.setup import Setup
from mpcjax.sharing import deal_rows

RULES = ("rsa", "centered_clipping", "fltrust")
QUICK, LONG = (20, 100_000, 5), (100, 1_000_000, 5)
TARGET = 3.0  # times the floor, a whole round
REPEATS = 3


def run(quick: bool) -> list[harness.Row]:
    found = rates.measured()
    rows = rate_rows(found)
    for size in (QUICK,) if quick else (QUICK, LONG):
        for rule in RULES:
            rows += rule_rows(rule, *size, found)
    return rows


def rate_rows(found: floors.Rates) -> list[harness.Row]:
    """The rates all floors of this run rest on."""
    units = {"copy": "GB/s", "addition": "G/s", "product": "G/s", "keystream": "GB/s"}
    values = dataclasses.asdict(found)
    return [harness.row(f"rate/{name}", values[name] / 1e9, unit, more_is_better=True) for name, unit in units.items()]


def rule_rows(rule: str, peers: int, length: int, parties: int, found: floors.Rates) -> list[harness.Row]:
    """Rows of one rule and size: pieces of the dealing, stages, the whole round."""
    committee = mpcjax.simulate(parties=parties)
    size = floors.Size(peers, length, parties, committee.threshold)
    rounds = bench_round.rounds(rule, peers, length, parties, REPEATS)
    least = floors.of_stages(size, rule, found)
    label = f"{rule} {peers} x {length:,}, m={parties}"
    taken = pieces(setup_of(mpcjax.rules.resolve(rule), committee, peers, length))
    dealing = least["sharing"]
    rows = [
        _row("encode", label, taken["encode"], {"encode": dealing["encode"]}),
        _row("PRG and share", label, taken["deal"], {part: dealing[part] for part in ("PRG", "share")}),
    ]
    return rows + stage_rows(label, [floors.by_stage(times) for times in rounds.times], least)


def stage_rows(label: str, times: list[dict[str, float]], least: dict[str, dict[str, float]]) -> list[harness.Row]:
    """Median seconds of every stage, of sharing and checks together, and of all, over their floors."""

    def row(name: str, *stages: str, **more: Any) -> harness.Row:
        median = float(np.median([sum(one[stage] for stage in stages) for one in times]))
        parts = {part: taken for stage in stages for part, taken in least.get(stage, {}).items()}
        return _row(name, label, median, parts, **more)

    return [
        *(row(stage, stage) for stage in floors.STAGES),
        row("sharing and checks", "sharing", floors.CHECKS),
        row("round", "offline", *floors.STAGES, target=TARGET),
    ]


def _row(name: str, label: str, taken: float, parts: dict[str, float], **more: Any) -> harness.Row:
    """`parts`: what the floor is the sum of; they go into the JSON."""
    floor_name = " + ".join(parts) + (f"; target {more['target']:g}" if "target" in more else "")
    least = sum(parts.values())
    return harness.row(
        f"floor/{name}", taken, "s", shape=label, floor=least, floor_name=floor_name, parts=parts, **more
    )


@x64_scope
def pieces(setup: Setup) -> dict[str, float]:
    """Seconds of encoding and of dealing all messages, measured on one group of peers."""
    part, scheme = setup.part, setup.scheme
    updates, extra = bench_round.inputs(setup.rule.name, part.peers, part.length)
    public = Public.of(*updates.shape, reference=extra.get("reference"))

    @jax.jit
    def encode(updates: Any, public: Public) -> Any:  # of a constant XLA would work out what it can while it compiles
        message = jax.vmap(setup.rule.local, in_axes=(0, 0, None))(updates, np.arange(part.peers), public)
        return fixed.to_integers(message, part.bits, part.certificate.inward)

    @jax.jit
    def deal(integers: Any, keys: Any, nonces: Any) -> Any:
        return deal_rows(scheme.field, scheme.parties, scheme.threshold, integers, keys, nonces)

    integers = encode(updates, public)
    keys, nonces = (
        Stream.from_seed(bytes(32))
        .per_row("peer", range(part.peers))
        .shared("members", scheme.threshold)
        .claim("message")
    )
    calls = {"encode": lambda: encode(updates, public), "deal": lambda: deal(integers, keys, nonces)}
    scale = setup.peers / part.peers
    return {name: scale * taken for name, taken in harness.race(calls, repeats=REPEATS).items()}
