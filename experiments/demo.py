"""The main job in small: 25 peers train together, 5 of them poison, one of those also cheats in the protocol.

The plain mean collapses. RSA, centered clipping and FLTrust learn, aggregated under actively secure MPC; the round with
wrong shares is caught and repeated with another committee.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import mpcjax
from experiments import common
from mpcjax import train

RULES = ("rsa", "centered_clipping", "fltrust")


def committee(peers: int, malicious: int, cheat_round: int):
    """A simulated committee; in one round the first malicious peer that sits on it sends wrong shares."""
    parties, threshold = common.honest_committee(peers, malicious)
    if not malicious:
        return mpcjax.simulate(parties=parties, threshold=threshold)
    cheat = mpcjax.attacks.Cheat(peers=tuple(range(peers - malicious, peers)), round=cheat_round)
    return mpcjax.simulate(parties=parties, threshold=threshold, tamper=cheat)


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of training.")] = 40,
    peers: Annotated[int, typer.Option(min=3, help="Peers.")] = 25,
    malicious: Annotated[int, typer.Option(min=0, help="How many of them are malicious.")] = 5,
    attack: Annotated[str, typer.Option(help="none, or a name of mpcjax.attacks.ATTACKS.")] = "ipm",
    model: Annotated[str, typer.Option(help="small, mlp or cnn.")] = "small",
    dataset: Annotated[str, typer.Option(help="fashion_mnist, mnist or digits.")] = "fashion_mnist",
    source: Annotated[
        str, typer.Option(help="local: no network. auto: a download too. tfds, idx: that one.")
    ] = "local",
    cheat_round: Annotated[int, typer.Option(min=1, help="The round with wrong shares.")] = 10,
    rules: Annotated[str, typer.Option(help="Which rules run under MPC, with commas.")] = ",".join(RULES),
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    out: Annotated[Path, typer.Option(help="Where metrics and plot go.")] = Path("results/demo"),
) -> None:
    """Train under attack: the plain mean collapses, robust rules under MPC learn, a cheating member is caught."""
    console = Console()
    begun = time.perf_counter()
    names = common.chosen(rules, RULES)
    if malicious and cheat_round > rounds:
        raise typer.BadParameter(f"cheat-round {cheat_round}: legal are 1 to {rounds}, the number of rounds")
    choices = {"model": model, "peers": peers, "malicious": malicious, "attack": attack, "seed": seed}
    with common.usage():
        settings = {rule: train.demo_settings(rule, **choices) for rule in ("mean", *names)}
        committee(peers, malicious, cheat_round)
        data = train.load(dataset, source=source)
        train.make_task(model, data.train_images.shape[1:])
    console.print(f"Data: {data.source}")
    console.print(_words(peers, malicious, attack))
    outcomes = [
        common.run(console, "mean, no attack", settings["mean"].replace(attack="none"), data, rounds, folder=out),
        common.run(console, "mean", settings["mean"], data, rounds, folder=out),
    ]
    beside = {}
    for rule in names:
        name = f"{rule}, MPC"
        plain = common.run(console, rule, settings[rule], data, rounds, folder=out)
        beside[name] = plain.accuracy
        members = committee(peers, malicious, cheat_round - 1)
        outcomes.append(common.run(console, name, settings[rule], data, rounds, committee=members, folder=out))
    _summary(console, outcomes, beside, data, settings["mean"], out)
    console.print(f"{time.perf_counter() - begun:.0f} seconds in all.")


def _words(peers: int, malicious: int, attack: str) -> str:
    parties, threshold = common.honest_committee(peers, malicious)
    return (
        f"{peers} peers, {malicious} of them malicious ({attack}). Committees of {parties}, of which {threshold} may "
        "be corrupt, are drawn anew for every round. All parties run in this process: it shows cost, robustness and "
        "detection, and hides nothing from whoever owns the process."
    )


def _summary(
    console: Console, outcomes: list[common.Outcome], beside: dict[str, float], data: train.Dataset,
    settings: train.Settings, out: Path,
) -> None:  # fmt: skip
    task = train.make_task(settings.model, data.train_images.shape[1:])
    under = f"under attack ({settings.attack})" if settings.make_attack() and settings.malicious else "without attack"
    title = f"{data.name}, {task.size:,} parameters, {settings.peers} peers, {settings.malicious} malicious, {under}"
    console.print(common.table(outcomes, title, beside))
    for outcome in outcomes:
        for record in outcome.caught:
            for failure in record["failed"]:
                line = common.failure_line(failure)
                console.print(f"{outcome.name}, round {record['round'] + 1}: {line} by {record['committee']}")
    path = common.plot(outcomes, title, out / "accuracy.png")
    console.print(f"Plot: {path}; metrics: {out}/*.jsonl")


if __name__ == "__main__":
    typer.run(main)
