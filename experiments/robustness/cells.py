"""One cell of the table, a training run, and the folder that keeps the finished ones."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpcjax import train

EVALUATE_EVERY = 5
LAST = 3  # an accuracy is the mean of so many last measurements: one alone is a point up or down by chance


@dataclass(frozen=True)
class Cell:
    """A run that is wanted: what is trained, on which data, for how long, and with which aggregation.

    ``protocol``: ``"plain"`` or ``"mpc"``, the latter with a committee of ``parties``.
    """

    settings: train.Settings
    data: str
    rounds: int
    protocol: str
    parties: int | None = None

    @property
    def partition(self) -> str:
        return partition_name(self.settings.alpha)

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Where it stands in the table: partition, protocol, rule, attack."""
        return self.partition, self.protocol, self.settings.rule, self.settings.attack

    def fingerprint(self) -> dict[str, Any]:
        """All that its accuracy follows from. The rule is in it as made, so that a changed default makes a new cell."""
        return dataclasses.asdict(self.settings) | {
            "data": self.data,
            "rounds": self.rounds,
            "protocol": self.protocol,
            "parties": self.parties,
            "made": repr(self.settings.make_rule()),
            "measured": [EVALUATE_EVERY, LAST],
        }

    @property
    def file(self) -> str:
        """The name of its file: readable, and different for any other fingerprint."""
        digest = hashlib.sha256(json.dumps(self.fingerprint(), sort_keys=True).encode()).hexdigest()[:16]
        rule = self.settings.rule.replace("(", ".").replace(")", "")
        return f"{rule}-{self.settings.attack}-{self.partition.replace(' ', '')}-{self.protocol}-{digest}.json"


@dataclass(frozen=True)
class Store:
    """Finished cells, one file each, in a folder: what is there need not run again."""

    folder: Path

    def load(self, cell: Cell) -> dict[str, Any] | None:
        """What was measured, or None if the cell is not finished."""
        path = self.folder / cell.file
        return json.loads(path.read_text()) if path.exists() else None

    def save(self, cell: Cell, measured: dict[str, Any]) -> None:
        """Whole or not at all: a break while writing leaves no file that looks finished."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / cell.file
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"settings": cell.fingerprint()} | measured, indent=1, allow_nan=False))
        partial.replace(path)

    def accuracies(self, cells: Iterable[Cell]) -> dict[tuple[str, str, str, str], float]:
        """Of the finished ones of ``cells``, by their place in the table."""
        found = {cell.place: self.load(cell) for cell in cells}
        return {place: measured["accuracy"] for place, measured in found.items() if measured is not None}


def partition_name(alpha: float | None) -> str:
    return "iid" if alpha is None else f"Dirichlet {alpha:g}"


def ordered(settings: Sequence[train.Settings], data: str, rounds: int, protocols: dict[str, int | None]) -> list[Cell]:
    """All cells: the plain table first, which is quick; then rule by rule, as a rule under MPC compiles for minutes.

    ``protocols``: of ``"plain"`` and ``"mpc"`` those that are wanted, with the size of the committee.
    """
    return [Cell(one, data, rounds, protocol, parties) for protocol, parties in protocols.items() for one in settings]
