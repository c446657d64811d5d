"""What a round tells its caller."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from mpcjax.costs import NETWORKS, Network, Rates
from mpcjax.fabric import Entry, Ledger
from mpcjax.offline import Demand
from mpcjax.work import Load


@dataclasses.dataclass(frozen=True)
class Cost:
    """Exact communication and material of a round, known before it runs.

    From `estimate` only: `load`, what the round computes and the most memory it holds, and `rates` of a machine, if they
    were given. Two costs are equal if they are the same round.
    """

    entries: tuple[Entry, ...]
    demand: Demand
    parties: int
    threshold: int
    peers: int
    length: int
    fraction_bits: int
    reveals: tuple[str, ...]
    rule: str
    element_bytes: int = 8
    load: Load | None = dataclasses.field(default=None, compare=False)
    rates: Rates | None = dataclasses.field(default=None, compare=False)

    @property
    def _ledger(self) -> Ledger:
        ledger = Ledger()
        ledger.entries = list(self.entries)
        return ledger

    @property
    def phases(self) -> dict[str, dict[str, float]]:
        """`{phase: {"rounds", "sent", "uploaded"}}`: bytes sent per committee party, uploaded per peer."""
        return self._ledger.by_phase()

    @property
    def rounds(self) -> int:
        return self._ledger.rounds

    @property
    def offline_bytes(self) -> float:
        """Bytes each committee party sends before inputs are known."""
        return self.phases.get("offline", {}).get("sent", 0.0)

    @property
    def online_bytes(self) -> float:
        """Bytes each committee party sends to the others once inputs are known. Between real peers one also tells those that
        do not sit what they need: public coins, and the outcome of 4 bytes a parameter, each of them by one member."""
        return self._ledger.sent - self.offline_bytes

    @property
    def upload_bytes(self) -> float:
        """Bytes each peer sends to deal its message."""
        return self._ledger.uploaded

    @property
    def elements(self) -> dict[str, float]:
        """`{phase: field elements that each committee party sends}`, as many as make up its bytes."""
        return {phase: row["sent"] / self.element_bytes for phase, row in self.phases.items()}

    @property
    def memory(self) -> int | None:
        """Bytes of all arrays that the simulator holds at a time, at most; without JAX itself and compiled programs."""
        return None if self.load is None else self.load.memory

    @property
    def compute_seconds(self) -> float | None:
        """Predicted for the simulator on the machine of `rates`, which does the work of all; after the first call."""
        return None if self.load is None or self.rates is None else self.rates.seconds(self.load.work)

    def seconds(self, network: Network) -> float:
        """Of the round between machines: messages one after the other, a peer's upload, and `compute_seconds` if known."""
        return network.seconds(self.rounds, self._ledger.sent + self.upload_bytes) + (self.compute_seconds or 0.0)

    def __str__(self) -> str:
        lines = [
            f"{self.rule}: {self.peers} peers x {self.length:,} parameters, {self.fraction_bits} fractional bits, "
            f"Shamir with {self.parties} parties and threshold {self.threshold}",
            f"{'phase':<22}{'rounds':>7}{'elements':>13}{'sent per party':>17}{'sent per peer':>16}",
        ]
        for phase, row in self.phases.items():
            lines.append(_line(phase, row["rounds"], self.elements[phase], row["sent"], row["uploaded"]))
        lines.append(_line("all", self.rounds, sum(self.elements.values()), self._ledger.sent, self.upload_bytes))
        material = {kind: getattr(self.demand, kind) for kind in ("random", "double", "bit", "triple")}
        lines.append("material: " + ", ".join(f"{amount:,} {kind}" for kind, amount in material.items()))
        lines += [] if self.load is None else self._predictions()
        lines.append("revealed: " + ", ".join((*self.reveals, "accepted or not, and why not, per peer")))
        return "\n".join(lines)

    def _predictions(self) -> list[str]:
        over = ", ".join(f"{network.name} {_seconds(self.seconds(network))}" for network in NETWORKS)
        if self.compute_seconds is None:
            what = [f"time: {over} (messages alone; rates=mpcjax.costs.calibrate() adds computing)"]
        else:
            what = [f"time: {over}, of that computing {_seconds(self.compute_seconds)} (all parties on one machine)"]
        return [f"memory: {_bytes(self.memory or 0)} of arrays, all parties in one process", *what]


