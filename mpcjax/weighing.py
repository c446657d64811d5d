"""The phases of a weighted rule (`Rule.score`, `Rule.weigh`) whose peers are handled in groups; `passes` runs them.

Some are of a group: `SCORED`, which follow its dealing, and the local ones, `AGAIN`, `SUM` and `PROJECT`. Those of
`PIECES` are of all peers, and hold nothing as large as the messages.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from mpcjax.fields import kernels
from mpcjax.phases import GROUPED, Output, Phase, State, encoded
from mpcjax.protocols import claim_sum, deal, dealers, fixed_sum, projections
from mpcjax.rules import Public, call
from mpcjax.runtime import Runtime
from mpcjax.secret import Secret
from mpcjax.seeds import of_peers
from mpcjax.setup import Setup

PER_PEER = ("finite", "well", "certified")


def _score(rt: Runtime, setup: Setup, state: State) -> State:
    """What the weights of a group of peers follow from; its products are claimed."""
    scores = call(setup.rule, "score", Secret(rt, state["message"], setup.bits, setup.bound), state["public"])
    kept = {key: state[key] for key in ("public", *PER_PEER, "message")}
    return {**kept, "scores": _per_peer(setup, "score", scores), "products": rt.products, "zeros": rt.zeros}


def _weigh(rt: Runtime, setup: Setup, state: State) -> State:
    """The secret weights of all peers; products and openings are claimed. What their sum may reach is refused here."""
    scores: Output = state["scores"]
    weights = call(setup.rule, "weigh", Secret(rt, scores.shares, scores.scale, scores.bound), state["public"])
    found = _per_peer(setup, "weigh", weights)
    reach = setup.bound * found.bound * setup.peers
    Secret(rt, found.shares, found.scale + setup.bits, reach, "weighted sum over groups of peers")  # or refused
    kept = {key: value for key, value in state.items() if key != "scores"}
    return {**kept, "weights": found, "products": rt.products, "zeros": rt.zeros}


def _per_peer(setup: Setup, part: str, found: object) -> Output:
    if not isinstance(found, Secret) or found.shape != (setup.peers,):
        got = found.shape if isinstance(found, Secret) else type(found).__name__
        raise ValueError(
            f"rule {setup.rule.name!r}: {part} returned {got}, it must return a Secret of shape ({setup.peers},), a number "
            "for each peer it is given"
        )
    return Output(found.shares, found.scale, found.bound)


def _deal_again(rt: Runtime, setup: Setup, state: State) -> State:
    """The shares of the messages of a group once more, as its peers dealt them: the members would have kept them.

    The same streams give the same shares of the same messages, and whoever tampered with them does again.
    """
    integers, _ = encoded(setup, state)
    with rt.fabric.repeated("deal"):
        peers = dealers(rt, of_peers(state["seed"], setup.peers))
        return {"message": deal(rt, integers, peers, "message", state.get("scratch"))}


def _sum(rt: Runtime, setup: Setup, state: State) -> State:
    """Adds a group's weighted messages to the `total [rows, d]` of degree 2t. Who is left out counts as zero. Local."""
    weights = jnp.where(state["public"].accepted, state["weights"].shares, 0)
    summed = kernels.materialized(lambda w, x: kernels.combine(rt.field, w, x, axis=1), weights, state["message"])
    return {**state, "total": rt.field.add(state["total"], summed)}


def _reduce(rt: Runtime, setup: Setup, state: State) -> State:
    """The sum over all groups gets degree t, unverified; then public directions to verify it along are drawn."""
    z, directions = fixed_sum(rt, state["total"], state["weights"].shares, list(state["products"]))
    return {**{key: value for key, value in state.items() if key != "total"}, "sum": z, "directions": directions}


def _project(rt: Runtime, setup: Setup, state: State) -> State:
    """A group's messages along the directions. Who is left out counts as zero, as in the sum. Local."""
    found = projections(rt, state["message"], state["directions"])
    return {**state, "projected": jnp.where(state["public"].accepted, found, 0)}


def _claim(rt: Runtime, setup: Setup, state: State) -> State:
    """The sum is the output, and joins what is to be verified. Local."""
    rt.products, weights = list(state["products"]), state["weights"]
    claim_sum(rt, weights.shares, state["projected"], state["sum"], state["directions"])
    kept = {key: state[key] for key in ("public", *PER_PEER, "zeros")}
    return {**kept, "output": Output(state["sum"], weights.scale + setup.bits), "products": rt.products}


PHASES: dict[str, Phase] = {
    "score": _score,
    "weigh": _weigh,
    "deal again": _deal_again,
    "sum": _sum,
    "reduce": _reduce,
    "project": _project,
    "claim": _claim,
}
SCORED = (*(name for name in GROUPED if name not in ("combine", "verify")), "score", "verify")
AGAIN, SUM, PROJECT = ("deal again",), ("sum",), ("project",)  # these take no material and send nothing
WEIGH, REDUCE, SETTLE = ("weigh",), ("reduce",), ("claim", "verify", "open")
PIECES = (WEIGH, REDUCE, SETTLE)
CHAIN = (*WEIGH, *SUM, *REDUCE, *PROJECT, *SETTLE)  # how a state goes through them


def abstract(setup: Setup, scored: State) -> State:
    """Shapes that `CHAIN` starts from, all peers at once, where `scored` are those that a group ends `SCORED` with."""
    shape, dtype, one = jax.ShapeDtypeStruct, setup.scheme.field.dtype, scored["public"]
    rows, peers, length = setup.scheme.parties, setup.peers, setup.message_length
    bits = {key: shape((peers,), bool) for key in PER_PEER}
    public = Public(shape((peers,), jnp.float32), shape((peers,), bool), one.center, one.reference)
    scores = dataclasses.replace(scored["scores"], shares=shape((rows, peers), dtype))
    message, total = shape((rows, peers, length), dtype), shape((rows, length), dtype)
    return {**bits, "public": public, "scores": scores, "message": message, "total": total}
