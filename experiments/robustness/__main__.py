"""Every rule under every attack, plain and under MPC side by side, and the composition that the worst attack harms least.

Every finished cell is kept in a file of its own, so the same command goes on where it was interrupted, and cells with
other settings are other cells. What the project has run stands in `known.jsonl` here and is not run again.
``--minutes 0`` runs nothing and makes table and plot of what is there.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import mpcjax
from experiments import common
from experiments.robustness import cells as table
from experiments.robustness import reporting
from experiments.robustness.running import Bench
from mpcjax import train
from mpcjax.train.metrics import progress

RULES = (
    "mean", "norm_bounded", "centered_clipping", "rsa", "sign_majority", "fltrust", "krum", "multi_krum",
    "geometric_median", "monna", "adaptive_clipping(geometric_median)", "adaptive_clipping(multi_krum)",
    "clipping(multi_krum)", "bucketing(fltrust)", "bucketing(rsa)", "bucketing(centered_clipping)", "bucketing(krum)",
    "bucketing(multi_krum)", "bucketing(geometric_median)", "bucketing(minimum_diameter_averaging)",
    "nearest_neighbour_mixing(mean)", "nearest_neighbour_mixing(fltrust)", "nearest_neighbour_mixing(centered_clipping)",
    "nearest_neighbour_mixing(multi_krum)", "nearest_neighbour_mixing(geometric_median)",
    "bucketing(nearest_neighbour_mixing(geometric_median))", "adaptive_clipping(nearest_neighbour_mixing(multi_krum))",
    "median", "trimmed_mean", "mean_around_median",
    "bulyan",
)  # fmt: skip
KNOWN = Path(__file__).parent / "known.jsonl"
# Found on the test set with one seed, without attack and under IPM and the optimal ALIE: the learning rate of the rules that
# descend along gradients, "", and of those whose steps are none. Another model has the rates of `train.demo_settings`.
RATES = {
    "softmax": {"": 1.6, "rsa": 3.0, "sign_majority": 0.03},
    "small": {"": 0.4, "rsa": 0.15, "sign_majority": 0.002},
}
OWN_RATE = ("rsa", "sign_majority")
ATTACKS = (reporting.NONE, *mpcjax.attacks.ATTACKS)


class Protocol(StrEnum):
    plain = "plain"
    mpc = "mpc"
    both = "both"


def main(
    rules: Annotated[str, typer.Option(help="Which rules and compositions, with commas.")] = ",".join(RULES),
    attacks: Annotated[str, typer.Option(help="Which attacks, with commas; none is one.")] = ",".join(ATTACKS),
    partitions: Annotated[str, typer.Option(help="iid, or alphas of a Dirichlet partition, with commas.")] = "iid,0.3",
    protocol: Annotated[Protocol, typer.Option(help="In plain float32, under MPC, or both.")] = Protocol.both,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of training in a cell.")] = 40,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Begin no cell after so long; no limit by default.")
    ] = None,
    peers: Annotated[int, typer.Option(min=3, help="Peers.")] = 25,
    malicious: Annotated[int, typer.Option(min=0, help="How many of them are malicious.")] = 5,
    # What a rule opens does not depend on the committee's size; its safety does. So the smallest one measures accuracies.
    parties: Annotated[int, typer.Option(min=3, help="Committee size: accuracies do not depend on it.")] = 3,
    rate: Annotated[
        float | None,
        typer.Option(min=0, help="Learning rate of the rules that descend along gradients; the model's own."),
    ] = None,
    momentum: Annotated[float, typer.Option(min=0, max=1, help="Of the peers, for rules that have one.")] = 0.9,
    # A clip that suits an iid partition alone, 0.7, holds the center back where the peers differ.
    clip: Annotated[float, typer.Option(min=0, help="Of centered clipping, norm bounds and clipping.")] = 1.5,
    batch: Annotated[int, typer.Option(min=1, help="Samples per peer and round.")] = 32,
    model: Annotated[str, typer.Option(help="softmax, small, mlp or cnn.")] = "softmax",
    dataset: Annotated[str, typer.Option(help="fashion_mnist, mnist or digits.")] = "fashion_mnist",
    source: Annotated[
        str, typer.Option(help="local: no network. auto: a download too. tfds, idx: that one.")
    ] = "local",
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    out: Annotated[Path, typer.Option(help="Where cells, table and plot go.")] = Path("results/robustness"),
    known: Annotated[Path, typer.Option(help="Cells that need not run, a line each; another name for none.")] = KNOWN,
    keep: Annotated[bool, typer.Option(help="Add what has been run to the file of known cells.")] = False,
) -> None:
    """Train with every rule under every attack; the table and the plot show what has been trained so far."""
    console = Console()
    choices: dict[str, Any] = {
        "peers": peers, "malicious": malicious, "batch": batch, "model": model, "seed": seed, "momentum": momentum, "clip": clip,
    }  # fmt: skip
    columns, alphas = common.chosen(attacks, ATTACKS, "attacks"), alphas_of(partitions)
    rows = [rule.strip() for rule in rules.split(",") if rule.strip()]
    with common.usage():  # before hours of training, not after
        protocols = committees(protocol, parties, peers)
        settings = wanted(rows, columns, alphas, choices, rate)
        data = train.load(dataset, source=source)
        train.make_task(model, data.train_images.shape[1:])
    console.print(f"Data: {data.source}")
    cells, store = table.ordered(settings, data.name, rounds, protocols), table.Store(out / "cells", known)
    run(console, cells, store, Bench(data), math.inf if minutes is None else 60 * minutes)
    if keep:
        console.print(f"{known} has {store.keep(cells)} cells now")
    names = [table.partition_name(alpha) for alpha in alphas]
    grid = reporting.Grid(rows, columns, names, list(protocols), store.accuracies(cells))
    report(console, grid, f"{data.name}, {model}, {peers} peers, {malicious} malicious, {rounds} rounds", out)


def alphas_of(partitions: str) -> list[float | None]:
    """``"iid,0.3"``: None for iid, a number for the alpha of a Dirichlet partition."""
    alphas: list[float | None]
    try:
        alphas = [None if name.strip() == "iid" else float(name) for name in partitions.split(",")]
    except ValueError:
        alphas = [math.nan]
    if not all(alpha is None or 0 < alpha < math.inf for alpha in alphas):
        raise typer.BadParameter(f"partitions={partitions!r}: legal are iid and positive numbers")
    return alphas


def committees(protocol: Protocol, parties: int, peers: int) -> dict[str, int | None]:
    """The protocols that are wanted, plain before MPC, with the size of their committee."""
    both: dict[str, int | None] = {"plain": None, "mpc": parties}
    if protocol is not Protocol.plain:
        mpcjax.estimate("mean", 1, peers=peers, committee=mpcjax.simulate(parties, threshold=(parties - 1) // 2))
    return {name: size for name, size in both.items() if protocol in (name, Protocol.both)}


def wanted(
    rules: Sequence[str],
    attacks: Sequence[str],
    alphas: Sequence[float | None],
    choices: dict[str, Any],
    rate: float | None = None,
) -> list[train.Settings]:
    """The settings of all cells, rule by rule; `ValueError` for a rule that these peers cannot run.

    rate: of the rules that descend along gradients, by default the model's of `RATES`.
    """
    if not rules:
        raise ValueError("rules: name one at least")
    found = []
    for rule, alpha, attack in itertools.product(rules, alphas, attacks):
        own = train.demo_settings(rule, attack=attack, alpha=alpha)
        kept = {} if own.momentum else {"momentum": 0.0}
        one = own.replace(**choices | kept)
        found.append(one.replace(rate=rate_of(one, rate)))
        found[-1].make_rule().certificate(found[-1].peers)
    return found


def rate_of(settings: train.Settings, rate: float | None) -> float:
    """The learning rate of a cell: `rate` where the rule descends along gradients, else what was found for it."""
    rates, own = RATES.get(settings.model, {}), settings.innermost if settings.innermost in OWN_RATE else ""
    return rate if rate is not None and not own else rates.get(own, settings.rate)


def run(console: Console, cells: Sequence[table.Cell], store: table.Store, bench: Bench, seconds: float) -> None:
    """Runs the cells that are not in the store, one after the other; none begins after ``seconds``."""
    begun = time.perf_counter()
    todo = [cell for cell in cells if store.load(cell) is None]
    console.print(f"{len(cells)} cells, of which {len(cells) - len(todo)} are there")
    with progress(console) as bar:
        task = bar.add_task("cells", total=len(cells), completed=len(cells) - len(todo), note="")
        for cell in todo:
            if time.perf_counter() - begun >= seconds:
                bar.console.print("The time is up: the same command goes on from here.")
                break
            name = ", ".join((cell.settings.rule, cell.settings.attack, cell.partition, cell.protocol))

            def show(record: dict[str, Any], name: str = name) -> None:
                bar.update(task, note=f"{name}: round {record['round'] + 1}")

            measured = bench.measure(cell, show)
            store.save(cell, measured)
            bar.update(task, advance=1)
            bar.console.print(f"{name}: {measured['accuracy']:.4f}, {measured['seconds']:.1f} s", soft_wrap=True)


def report(console: Console, grid: reporting.Grid, title: str, out: Path) -> None:
    """Prints what each rule loses and which composition is best; writes the whole table and the plot."""
    places = list(itertools.product(grid.partitions, grid.protocols))
    for partition, protocol in places:
        console.print(reporting.summary(grid, partition, protocol))
    for partition, protocol in places:
        console.print(reporting.verdict(grid, partition, protocol), soft_wrap=True)
    path = out / "table.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reporting.markdown(grid, title))
    plot = reporting.heat_map(grid, title, out / "table.png")
    console.print(
        f"{grid.missing} cells missing. Table: {path}; plot: {plot}; cells: {out}/cells/*.json", soft_wrap=True
    )


if __name__ == "__main__":
    typer.run(main)