def _line(phase: str, rounds: float, elements: float, sent: float, uploaded: float) -> str:
    return f"{phase:<22}{rounds:>7.0f}{elements:>13,.0f}{_bytes(sent):>17}{_bytes(uploaded):>16}"


def _seconds(taken: float) -> str:
    return f"{taken:.2g} s" if taken < 10 else f"{taken:,.0f} s"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


@dataclasses.dataclass(frozen=True, eq=False)
class Happened:
    """What one eager call saw. All are equal: a program that takes a report must not be compiled anew for every one."""

    committee: tuple[int, ...] = ()
    failed: tuple[tuple[tuple[int, ...], str], ...] = ()
    seconds: tuple[tuple[str, float], ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Happened)

    def __hash__(self) -> int:
        return hash(Happened)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Report:
    """Outcome of a round.

    `verified`: every check passed (inside `jit`, look at it: where it is false the value is NaN). `accepted [n]` bool.
    `finite`, `well_dealt`, `certified` `[n]` bool: why a peer is not accepted. `accused [m]` bool: places in the committee
    whose members are proven to have sent wrong shares. `order [n]`: the permutation that was drawn for a rule that `shuffles`.
    Static: `cost`. From eager calls only: `committee` (the peers that sat on it), `liars` (those of them that are accused),
    `failed` (committees whose round was aborted, with the check), `seconds` by phase.
    """

    verified: Any
    accepted: Any
    finite: Any
    well_dealt: Any
    certified: Any
    accused: Any
    cost: Cost = dataclasses.field(metadata={"static": True})
    happened: Happened = dataclasses.field(default=Happened(), metadata={"static": True})
    order: Any = None

    @property
    def committee(self) -> tuple[int, ...]:
        return self.happened.committee

    @property
    def failed(self) -> tuple[tuple[tuple[int, ...], str], ...]:
        return self.happened.failed

    @property
    def seconds(self) -> tuple[tuple[str, float], ...]:
        return self.happened.seconds

    @property
    def liars(self) -> tuple[int, ...]:
        """Peers on the committee that are proven to have sent wrong shares (eager calls only)."""
        return tuple(self.committee[j] for j in np.flatnonzero(np.asarray(self.accused))) if self.committee else ()

    @property
    def excluded(self) -> dict[int, str]:
        """`{peer: reason}` for every peer that was left out (concrete reports only)."""
        reasons: dict[int, str] = {}
        finite, well_dealt = np.asarray(self.finite), np.asarray(self.well_dealt)
        for peer in np.flatnonzero(~np.asarray(self.accepted)):
            if not finite[peer]:
                reasons[int(peer)] = "its update is not finite in float32"
            elif not well_dealt[peer]:
                reasons[int(peer)] = (
                    "it did not deal, its shares do not lie on polynomials of degree at most t, or it has another reference"
                )
            else:
                reasons[int(peer)] = "its message fails the rule's certificate"
        return reasons

    @property
    def rounds(self) -> int:
        return self.cost.rounds

    @property
    def offline_bytes(self) -> float:
        return self.cost.offline_bytes

    @property
    def online_bytes(self) -> float:
        return self.cost.online_bytes

    @property
    def upload_bytes(self) -> float:
        return self.cost.upload_bytes

    def __str__(self) -> str:
        state = "verified" if bool(self.verified) else "NOT verified"
        lines = [f"{state}; {int(np.sum(np.asarray(self.accepted)))} of {self.cost.peers} peers accepted"]
        lines += [f"  left out: peer {peer}, {why}" for peer, why in self.excluded.items()]
        lines += [f"  corrected: peer {peer} sent wrong shares as a member of the committee" for peer in self.liars]
        lines += [f"  aborted with committee {list(who)}: check {check!r} failed" for who, check in self.failed]
        if self.committee:
            lines.append(f"  committee: peers {list(self.committee)}")
        return "\n".join([*lines, str(self.cost)])
