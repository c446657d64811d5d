"""What the experiments share: running a rule with progress, tables and plots of what came out."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

import mpcjax
from mpcjax import train
from mpcjax.train.metrics import progress


@dataclass(frozen=True)
class Outcome:
    """One finished run: a name for people, its records, and whether it ran under MPC."""

    name: str
    records: Sequence[dict[str, Any]]
    secure: bool
    seconds: float

    @property
    def accuracy(self) -> float:
        return self.curve[-1][1]

    @property
    def curve(self) -> list[tuple[int, float]]:
        """``(rounds done, test accuracy)`` wherever it was measured."""
        return [(entry["round"] + 1, entry["accuracy"]) for entry in self.records if "accuracy" in entry]

    @property
    def round_seconds(self) -> float:
        """Median over the rounds after the first, which compiles."""
        return statistics.median(entry["seconds"] for entry in self.records[1:] or self.records)

    @property
    def caught(self) -> list[dict[str, Any]]:
        """The records of rounds that were aborted and repeated."""
        return [entry for entry in self.records if entry.get("failed")]


def run(
    console: Console, name: str, settings: train.Settings, data: train.Dataset, rounds: int, *, committee: Any = None,
    folder: Path, evaluate_every: int = 1, checkpoints: bool = False,
) -> Outcome:  # fmt: skip
    """Trains one setting, plain or (with a committee) under MPC; metrics go to ``folder/<name>.jsonl``."""
    rule = settings.make_rule()
    aggregator = train.plain(rule)
    if committee is not None:
        aggregator = train.secure(rule, committee, key=experiment_key(settings.seed))
    job = train.make_run(settings, data, aggregator)
    slug = name.replace(" ", "-").replace(",", "").lower()
    begun = time.perf_counter()
    with progress(console) as bar:
        task = bar.add_task(name, total=rounds, note="compiling")

        def show(record: dict[str, Any]) -> None:
            accuracy = record.get("accuracy")
            note = f"accuracy {accuracy:.3f}" if accuracy is not None else f"loss {record['loss'] or float('nan'):.3f}"
            bar.update(task, completed=record["round"] + 1, note=note)
            for failure in record.get("failed", ()):
                bar.console.print(f"  round {record['round'] + 1}: {failure_line(failure)}")

        history = train.train(
            job, rounds, evaluate_every=evaluate_every, metrics=folder / f"{slug}.jsonl", on_round=show,
            checkpoint=folder / f"{slug}.checkpoint" if checkpoints else None,
        )  # fmt: skip
    return Outcome(name, history.records, committee is not None, time.perf_counter() - begun)


def chosen(rules: str, legal: Sequence[str], option: str = "rules") -> list[str]:
    """The names in a list with commas; a usage error for one that is not legal."""
    names = [rule.strip() for rule in rules.split(",") if rule.strip()]
    unknown = [name for name in names if name not in legal]
    if unknown or not names:
        raise typer.BadParameter(f"{option}={rules!r}: legal are {', '.join(legal)}, one or several")
    return names


@contextmanager
def usage() -> Iterator[None]:
    """Wrong settings are the user's: shown as such, without a traceback."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def experiment_key(seed: int) -> bytes:
    """Key of the parties' randomness, fixed by the seed so that a simulated experiment can be repeated.

    Where shares are to hide anything, leave the key out: then it comes from the operating system.
    """
    return hashlib.sha256(f"mpcjax experiment {seed}".encode()).digest()


def failure_line(failure: dict[str, Any]) -> str:
    """A caught cheat in one line."""
    return f"[yellow]caught[/]: check {failure['check']!r} failed with committee {failure['committee']}, round repeated"


def table(outcomes: Sequence[Outcome], title: str, plain: dict[str, float] | None = None) -> Table:
    """Accuracy, seconds and bytes, one run a row. ``plain``: the same run in plain float32, by name."""
    result = Table(title=title, box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    result.add_column("rule", no_wrap=True)
    heads = (
        "accuracy",
        "plain\nfloat32",
        "seconds\na round",
        "sent by\na party",
        "sent by\na peer",
        "caught\nround",
    )
    for head in heads:
        result.add_column(head, justify="right", no_wrap=True)
    for outcome in outcomes:
        last = outcome.records[-1]
        sent = last.get("online_bytes_per_party", 0.0) + last.get("offline_bytes_per_party", 0.0)
        beside = (plain or {}).get(outcome.name)
        result.add_row(
            outcome.name,
            f"{outcome.accuracy:.3f}",
            f"{beside:.3f}" if beside is not None else "",
            f"{outcome.round_seconds:.2f}",
            size(sent) if outcome.secure else "",
            size(last["upload_bytes_per_peer"]) if outcome.secure else "",
            ", ".join(str(entry["round"] + 1) for entry in outcome.caught),
        )
    if any(outcome.secure for outcome in outcomes):
        compiling = sum(outcome.records[0]["seconds"] - outcome.round_seconds for outcome in outcomes)
        result.caption = (
            f"Seconds a round: the median after the first. Compiling took {max(compiling, 0):.0f} s in all."
        )
    return result


def size(count: float) -> str:
    """Bytes for people, to three digits."""
    unit = "B"
    for larger in ("kB", "MB", "GB"):
        if count < 999.5:
            break
        count, unit = count / 1000, larger
    return f"{count:.3g} {unit}"


def plot(outcomes: Sequence[Outcome], title: str, path: Path) -> Path:
    """Accuracy over rounds; runs under MPC drawn solid, plain ones dashed; a cross where a cheat was caught."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    for outcome in outcomes:
        rounds, accuracies = zip(*outcome.curve, strict=True)
        style = "-" if outcome.secure else "--"
        (line,) = axes.plot(rounds, accuracies, style, label=outcome.name)
        marks = [(entry["round"] + 1, entry["accuracy"]) for entry in outcome.caught if "accuracy" in entry]
        if marks:
            axes.plot(*zip(*marks, strict=True), "x", color=line.get_color(), markersize=10, markeredgewidth=3)
    if any(outcome.caught for outcome in outcomes):
        axes.plot([], [], "x", color="black", markersize=10, markeredgewidth=3, label="tampering caught")
    axes.set(xlabel="round", ylabel="test accuracy", ylim=(0, 1), title=title)
    axes.grid(alpha=0.3)
    axes.legend(loc="center right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(figure)
    return path


def honest_committee(peers: int, malicious: int) -> tuple[int, int]:
    """``(parties, threshold)``: the smallest committee with an honest majority up to a chance of 2^-40."""
    parties = mpcjax.committee_size(peers, malicious)
    return parties, (parties - 1) // 2
