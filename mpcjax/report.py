"""What a round tells its caller."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from mpcjax.fabric import Entry, Ledger
from mpcjax.offline import Demand


@dataclasses.dataclass(frozen=True)
class Cost:
    """Exact communication and material of a round, known before it runs."""

    entries: tuple[Entry, ...]
    demand: Demand
    parties: int
    threshold: int
    peers: int
    length: int
    fraction_bits: int
    reveals: tuple[str, ...]
    rule: str

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
        """Bytes each committee party sends once inputs are known."""
        return self._ledger.sent - self.offline_bytes

    @property
    def upload_bytes(self) -> float:
        """Bytes each peer sends to deal its message."""
        return self._ledger.uploaded

    def __str__(self) -> str:
        lines = [
            f"{self.rule}: {self.peers} peers x {self.length:,} parameters, {self.fraction_bits} fractional bits, "
            f"Shamir with {self.parties} parties and threshold {self.threshold}",
            f"{'phase':<22}{'rounds':>7}{'sent per party':>17}{'sent per peer':>16}",
        ]
        for phase, row in self.phases.items():
            lines.append(f"{phase:<22}{row['rounds']:>7.0f}{_bytes(row['sent']):>17}{_bytes(row['uploaded']):>16}")
        lines.append(f"{'all':<22}{self.rounds:>7}{_bytes(self._ledger.sent):>17}{_bytes(self.upload_bytes):>16}")
        material = {kind: getattr(self.demand, kind) for kind in ("random", "double", "bit", "triple")}
        lines.append("material: " + ", ".join(f"{amount:,} {kind}" for kind, amount in material.items()))
        lines.append("revealed: " + ", ".join((*self.reveals, "accepted or not, per peer")))
        return "\n".join(lines)


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
                reasons[int(peer)] = "its update is not finite"
            elif not well_dealt[peer]:
                reasons[int(peer)] = "its shares do not lie on polynomials of degree at most t"
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
