"""The table from the cells that are there: for people, as markdown, as a heat map; and which composition is best."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table

from mpcjax.train.composing import names

MISSING = "–"
MIXED = ("bucketing", "nearest_neighbour_mixing")
NONE = "none"
LABELS = {"plain": "plain float32", "mpc": "MPC"}
SHORT = {"nearest_neighbour_mixing": "mixing", "minimum_diameter_averaging": "minimum_diameter"}


@dataclass(frozen=True)
class Grid:
    """What is wanted (rows, columns, and tables), and the accuracies that are there, by partition, protocol, rule, attack."""

    rules: Sequence[str]
    attacks: Sequence[str]
    partitions: Sequence[str]
    protocols: Sequence[str]
    accuracies: Mapping[tuple[str, str, str, str], float]

    @property
    def missing(self) -> int:
        wanted = itertools.product(self.partitions, self.protocols, self.rules, self.attacks)
        return sum(place not in self.accuracies for place in wanted)

    def get(self, partition: str, protocol: str, rule: str, attack: str) -> float | None:
        return self.accuracies.get((partition, protocol, rule, attack))

    def worst(self, partition: str, protocol: str, rule: str) -> tuple[float, str] | None:
        """``(accuracy, attack)`` of the attack that harms most; None while an attack is missing, or if there is none."""
        attacks = [attack for attack in self.attacks if attack != NONE]
        row = [(self.get(partition, protocol, rule, attack), attack) for attack in attacks]
        found = [(accuracy, attack) for accuracy, attack in row if accuracy is not None]
        return min(found) if found and len(found) == len(row) else None

    def best_composition(self, partition: str, protocol: str) -> str | None:
        """Of the compositions with all their cells the one with the highest accuracy under its worst attack."""
        finished = []
        for rule in self.rules:
            worst = self.worst(partition, protocol, rule)
            mixed = any(name in MIXED for name in names(rule)[:-1])
            if mixed and worst is not None and self.get(partition, protocol, rule, NONE) is not None:
                finished.append((worst[0], rule))
        return max(finished)[1] if finished else None


def verdict(grid: Grid, partition: str, protocol: str) -> str:
    """One line: the best composition and what its worst attack costs it."""
    where = f"{partition}, {LABELS[protocol]}"
    rule = grid.best_composition(partition, protocol)
    if rule is None:
        return f"{where}: no composition has all its cells yet"
    worst, without = grid.worst(partition, protocol, rule), grid.get(partition, protocol, rule, NONE)
    assert worst is not None and without is not None
    line = (
        f"{where}: the best composition is {rule}: {worst[0]:.3f} under its worst attack ({worst[1]}), "
        f"{points(without - worst[0])} points below its own {without:.3f} without attack"
    )
    mean = grid.get(partition, protocol, "mean", NONE)
    return line if mean is None else f"{line}, {points(mean - worst[0])} below the mean's {mean:.3f}"


def summary(grid: Grid, partition: str, protocol: str) -> Table:
    """A rule a row: without attack, under the worst attack, and what lies between."""
    result = Table(title=f"{partition}, {LABELS[protocol]}", box=box.SIMPLE_HEAD, pad_edge=False)
    result.add_column("rule")
    for head in ("no attack", "worst", "attack", "points lost", "missing"):
        result.add_column(head, justify="left" if head == "attack" else "right", no_wrap=True)
    for rule in grid.rules:
        without, worst = grid.get(partition, protocol, rule, NONE), grid.worst(partition, protocol, rule)
        lost = points(without - worst[0]) if without is not None and worst is not None else MISSING
        missing = sum(grid.get(partition, protocol, rule, attack) is None for attack in grid.attacks)
        accuracy, attack = worst or (None, MISSING)
        result.add_row(rule, _number(without), _number(accuracy), attack, lost, str(missing or ""))
    return result


def markdown(grid: Grid, title: str) -> str:
    """The whole table, protocols side by side in a cell, and the verdicts."""
    parts = [
        f"# {title}",
        "",
        f"Test accuracy: {' / '.join(LABELS[name] for name in grid.protocols)}; {MISSING}: not run.",
    ]
    if grid.missing:
        parts += ["", f"{grid.missing} cells are missing."]
    for partition in grid.partitions:
        parts += ["", f"## {partition}", "", "| " + " | ".join(("rule", *grid.attacks)) + " |"]
        parts += ["|---" * (len(grid.attacks) + 1) + "|"]
        for rule in grid.rules:
            cells = (
                " / ".join(_number(grid.get(partition, protocol, rule, attack)) for protocol in grid.protocols)
                for attack in grid.attacks
            )
            parts.append(f"| {rule} | " + " | ".join(cells) + " |")
        parts += ["", *(f"- {verdict(grid, partition, protocol)}." for protocol in grid.protocols)]
    return "\n".join(parts) + "\n"


def heat_map(grid: Grid, title: str, path: Path) -> Path:
    """A panel for every partition and protocol, rules by attacks; grey where a cell is missing."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    rows, columns = len(grid.partitions), len(grid.protocols)
    wide, high = 3.5 + 0.5 * len(grid.attacks) * columns, 1.5 + (0.9 + 0.28 * len(grid.rules)) * rows
    figure, panels = plt.subplots(rows, columns, figsize=(wide, high), squeeze=False, layout="constrained", sharey=True)
    colours = ScalarMappable(Normalize(0, 1), plt.get_cmap("viridis").with_extremes(bad="lightgrey"))
    for axes, (partition, protocol) in zip(
        panels.flat, itertools.product(grid.partitions, grid.protocols), strict=True
    ):
        _panel(axes, grid, partition, protocol, colours)
    figure.suptitle(title, fontsize=10)
    figure.colorbar(colours, ax=panels, label="test accuracy", shrink=0.6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path


def _panel(axes: Any, grid: Grid, partition: str, protocol: str, colours: Any) -> None:
    found = [[grid.get(partition, protocol, rule, attack) for attack in grid.attacks] for rule in grid.rules]
    values = np.array(found, float)
    axes.imshow(np.ma.masked_invalid(values), cmap=colours.cmap, norm=colours.norm, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            shade = "black" if value > 0.5 else "white"
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=6, color=shade)
    axes.set_title(f"{partition}, {LABELS[protocol]}", fontsize=9)
    axes.set_xticks(range(len(grid.attacks)), grid.attacks, rotation=60, ha="right", fontsize=7)
    axes.set_yticks(range(len(grid.rules)), [short(rule) for rule in grid.rules], fontsize=7)


def short(rule: str) -> str:
    """A rule's name with its longest parts shortened, for the axis of a plot."""
    for name, shorter in SHORT.items():
        rule = rule.replace(name, shorter)
    return rule


def points(difference: float) -> str:
    """A difference of accuracies in points."""
    return f"{100 * difference:.1f}"


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"
