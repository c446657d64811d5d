"""The main job in full: a million parameters, 100 rounds, every rule under MPC beside its plain float32 form.

With the same seeds both see the same samples, so their curves can be compared round by round. Every run writes a
checkpoint; the same command goes on where it was interrupted, and ``--fresh`` starts anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import mpcjax
from experiments import common
from mpcjax import train

RULES = "mean,centered_clipping,rsa,fltrust"


def main(
    rules: Annotated[str, typer.Option(help="Which rules, with commas.")] = RULES,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of training.")] = 100,
    secure: Annotated[bool, typer.Option(help="Also under MPC; --no-secure runs the plain forms only.")] = True,
    peers: Annotated[int, typer.Option(min=3, help="Peers.")] = 25,
    malicious: Annotated[int, typer.Option(min=0, help="How many of them are malicious.")] = 5,
    parties: Annotated[int | None, typer.Option(help="Committee size; as large as safety asks by default.")] = None,
    attack: Annotated[str, typer.Option(help="none, or a name of mpcjax.attacks.ATTACKS.")] = "ipm",
    strength: Annotated[float | None, typer.Option(help="The attack's number, if not its default.")] = None,
    alpha: Annotated[float | None, typer.Option(help="Dirichlet partition with this alpha; iid by default.")] = None,
    model: Annotated[str, typer.Option(help="mlp, small or cnn.")] = "mlp",
    dataset: Annotated[str, typer.Option(help="fashion_mnist, mnist or digits.")] = "fashion_mnist",
    source: Annotated[str, typer.Option(help="auto, local, tfds or idx.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of everything.")] = 0,
    evaluate_every: Annotated[int, typer.Option(min=1, help="Test accuracy every so many rounds.")] = 1,
    fresh: Annotated[bool, typer.Option(help="Ignore and replace earlier checkpoints.")] = False,
    out: Annotated[Path, typer.Option(help="Where metrics, checkpoints and plot go.")] = Path("results/real_run"),
) -> None:
    """Train with every rule, plain and under MPC, and say how far apart they are."""
    console = Console()
    names = common.chosen(rules, RULES.split(","))
    choices = {
        "model": model, "peers": peers, "malicious": malicious, "attack": attack, "strength": strength,
        "alpha": alpha, "seed": seed,
    }  # fmt: skip
    with common.usage():  # before hours of training, not after
        settings = {rule: train.main_settings(rule, **choices) for rule in names}
        mpcjax.estimate("mean", 1, peers=peers, committee=_committee(peers, malicious, parties))
        data = train.load(dataset, source=source)
        train.make_task(model, data.train_images.shape[1:])
    console.print(f"Data: {data.source}")
    if fresh:
        for old in out.glob("*.checkpoint"):
            old.unlink()
    options = {"folder": out, "evaluate_every": evaluate_every, "checkpoints": True}
    outcomes, beside = [], {}
    for rule in names:
        plain = common.run(console, rule, settings[rule], data, rounds, **options)
        outcomes.append(plain)
        if secure and rule != "mean":
            name = f"{rule}, MPC"
            members = _committee(peers, malicious, parties)
            outcomes.append(common.run(console, name, settings[rule], data, rounds, committee=members, **options))
            beside[name] = plain.accuracy
            console.print(f"{name}: {difference(plain, outcomes[-1])}")
    title = f"{data.name}, {model}, {peers} peers, {malicious} malicious ({attack})"
    console.print(common.table(outcomes, title, beside))
    console.print(f"Plot: {common.plot(outcomes, title, out / 'accuracy.png')}; metrics: {out}/*.jsonl")


def difference(plain: common.Outcome, secure: common.Outcome) -> str:
    """How far apart two runs of the same rule and seeds are, at the end and at worst."""
    there = dict(plain.curve)
    gaps = [(abs(accuracy - there[number]), number) for number, accuracy in secure.curve if number in there]
    worst, where = max(gaps)
    return (
        f"ends at {secure.accuracy:.4f}, plain float32 at {plain.accuracy:.4f}; largest difference in the rounds "
        f"measured {100 * worst:.2f} points, in round {where}"
    )


def _committee(peers: int, malicious: int, parties: int | None):
    if parties is None:
        parties, threshold = common.honest_committee(peers, malicious)
        return mpcjax.simulate(parties=parties, threshold=threshold)
    return mpcjax.simulate(parties=parties)


if __name__ == "__main__":
    typer.run(main)
