"""What was sent: rounds and bytes, by phase, counted where data moves and nowhere else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager


@dataclasses.dataclass(frozen=True)
class Entry:
    """One communication step. `sent`: bytes each committee party sends; `uploaded`: bytes each peer sends."""

    phase: str
    label: str
    kind: str
    rounds: int
    sent: float
    uploaded: float = 0.0


class Ledger:
    """Entries in order. In a jitted program they are written while tracing: shapes are static, so the count is exact."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.opened: list[str] = []  # labels of declared outputs, in order
        self.phase = ""
        self.devices = 1  # that send what is booked now, each its slice

    @contextmanager
    def in_phase(self, name: str) -> Iterator[None]:
        """Book what happens inside under phase `name`."""
        before, self.phase = self.phase, name
        try:
            yield
        finally:
            self.phase = before

    @contextmanager
    def by_each(self, devices: int) -> Iterator[None]:
        """What happens inside is done by each of a party's `devices` with its slice of something long."""
        before, self.devices = self.devices, devices
        try:
            yield
        finally:
            self.devices = before

    def add(self, label: str, kind: str, rounds: int, sent: float, uploaded: float = 0.0) -> None:
        self.entries.append(Entry(self.phase, label, kind, rounds, sent * self.devices, uploaded * self.devices))

    @property
    def rounds(self) -> int:
        return sum(entry.rounds for entry in self.entries)

    @property
    def sent(self) -> float:
        """Bytes sent by each committee party."""
        return sum(entry.sent for entry in self.entries)

    @property
    def uploaded(self) -> float:
        """Bytes sent by each peer that deals."""
        return sum(entry.uploaded for entry in self.entries)

    def by_phase(self) -> dict[str, dict[str, float]]:
        """`{phase: {"rounds", "sent", "uploaded"}}`, in order of first appearance."""
        table: dict[str, dict[str, float]] = {}
        for entry in self.entries:
            row = table.setdefault(entry.phase, {"rounds": 0, "sent": 0.0, "uploaded": 0.0})
            row["rounds"] += entry.rounds
            row["sent"] += entry.sent
            row["uploaded"] += entry.uploaded
        return table
