"""One cell of the table, a training run, and where the finished ones are kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mpcjax import train

EVALUATE_EVERY = 5
LAST = 3  # an accuracy is the mean of so many last measurements: one alone is a point up or down by chance
KEPT = ("accuracy", "not_applied", "excluded", "seconds", "round_seconds")


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
    def name(self) -> str:
        """Readable, and different for any other fingerprint."""
        digest = hashlib.sha256(json.dumps(self.fingerprint(), sort_keys=True).encode()).hexdigest()[:16]
        rule = self.settings.rule.replace("(", ".").replace(")", "")
        return f"{rule}-{self.settings.attack}-{self.partition.replace(' ', '')}-{self.protocol}-{digest}"


@dataclass(frozen=True)
class Store:
    """Finished cells, one file each, in a folder; what is there, or in the file of those `known`, need not run again.

    The file has a line of JSON a cell, by its name, without its curve: what the project's table was made of.
    """

    folder: Path
    known: Path | None = None

    def load(self, cell: Cell) -> dict[str, Any] | None:
        """What was measured, or None if the cell is not finished."""
        path = self._path(cell.name)
        return json.loads(path.read_text()) if path.exists() else self._known().get(cell.name)

    def save(self, cell: Cell, measured: dict[str, Any]) -> None:
        """Whole or not at all: a break while writing leaves no file that looks finished."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(cell.name)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"settings": cell.fingerprint()} | measured, indent=1, allow_nan=False))
        partial.replace(path)

    def keep(self, cells: Iterable[Cell]) -> int:
        """Writes all finished ones of ``cells`` to the file of those known, with what is there already: how many it has."""
        if self.known is None:
            raise ValueError("known=None: name the file to keep cells in")
        found = {cell.name: self.load(cell) for cell in cells}
        new = {name: {key: one[key] for key in KEPT if key in one} for name, one in found.items() if one is not None}
        lines = [json.dumps({"cell": name} | one) for name, one in sorted((self._known() | new).items())]
        self.known.write_text("".join(f"{line}\n" for line in lines))
        _lines.cache_clear()
        return len(lines)

    def accuracies(self, cells: Iterable[Cell]) -> dict[tuple[str, str, str, str], float]:
        """Of the finished ones of ``cells``, by their place in the table."""
        found = {cell.place: self.load(cell) for cell in cells}
        return {place: measured["accuracy"] for place, measured in found.items() if measured is not None}

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _known(self) -> dict[str, dict[str, Any]]:
        return {} if self.known is None else _lines(self.known)


@cache
def _lines(known: Path) -> dict[str, dict[str, Any]]:
    found = map(json.loads, known.read_text().splitlines()) if known.exists() else ()
    return {one.pop("cell"): one for one in found}


def partition_name(alpha: float | None) -> str:
    return "iid" if alpha is None else f"Dirichlet {alpha:g}"


def ordered(settings: Sequence[train.Settings], data: str, rounds: int, protocols: dict[str, int | None]) -> list[Cell]:
    """All cells: the plain table first, which is quick; then rule by rule, as a rule under MPC compiles for minutes.

    ``protocols``: of ``"plain"`` and ``"mpc"`` those that are wanted, with the size of the committee.
    """
    return [Cell(one, data, rounds, protocol, parties) for protocol, parties in protocols.items() for one in settings]
