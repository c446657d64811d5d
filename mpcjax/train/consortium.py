"""Training with peers in other processes: every peer runs this on its own data, with the same `[run]` in its `peer.toml`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpcjax
from mpcjax.net import config as configs
from mpcjax.net.doctor import Check, agreed
from mpcjax.net.tables import Table
from mpcjax.train.aggregators import networked
from mpcjax.train.data import load
from mpcjax.train.loop import History, train
from mpcjax.train.settings import Settings, make_run

NOT_OURS = ("peers", "malicious", "attack", "strength")
OURS = tuple(field.name for field in dataclasses.fields(Settings) if field.name not in NOT_OURS)
DATA = ("rounds", "dataset", "source")


@dataclasses.dataclass(frozen=True)
class Plan:
    """What `[run.training]` says: `settings`, and for how many `rounds` on which data."""

    settings: Settings
    rounds: int
    dataset: str
    source: str

    @staticmethod
    def of(config: configs.Config) -> Plan:
        Table(config.run, "run", ("training", "protocol"))
        table = Table(config.run.get("training", {}), "run.training", (*OURS, *DATA))
        given = {"rule": "centered_clipping", "model": "small", **table.values}
        settings = {key: given[key] for key in OURS if key in given}
        try:
            chosen = Settings(**settings, peers=len(config.peers), malicious=0, attack="none")
        except (TypeError, ValueError) as error:
            raise ValueError(f"run.training: {error}") from error
        rounds = table.integer("rounds", 20, 1, 1_000_000, "rounds")
        name = table.text("dataset", "fashion_mnist, mnist or digits", "fashion_mnist")
        return Plan(chosen, rounds, name, table.text("source", "local, auto, tfds or idx", "local"))


def examine(path: str | Path) -> list[Check]:
    """What ``mpcjax doctor`` says of ``[run.training]``: what ``mpcjax peer`` would refuse. Raises nothing."""

    def plan_of(config: configs.Config) -> str:
        plan = Plan.of(config)
        plan.settings.make_rule()
        return f"{plan.rounds} rounds of {plan.settings.rule} on {plan.dataset}"

    return agreed(path, "training", plan_of)


def train_as_peer(
    path: str | Path, folder: str | Path, on_round: Callable[[dict[str, Any]], None] | None = None,
    connect: Callable[..., Any] = mpcjax.connect,
) -> History:  # fmt: skip
    """Trains with the others as ``peer.toml`` says, on this peer's part of the data; goes on from what ``folder`` holds.

    What `mpcjax.connect` keeps of the session, a checkpoint of every round and the records of all are in ``folder``: a peer
    that was killed takes over the outcomes of the rounds that it missed and joins again at the next. ``connect`` as
    ``mpcjax.connect``.

    Raises what ``mpcjax.connect``, ``Peer.aggregate`` and ``mpcjax.train.train`` raise.
    """
    folder, config = Path(folder), configs.load(path)
    plan = Plan.of(config)
    data = load(plan.dataset, source=plan.source)
    folder.mkdir(parents=True, exist_ok=True)
    with connect(config, session=folder / "session.json") as peer:
        run = make_run(plan.settings, data, networked(peer, plan.settings.make_rule()), own=peer.number)
        return train(
            run, plan.rounds, metrics=folder / "rounds.jsonl", checkpoint=folder / "checkpoint", checkpoint_every=1,
            on_round=on_round,
        )  # fmt: skip
