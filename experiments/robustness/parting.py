"""Where training under MPC parts from plain training: the rule in both forms on the same updates, round by round.

    python -m experiments.robustness.parting --rule "adaptive_clipping(nearest_neighbour_mixing(multi_krum))" --attack mimic

The run is the plain one. Beside it stands how far the plain form moves when every update is disturbed by 2^-20 of itself, in a
direction of its own: a rule that chooses jumps where what it compares is nearly equal, and there no two ways to round agree.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import typer
from rich.console import Console
from rich.table import Table

import mpcjax
from experiments import common
from experiments.robustness import __main__ as table
from experiments.robustness.cells import Cell
from experiments.robustness.running import Bench
from mpcjax import train

SMALL = 2.0**-20
APART = 1e-3  # of the aggregate's length: more than any rounding, less than another choice


class Beside:
    """An aggregator that is the plain one and keeps ``rounds``: how far MPC is from it, and the disturbed plain form."""

    def __init__(self, rule: mpcjax.Rule, parties: int, seed: int):
        committee = mpcjax.simulate(parties, threshold=(parties - 1) // 2)
        self.plain, self.secure = train.plain(rule, seed=seed), train.secure(rule, committee)
        self.rounds: list[tuple[float, float]] = []

    def __call__(self, updates: Any, round: int, **public: Any) -> tuple[Any, None]:
        value, _ = self.plain(updates, round, **public)
        secure, _ = self.secure(updates, round, **public)
        disturbed, _ = self.plain(_disturbed(updates, round), round, **public)
        self.rounds.append((_apart(secure, value), _apart(disturbed, value)))
        return value, None


def _disturbed(updates: Any, round: int) -> Any:
    keys = iter(jax.random.split(jax.random.key(round), len(jax.tree.leaves(updates))))
    return jax.tree.map(lambda leaf: leaf * (1 + SMALL * jax.random.normal(next(keys), leaf.shape)), updates)


def _apart(one: Any, other: Any) -> float:
    """The distance of two pytrees, as a part of the length of the second."""
    (a, _), (b, _) = (jax.flatten_util.ravel_pytree(tree) for tree in (one, other))
    return float(jnp.linalg.norm(a - b) / jnp.maximum(jnp.linalg.norm(b), 1e-30))


def main(
    rule: Annotated[str, typer.Option(help="A rule or a composition.")] = table.RULES[26],
    attack: Annotated[str, typer.Option(help="One of the attacks, or none.")] = "none",
    partition: Annotated[str, typer.Option(help="iid, or the alpha of a Dirichlet partition.")] = "0.3",
    rounds: Annotated[int, typer.Option(min=1)] = 40,
    peers: Annotated[int, typer.Option(min=3)] = 25,
    malicious: Annotated[int, typer.Option(min=0)] = 5,
    parties: Annotated[int, typer.Option(min=3, help="Committee size.")] = 3,
    dataset: Annotated[str, typer.Option(help="fashion_mnist, mnist or digits.")] = "fashion_mnist",
) -> None:
    """Print both distances of every round, and in how many they are more than rounding."""
    choices = {
        "peers": peers, "malicious": malicious, "batch": 32, "model": "softmax", "seed": 0, "momentum": 0.9, "clip": 1.5,
    }  # fmt: skip
    with common.usage():
        (settings,) = table.wanted([rule], [attack], table.alphas_of(partition), choices)
        data = train.load(dataset, source="local")
    beside = Beside(settings.make_rule(), parties, settings.seed)
    run = Bench(data).run(Cell(settings, data.name, rounds, "plain"))
    train.train(dataclasses.replace(run, aggregator=beside), rounds)
    shown = Table("round", "MPC from plain", "disturbed plain from plain", title=f"{rule}, {attack}, {partition}")
    for number, apart in enumerate(beside.rounds):
        shown.add_row(str(number), *(f"{one:.1e}" for one in apart))
    console = Console()
    console.print(shown)
    both = [[one > APART for one in column] for column in zip(*beside.rounds, strict=True)]
    console.print(
        f"apart by more than {APART:g}: MPC in {sum(both[0])}, disturbed in {sum(both[1])} of {rounds} rounds, both in "
        f"{sum(map(all, zip(*both, strict=True)))}"
    )


if __name__ == "__main__":
    typer.run(main)
