"""Running cells one after the other in one process, so that they share what is compiled."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import mpcjax
from experiments import common
from experiments.robustness.cells import EVALUATE_EVERY, LAST, Cell
from mpcjax import train

OWN_DYNAMICS = (
    "rsa",
    "centered_clipping",
    "fltrust",
)  # whose peers do something of their own; all others descend alike


class Bench:
    """Makes runs of cells. Cells with the same dynamics share a method, those with the same attack an attack, and so the
    programs of these; rules share theirs by being equal."""

    def __init__(self, data: train.Dataset) -> None:
        self.data = data
        self._runs: dict[train.Settings, train.Run] = {}
        self._batches: dict[train.Settings, train.Batches] = {}
        self._attacks: dict[train.Settings, mpcjax.attacks.Attack | None] = {}
        self._committees: dict[int, Any] = {}

    def measure(self, cell: Cell, on_round: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """Trains a cell and says what came out.

        A run that diverges ends with the accuracy of a guess: a value that is not finite is not applied, and a model that
        is not finite answers with the same class always.
        """
        begun = time.perf_counter()
        history = train.train(self.run(cell), cell.rounds, evaluate_every=EVALUATE_EVERY, on_round=on_round)
        records = history.records
        curve = [(record["round"] + 1, record["accuracy"]) for record in records if "accuracy" in record]
        return {
            "accuracy": statistics.fmean(accuracy for _, accuracy in curve[-LAST:]),
            "curve": curve,
            "not_applied": sum(not record["applied"] for record in records),
            "excluded": sum(len(record.get("excluded", ())) for record in records),
            "seconds": time.perf_counter() - begun,
            "first_round_seconds": records[0]["seconds"],
            "round_seconds": statistics.median(record["seconds"] for record in records[1:] or records),
        }

    def run(self, cell: Cell) -> train.Run:
        """A cell's run, of shared parts."""
        settings = cell.settings
        dynamics = settings.innermost if settings.innermost in OWN_DYNAMICS else "mean"
        plain = settings.replace(rule=dynamics, attack="none", strength=None, alpha=None)
        if plain not in self._runs:
            self._runs[plain] = train.make_run(plain, self.data)
        return dataclasses.replace(
            self._runs[plain],
            batches=self._shared_batches(settings),
            aggregator=self._aggregator(cell),
            attack=self._attack(settings),
        )

    def _shared_batches(self, settings: train.Settings) -> train.Batches:
        same = train.Settings("mean", peers=settings.peers, alpha=settings.alpha, seed=settings.seed)
        if same not in self._batches:
            self._batches[same] = train.make_run(same, self.data).batches
        return self._batches[same]

    def _attack(self, settings: train.Settings) -> mpcjax.attacks.Attack | None:
        knows_rule = settings.attack in ("opt_alie", "opt_ipm")
        same = train.Settings("mean", attack=settings.attack, strength=settings.strength, clip=settings.clip)
        same = settings if knows_rule else same
        if same not in self._attacks:
            self._attacks[same] = same.make_attack()
        return self._attacks[same]

    def _aggregator(self, cell: Cell) -> train.Aggregator:
        rule, seed = cell.settings.make_rule(), cell.settings.seed
        if cell.parties is None:
            return train.plain(rule, seed=seed)
        if cell.parties not in self._committees:
            self._committees[cell.parties] = mpcjax.simulate(parties=cell.parties, threshold=(cell.parties - 1) // 2)
        return train.secure(rule, self._committees[cell.parties], key=common.experiment_key(seed))
