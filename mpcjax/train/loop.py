"""The training loop: local steps, attack, aggregation, shared step; progress, metrics, checkpoints."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.attacks import Attack, Trigger, malicious_mask
from mpcjax.train import batches as batching
from mpcjax.train import checkpoint as checkpoints
from mpcjax.train.aggregators import Aggregator
from mpcjax.train.data import Dataset
from mpcjax.train.methods import Method, State
from mpcjax.train.metrics import JsonLines, report_fields
from mpcjax.train.models import Task

_EVALUATED_AT_ONCE = 2000


@dataclass(frozen=True)
class Run:
    """One experiment, ready to be trained.

    Attributes:
      data, task, method: what is learned, with which model, by which dynamics.
      batches: every peer's samples on the device.
      aggregator: plain or under MPC.
      attack: None for none.
      malicious: bool mask ``[n]`` or a count f (the last f peers).
      batch: samples per peer and round.
      seed: of the attack's random numbers; data and model have taken theirs already.
      settings: what identifies the run; a checkpoint made with others is refused.
      peers_at_once: how many local gradients are computed together; None for all.
    """

    data: Dataset
    task: Task
    method: Method
    batches: batching.Batches
    aggregator: Aggregator
    attack: Attack | None = None
    malicious: Any = 0
    batch: int = 32
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    peers_at_once: int | None = None


@dataclass(frozen=True)
class History:
    """The records of all rounds and the final state; ``accuracy`` is the last one that was measured."""

    records: list[dict[str, Any]]
    state: State

    @property
    def accuracy(self) -> float:
        measured = [record["accuracy"] for record in self.records if record.get("accuracy") is not None]
        return measured[-1] if measured else float("nan")


def train(
    run: Run,
    rounds: int,
    *,
    evaluate_every: int = 1,
    metrics: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_every: int = 10,
    on_round: Callable[[dict[str, Any]], None] | None = None,
) -> History:
    """Trains for ``rounds`` rounds in all.

    If ``checkpoint`` names an existing file, the run goes on from there and gives, bit for bit on the same machine,
    what it would have given without the break. A round whose value is not finite, or not verified, changes no
    parameter; its record says ``"applied": false``.

    Args:
      run: the experiment.
      rounds: the total, rounds before a resumption included.
      evaluate_every: test accuracy every so many rounds, and after the last.
      metrics: a file of JSON lines; None keeps the records in memory only.
      checkpoint: a file; None for none. Written every ``checkpoint_every`` rounds and at the end.
      on_round: called with each record.

    Raises ``ValueError`` for numbers below 1, and ``mpcjax.Abort`` when a round was disturbed too often; the last
    checkpoint stays, and the same call goes on from it.
    """
    for name, value in {
        "rounds": rounds,
        "evaluate_every": evaluate_every,
        "checkpoint_every": checkpoint_every,
    }.items():
        if value < 1:
            raise ValueError(f"{name}={value}: legal are whole numbers from 1")
    state, start = run.method.init(), 0
    if checkpoint is not None and Path(checkpoint).exists():
        state, start = checkpoints.load(checkpoint, state, settings=run.settings)
    log = JsonLines(metrics, keep_rounds=start)
    prepare, finish = _compiled(run)
    for number in range(start, rounds):
        begun = time.perf_counter()
        updates, loss, state, public = prepare(state, run.batches, np.int32(number))
        jax.block_until_ready(updates)
        aggregating = time.perf_counter()
        value, report = run.aggregator(updates, number, **public)
        value = jax.block_until_ready(jnp.asarray(value))
        aggregated = time.perf_counter()
        fields = report_fields(report)
        state, applied = finish(state, value, np.bool_(fields.get("verified", True)))
        record = {"round": number, "loss": float(loss), "applied": bool(applied), **fields}
        record["aggregation_seconds"] = aggregated - aggregating
        record["seconds"] = time.perf_counter() - begun
        last = number + 1 == rounds
        if last or (number + 1) % evaluate_every == 0:
            record |= evaluate(run.task, run.method.params(state), run.data)
        log.write(record)
        if checkpoint is not None and (last or (number + 1) % checkpoint_every == 0):
            checkpoints.save(checkpoint, state, round=number + 1, settings=run.settings)
        if on_round is not None:
            on_round(log.records[-1])
    return History(log.records, state)


def evaluate(task: Task, flat: jax.Array, data: Dataset) -> dict[str, float]:
    """``{"accuracy", "test_loss"}`` on the test set. Where a logit is NaN, the first such class is the answer."""
    right, loss, total = 0.0, 0.0, len(data.test_labels)
    for start in range(0, total, _EVALUATED_AT_ONCE):
        part = slice(start, start + _EVALUATED_AT_ONCE)
        hits, losses = _score(
            task.apply, task.unravel(flat), data.test_images[part], data.test_labels[part], batching.moments(data)
        )
        right, loss = right + float(hits), loss + float(losses)
    return {"accuracy": right / total, "test_loss": loss / total}


def success_rate(task: Task, flat: jax.Array, data: Dataset, trigger: Trigger) -> float:
    """How many of the test images of other classes are taken for the target once the trigger is on them.

    A model that never saw the trigger has a rate too, that of its own mistakes: compare with a run without attack.
    """
    if trigger.target >= data.classes:
        raise ValueError(f"target={trigger.target}: legal are 0..{data.classes - 1}, the classes of {data.name}")
    others = data.test_labels != trigger.target
    stamped = np.asarray(trigger.stamp(data.test_images[others]))
    wanted = np.full(len(stamped), trigger.target, data.test_labels.dtype)
    return evaluate(task, flat, dataclasses.replace(data, test_images=stamped, test_labels=wanted))["accuracy"]


@partial(jax.jit, static_argnums=0)
def _score(apply, params, images, labels, moments):
    logits = apply(params, batching.standardise(images, moments))
    hits = jnp.argmax(logits, axis=1) == labels
    losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
    return jnp.sum(hits), jnp.sum(losses)


def _compiled(run: Run) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two jitted halves of a round, before and after the aggregation."""
    peers = int(run.batches.sizes.shape[0])
    malicious = tuple(bool(bad) for bad in malicious_mask(run.malicious, peers))
    return _before(run.method, run.attack, malicious, run.batch, run.seed, run.peers_at_once), _after(run.method)


@lru_cache(maxsize=32)  # experiments train the same method under the same attack with one rule after the other
def _before(
    method: Method, attack: Attack | None, malicious: tuple[bool, ...], batch: int, seed: int, peers_at_once: int | None
) -> Callable[..., Any]:
    mask = np.array(malicious)
    honest_weight = (~mask).astype(np.float32) / np.float32((~mask).sum())

    @jax.jit
    def prepare(state, data, number):
        images, labels = batching.pick(data, number, batch)
        if attack is not None:
            images, labels = attack.data(images, labels, mask)
        images = batching.standardise(images, data.moments)
        updates, losses, new, public = method.local(state, images, labels, peers_at_once)
        if attack is not None:
            key = jax.random.fold_in(jax.random.key(seed), number)
            points = {name: public.get(name) for name in ("center", "reference")}
            updates = attack(updates, mask, key=key, **points)
        return updates, jnp.dot(honest_weight, losses), new, public

    return prepare


@lru_cache(maxsize=32)
def _after(method: Method) -> Callable[..., Any]:
    @jax.jit
    def finish(state, value, verified):
        applied = verified & jnp.all(jnp.isfinite(value))
        new = method.step(state, jnp.where(applied, value, jnp.float32(0)))
        return jax.tree.map(lambda after, before: jnp.where(applied, after, before), new, state), applied

    return finish
