"""How a round of training begins and ends: what the peers compute, and what becomes of the aggregate.

A method keeps its whole state in one dictionary of arrays, so a checkpoint is that dictionary. It has four functions:

  ``init() -> state``
  ``local(state, images, labels, peers_at_once) -> Local``: every peer's own step, on ``[n, batch, ...]``
  ``step(state, value) -> state``: what every peer does with the opened value
  ``params(state) -> [d]``: the model to evaluate

A method is hashed by identity: runs that share one, and their attack, share their compiled programs.

Momentum is on the peer's side, as an exponential average: ``m_i <- beta m_i + (1 - beta) g_i``. In Karimireddy et al.
it is a sum, ``m_i <- beta m_i + g_i``, that is 1 / (1 - beta) larger: rescale learning rate and clip when porting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax

from mpcjax.train.models import Task

State = dict[str, Any]


class Local(NamedTuple):
    """updates ``[n, d]``, mean loss ``[n]``, the new state, and the aggregator's public arguments."""

    updates: jax.Array
    losses: jax.Array
    state: State
    public: dict[str, jax.Array]


class Method(Protocol):
    def init(self) -> State: ...
    def local(self, state: State, images: jax.Array, labels: jax.Array, peers_at_once: int | None) -> Local: ...
    def step(self, state: State, value: jax.Array) -> State: ...
    def params(self, state: State) -> jax.Array: ...


@dataclass(frozen=True, eq=False)
class Descent:
    """All peers hold the same model; the aggregate of their momenta is the gradient of an optax optimiser.

    For the rules that return something like a gradient. ``public`` names what the rule takes besides:
    ``"center"``, the previous aggregate (zero at first); ``"reference"``, the gradient on the public ``root`` batch,
    with the same momentum, which every peer computes by itself; None.
    """

    task: Task
    peers: int
    optimizer: optax.GradientTransformation
    momentum: float = 0.9
    public: str | None = None
    root: tuple[jax.Array, jax.Array] | None = None

    def __post_init__(self) -> None:
        if self.public not in (None, "center", "reference"):
            raise ValueError(f'public={self.public!r}: must be "center", "reference" or None')
        if (self.public == "reference") != (self.root is not None):
            raise ValueError('public="reference" and a root batch belong together')

    def init(self) -> State:
        zeros = jnp.zeros(self.task.size, jnp.float32)
        state: State = {
            "params": self.task.start,
            "optimizer": self.optimizer.init(self.task.start),
            "momentum": jnp.zeros((self.peers, self.task.size), jnp.float32),
        }
        if self.public is not None:
            state[self.public] = zeros
        return state

    def local(self, state: State, images: jax.Array, labels: jax.Array, peers_at_once: int | None = None) -> Local:
        def one(batch):
            return self.task.value_and_grad(state["params"], *batch)

        losses, gradients = _over_peers(one, (images, labels), peers_at_once)
        updates = self._average(state["momentum"], gradients)
        new = state | {"momentum": _keep_finite(updates, state["momentum"])}
        public: dict[str, jax.Array] = {}
        if self.public == "reference":
            assert self.root is not None
            reference = self._average(state["reference"], self.task.value_and_grad(state["params"], *self.root)[1])
            new["reference"] = public["reference"] = reference
        elif self.public == "center":
            public["center"] = state["center"]
        return Local(updates, losses, new, public)

    def step(self, state: State, value: jax.Array) -> State:
        change, optimizer = self.optimizer.update(value, state["optimizer"], state["params"])
        new = state | {"params": optax.apply_updates(state["params"], change), "optimizer": optimizer}
        return new | {"center": value} if self.public == "center" else new

    def params(self, state: State) -> jax.Array:
        return state["params"]

    def _average(self, old: jax.Array, gradient: jax.Array) -> jax.Array:
        beta = jnp.float32(self.momentum)
        return beta * old + (1 - beta) * gradient


@dataclass(frozen=True, eq=False)
class Rsa:
    """Every peer keeps its own model and sends its difference from the shared one (Li et al. 2019, algorithm 2).

    Peer: ``th_i -= a (m_i + lam sign(th_i - th_0))`` with m_i the momentum of its gradient at th_i; it sends
    ``th_i - th_0``. The rule gives the pull, ``lam sum_i sign(th_i - th_0)``: ``mpcjax.rules.rsa(lam=penalty)`` with
    the same penalty. Shared: ``th_0 += a (pull - mu th_0)``. The rate a is ``rate``, or ``rate / sqrt(round + 1)`` with
    ``decay``.
    """

    task: Task
    peers: int
    rate: float
    penalty: float
    weight_decay: float = 0.0
    momentum: float = 0.0
    decay: bool = False

    def init(self) -> State:
        start = jnp.broadcast_to(self.task.start, (self.peers, self.task.size))
        state: State = {"params": self.task.start, "peers": start, "count": jnp.zeros((), jnp.int32)}
        return state | ({"momentum": jnp.zeros_like(start)} if self.momentum else {})

    def local(self, state: State, images: jax.Array, labels: jax.Array, peers_at_once: int | None = None) -> Local:
        def one(batch):
            return self.task.value_and_grad(*batch)

        losses, direction = _over_peers(one, (state["peers"], images, labels), peers_at_once)
        new = dict(state)
        if self.momentum:
            beta = jnp.float32(self.momentum)
            direction = beta * state["momentum"] + (1 - beta) * direction
            new["momentum"] = _keep_finite(direction, state["momentum"])
        pull = jnp.float32(self.penalty) * jnp.sign(state["peers"] - state["params"])
        moved = state["peers"] - self._rate(state) * (direction + pull)
        new["peers"] = _keep_finite(moved, state["peers"])
        return Local(moved - state["params"], losses, new, {})

    def step(self, state: State, value: jax.Array) -> State:
        change = value - jnp.float32(self.weight_decay) * state["params"]
        return state | {"params": state["params"] + self._rate(state) * change, "count": state["count"] + 1}

    def params(self, state: State) -> jax.Array:
        return state["params"]

    def _rate(self, state: State) -> jax.Array:
        rate = jnp.float32(self.rate)
        return rate / jnp.sqrt((state["count"] + 1).astype(jnp.float32)) if self.decay else rate


def _over_peers(one: Callable[[Any], Any], batches: Any, peers_at_once: int | None) -> Any:
    """``one`` on every peer's batch: all at once with vmap, or ``peers_at_once`` at a time where memory is short."""
    if peers_at_once is None:
        return jax.vmap(one)(batches)
    return jax.lax.map(one, batches, batch_size=peers_at_once)


def _keep_finite(new: jax.Array, old: jax.Array) -> jax.Array:
    """Rows that are not finite stay as they were, so one bad batch does not spoil a peer for good."""
    return jnp.where(jnp.all(jnp.isfinite(new), axis=1, keepdims=True), new, old)
