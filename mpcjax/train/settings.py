"""One experiment as plain settings, and the settings that were found to learn under attack."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import optax

import mpcjax
from mpcjax.train import partition
from mpcjax.train.aggregators import Aggregator, plain
from mpcjax.train.batches import make_batches, root_batch
from mpcjax.train.composing import ALONE, compose, names
from mpcjax.train.data import Dataset
from mpcjax.train.loop import Run
from mpcjax.train.methods import Descent, Method, Rsa
from mpcjax.train.models import Task, make_task

# Whose first argument is a number, which ``strength`` gives.
STRENGTHS = ("gaussian", "free_rider", "backdoor", "alie", "ipm", "foe", "off_center")
PUBLIC = {"centered_clipping": "center", "fltrust": "reference"}  # what a rule takes besides the updates


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that decides what a run computes.

    Attributes:
      rule: a name of ``mpcjax.rules.RULES``, pre-aggregators with the rule that follows them in brackets:
        ``"bucketing(nearest_neighbour_mixing(geometric_median))"``.
      model: a name of ``mpcjax.train.MODELS``.
      peers, malicious: n, and how many of them (the last ones) are malicious.
      attack, strength: a name of ``mpcjax.attacks.ATTACKS`` or ``"none"``, and the attack's number if not its default.
      rate, momentum, batch: learning rate, exponential average on the peer's side, samples per peer and round.
      clip: tau of centered clipping; the length to which ``norm_bounded`` and ``clipping`` clip.
      limit, width: of the coordinate-wise rules, to what they clip coordinates, and how many bits one has.
      penalty, weight_decay: lambda and mu of RSA.
      root: size of FLTrust's public root batch.
      alpha: of the Dirichlet partition; None for iid.
      seed: of model, partition, batches, root batch and attack.
    """

    rule: str
    model: str = "mlp"
    peers: int = 25
    malicious: int = 5
    attack: str = "ipm"
    strength: float | None = None
    rate: float = 0.2
    momentum: float = 0.9
    batch: int = 32
    clip: float = 0.7
    limit: float = 0.1
    width: int = 12
    penalty: float = 0.001
    weight_decay: float = 0.0
    root: int = 100
    alpha: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        names(self.rule)
        if self.attack not in (*mpcjax.attacks.ATTACKS, "none"):
            raise ValueError(f"attack={self.attack!r}: legal are none, {', '.join(mpcjax.attacks.ATTACKS)}")
        if self.strength is not None and self.attack not in STRENGTHS:
            raise ValueError(
                f"attack {self.attack!r} has no strength; leave it out. Legal is one for {', '.join(STRENGTHS)}"
            )

    def make_rule(self) -> mpcjax.Rule:
        """The aggregation rule with its numbers."""
        return compose(self)

    def make_attack(self) -> mpcjax.attacks.Attack | None:
        """The attack with its number; one that is made for a rule knows the rule of the run, or its clip."""
        if self.attack == "none":
            return None
        constructor = mpcjax.attacks.ATTACKS[self.attack]
        if self.strength is not None:
            return constructor(self.strength)
        if self.attack in ("opt_alie", "opt_ipm"):
            return constructor(self.make_rule())
        return constructor(self.clip) if self.attack == "off_center" else constructor()

    @property
    def innermost(self) -> str:
        """The rule behind all pre-aggregation."""
        return names(self.rule)[-1]

    def replace(self, **changes: Any) -> Settings:
        return dataclasses.replace(self, **changes)


# Found on Fashion-MNIST with 25 peers, 5 of them malicious (IPM, factor 10), iid, batch 32. "Main" is for the million
# parameters of "mlp" and 100 rounds; "demo" for "small" and 40 rounds. The clip is about the norm of one honest peer's
# momentum minus the mean: larger lets the attackers pull harder, smaller lets the center lag. RSA's step per round and
# coordinate is at most rate * penalty * n, so the penalty falls with the width. FLTrust does without momentum: its
# reference is the gradient on 100 samples, and momentum makes its noise last. Of signs every coordinate moves by the rate.
# All other rules have the mean's; nothing was tuned for them. A composition has those of its innermost rule.
_OF_MEAN: Mapping[str, Mapping[str, float]] = {name: {"rate": 0.2, "momentum": 0.9} for name in ALONE}
MAIN: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        **_OF_MEAN,
        "rsa": {"rate": 0.1, "momentum": 0.9, "penalty": 0.001},
        "fltrust": {"rate": 0.1, "momentum": 0.0},
        "sign_majority": {"rate": 0.001, "momentum": 0.9},
    }
)
DEMO: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        **_OF_MEAN,
        "rsa": {"rate": 0.15, "momentum": 0.9, "penalty": 0.003},
        "fltrust": {"rate": 0.2, "momentum": 0.0},
        "sign_majority": {"rate": 0.002, "momentum": 0.9},
    }
)


def main_settings(rule: str, **changes: Any) -> Settings:
    """The main job with ``rule``: a million parameters, 100 rounds."""
    return Settings(rule, **({"model": "mlp", **MAIN[names(rule)[-1]]} | changes))


def demo_settings(rule: str, **changes: Any) -> Settings:
    """The demonstration with ``rule``: a small model, 40 rounds."""
    return Settings(rule, **({"model": "small", **DEMO[names(rule)[-1]]} | changes))


def make_run(
    settings: Settings, data: Dataset, aggregator: Aggregator | None = None, *, own: int | None = None, **options: Any
) -> Run:
    """Everything ready for ``train``. ``aggregator``: None takes the rule's plain form; ``options``: fields of ``Run``.

    ``own``: the part of this peer alone, whose aggregator asks the others (``networked``); it is not malicious.
    A checkpoint records the settings and the data's name, not the aggregator: plain or under MPC, the run is the same.
    """
    task = make_task(settings.model, data.train_images.shape[1:], seed=settings.seed)
    if settings.alpha is None:
        parts = partition.iid(data.train_labels, settings.peers, seed=settings.seed)
    else:
        parts = partition.dirichlet(data.train_labels, settings.peers, alpha=settings.alpha, seed=settings.seed)
    if own is not None:
        parts, settings = [parts[own]], settings.replace(peers=1, malicious=0, attack="none")
    return Run(
        data=data,
        task=task,
        method=_method(settings, task, data),
        batches=make_batches(data, parts, seed=settings.seed),
        aggregator=aggregator or plain(settings.make_rule()),
        attack=settings.make_attack(),
        malicious=settings.malicious,
        batch=settings.batch,
        seed=settings.seed,
        settings=dataclasses.asdict(settings) | {"data": data.name},
        **options,
    )


def _method(settings: Settings, task: Task, data: Dataset) -> Method:
    if settings.innermost == "rsa":
        return Rsa(
            task, settings.peers, settings.rate, settings.penalty, settings.weight_decay, momentum=settings.momentum
        )
    public = PUBLIC.get(settings.innermost)
    root = root_batch(data, settings.root, seed=settings.seed) if public == "reference" else None
    return Descent(task, settings.peers, optax.sgd(settings.rate), momentum=settings.momentum, public=public, root=root)
