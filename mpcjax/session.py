"""One round: peers deal, the committee checks, combines, verifies and opens.

A round is a chain of phases, each a function `(rt, setup, state) -> state` on arrays. The simulator compiles every phase
on its own (so that each can be timed, and a failed check stops the round before the next); inside a user's `jit` all
phases are traced into one program; on the threaded fabric the same functions run eagerly on one-row arrays.

Order (the three laws of the design): offline material is verified before any phase uses it; certificates are judged only
after their products are verified; the output opens only after everything is verified.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax.certificates import Certificate, Dealt
from mpcjax.checks import verdict
from mpcjax.fabric import Entry, Fabric, Simulated
from mpcjax.fields import fixed
from mpcjax.offline import Counter, Demand, Stock, count, prepare
from mpcjax.prg import Stream
from mpcjax.protocols import check_dealings, coin, deal, deal_masks, open_many, open_now, verify
from mpcjax.rules import Public, Rule
from mpcjax.runtime import Runtime
from mpcjax.secret import Secret
from mpcjax.sharing import Shamir

State = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Setup:
    """All that is static about a round: hashable, the key of its compiled programs."""

    scheme: Shamir
    rule: Rule
    peers: int
    length: int
    fraction_bits: int | None = None

    @property
    def certificate(self) -> Certificate:
        return self.rule.certificate(self.peers)

    @property
    def bits(self) -> int:
        """Fractional bits of the messages: as many as the certificate's bound leaves room for, or fewer if asked."""
        most = self.certificate.fraction_bits(self.scheme.field, self.length, self.peers)
        if self.fraction_bits is None:
            return most
        if not isinstance(self.fraction_bits, (int, np.integer)) or not 0 <= self.fraction_bits <= most:
            raise ValueError(
                f"fraction_bits={self.fraction_bits}: legal are whole numbers from 0 to {most} for this rule, field and "
                "length; leave it out for the most, or lower the rule's limit for more"
            )
        return self.fraction_bits


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Output:
    """Shares of the combined vector and its static scale."""

    shares: Any
    scale: int = dataclasses.field(metadata={"static": True})


def _deal(rt: Runtime, setup: Setup, state: State) -> State:
    """Peers encode and deal; they answer the first coin; the dealings are checked with a second."""
    field, certificate, public = rt.field, setup.certificate, state["public"]
    peers = Stream.from_seed(state["seed"]).per_row("peer", range(setup.peers))
    updates = state["updates"]
    finite = jnp.all(jnp.isfinite(updates), axis=1)
    clean = jnp.where(finite[:, None], updates, 0)
    message = jax.vmap(setup.rule.local, in_axes=(0, 0, None))(clean, jnp.arange(setup.peers), public)
    _require_shape(setup.rule, "local", message[0], (setup.length,))
    integers = fixed.to_integers(message, setup.bits)
    fits = certificate.holds(field, integers, setup.bits)  # who would fail withdraws: a failing test says something
    integers = jnp.where(fits[:, None], integers, 0)
    x = deal(rt, integers, peers, "message")
    helpers = _deal_if_any(rt, certificate.helpers(field, integers, setup.bits), peers, "helpers")
    agreed = certificate.agree(coin(rt), setup.length)
    responses = _deal_if_any(rt, certificate.responses(field, integers, setup.bits, agreed), peers, "responses")
    dealt = Dealt(x, helpers, responses, setup.bits)
    masks = deal_masks(rt, peers)
    well = check_dealings(rt, coin(rt), dealt.blocks, masks)
    own = {"finite": finite, "fits": fits}
    return {**own, "public": public, "well": well, "agreed": agreed, "dealt": (x, helpers, responses)}


def _require_shape(rule: Rule, part: str, got: Any, legal: tuple[int, ...]) -> None:
    if jnp.shape(got) != legal:
        raise ValueError(f"rule {rule.name!r}: {part} returned shape {jnp.shape(got)}, legal is {legal}")


def _deal_if_any(rt: Runtime, values: Any, peers: Stream, label: str) -> Any:
    if values.shape[-1]:
        return deal(rt, values, peers, label)
    return rt.field.zeros((len(rt.fabric.rows), *values.shape))


def _exclude(rt: Runtime, setup: Setup, state: State) -> State:
    """Shares of peers that dealt badly become sharings of zero, so that they cannot stop the others."""
    well = state["well"][None, :, None]
    return {**state, "dealt": tuple(jnp.where(well, part, jnp.zeros_like(part)) for part in state["dealt"])}


def _certify(rt: Runtime, setup: Setup, state: State) -> State:
    """Every peer's certificate becomes sharings that are zero for an honest peer; their products are claimed."""
    message, helpers, responses = state["dealt"]
    dealt = Dealt(message, helpers, responses, setup.bits)
    tests = setup.certificate.tests(rt, state["agreed"], coin(rt), dealt)
    kept = {key: state[key] for key in ("public", "finite", "fits", "well")}
    return {**kept, "message": dealt.message, "tests": tests, "products": rt.products, "zeros": rt.zeros}


def _judge(rt: Runtime, setup: Setup, state: State) -> State:
    """Verify the certificates' products, then open the tests: one accepted/rejected bit per peer."""
    rt.products, rt.zeros = list(state["products"]), list(state["zeros"])
    verify(rt)
    opened = open_now(rt, state["tests"], "certificate", output=True)
    certified = state["fits"] & jnp.all(verdict("certificate", opened == 0), axis=-1)
    accepted = certified & state["well"] & state["finite"]
    public: Public = state["public"]
    public = dataclasses.replace(public, accepted=accepted, weights=jnp.where(accepted, public.weights, 0))
    return {**{key: state[key] for key in ("finite", "well", "message")}, "public": public, "certified": certified}


def _reject(rt: Runtime, setup: Setup, state: State) -> State:
    """Messages of peers that are not accepted become sharings of zero: no rule can use them by mistake, and what the
    certificate promises about every message (its bound) holds for all of them."""
    accepted, message = state["public"].accepted[None, :, None], state["message"]
    return {**state, "message": jnp.where(accepted, message, jnp.zeros_like(message))}


def _combine(rt: Runtime, setup: Setup, state: State) -> State:
    """The rule on secrets; its products and openings are claimed."""
    bound = setup.certificate.bound(setup.bits, setup.length)
    combined = setup.rule.combine(Secret(rt, state["message"], setup.bits, bound), state["public"])
    _require_vector(combined, setup)
    kept = {key: state[key] for key in ("public", "finite", "well", "certified")}
    return {**kept, "output": Output(combined.shares, combined.scale), "products": rt.products, "zeros": rt.zeros}


def _require_vector(combined: Any, setup: Setup) -> None:
    if not isinstance(combined, Secret) or combined.shape != (setup.length,):
        got = combined.shape if isinstance(combined, Secret) else type(combined).__name__
        raise ValueError(
            f"rule {setup.rule.name!r}: combine returned {got}, it must return a Secret of shape ({setup.length},); "
            "compute with the messages it is given, by operators and mpcjax.secret functions"
        )


def _settle(rt: Runtime, setup: Setup, state: State) -> State:
    """Verify everything that led to the output."""
    rt.products, rt.zeros = list(state["products"]), list(state["zeros"])
    verify(rt)
    return {key: value for key, value in state.items() if key not in ("products", "zeros")}


def _open(rt: Runtime, setup: Setup, state: State) -> State:
    """Open the output to all, check the opening, and let everybody finish."""
    output: Output = state["output"]
    opened = open_many(rt, output.shares, "output", output=True)
    verify(rt)
    value = fixed.decode(rt.field, opened, output.scale)
    value = setup.rule.finish(value, state["public"])
    _require_shape(setup.rule, "finish", value, (setup.length,))
    value = jnp.where(rt.verified, value, jnp.nan)
    kept = {key: state[key] for key in ("finite", "well", "certified")}
    return {**kept, "accepted": state["public"].accepted, "value": value}


Phase = Callable[[Runtime, Setup, State], State]
PHASES: dict[str, Phase] = {
    "deal": _deal,
    "exclude": _exclude,
    "certify": _certify,
    "verify certificates": _judge,
    "reject": _reject,
    "combine": _combine,
    "verify": _settle,
    "open": _open,
}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Standing:
    """Where a round stands: `ok`, the checks that failed (name to bool, true is passed), corrected or proven liars."""

    ok: Any
    checks: dict[str, Any]
    accused: Any


def fresh_standing(parties: int) -> Standing:
    return Standing(jnp.array(True), {}, jnp.zeros((parties,), bool))


def run_phase(
    name: str, setup: Setup, fabric: Fabric, seed: Any, material: Any, state: State, standing: Standing
) -> tuple[State, Standing]:
    """One online phase on `fabric`, with the verdicts of the phases before it."""
    rt = _runtime(name, setup, fabric, seed, material, standing)
    with fabric.ledger.in_phase(name):
        if name == "deal":
            state = {**state, "seed": seed}
        state = PHASES[name](rt, setup, state)
    return state, _standing(rt, standing)


def run_offline(setup: Setup, fabric: Fabric, seed: Any) -> tuple[list[Stock], Standing]:
    """Verified material for all online phases."""
    standing = fresh_standing(setup.scheme.parties)
    rt = _runtime("offline", setup, fabric, seed, None, standing)
    demands = plan(setup).demands
    with fabric.ledger.in_phase("offline"):
        stock = prepare(rt, sum(demands, Demand()))
    return stock.split(list(demands)), _standing(rt, standing)


def run_round(setup: Setup, fabric: Fabric, seed: Any, updates: Any, public: Public) -> tuple[State, Standing]:
    """The whole round on any fabric, in the current trace (or eagerly, where a failed check raises)."""
    stocks, standing = run_offline(setup, fabric, seed)
    state: State = {"updates": updates, "public": public}
    for name, stock in zip(PHASES, stocks, strict=True):
        state, standing = run_phase(name, setup, fabric, seed, stock, state, standing)
    return state, standing


def _runtime(name: str, setup: Setup, fabric: Fabric, seed: Any, material: Any, standing: Standing) -> Runtime:
    stream = Stream.from_seed(seed).per_row("party", fabric.rows).child(name)
    rt = Runtime(setup.scheme, fabric, stream, material)
    rt.verdicts.append(("before", standing.ok))
    rt.accused = standing.accused
    return rt


def _standing(rt: Runtime, before: Standing) -> Standing:
    checks = dict(before.checks)
    for name, ok in rt.verdicts[1:]:
        checks[name] = checks.get(name, True) & ok
    return Standing(rt.verified, checks, rt.accused)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a round will need and send, known before it runs; exact."""

    demands: tuple[Demand, ...]
    entries: tuple[Entry, ...]
    opened: tuple[str, ...]
    bits: int


@lru_cache(maxsize=256)
def plan(setup: Setup) -> Plan:
    """Trace all phases abstractly: no array is touched."""
    scheme, shape = setup.scheme, jax.ShapeDtypeStruct
    vector = shape((setup.length,), jnp.float32)
    needs_reference = "reference" in setup.rule.needs
    public = Public(
        shape((setup.peers,), jnp.float32), shape((setup.peers,), bool), vector, vector if needs_reference else None
    )
    state: Any = {"updates": shape((setup.peers, setup.length), jnp.float32), "public": public}
    standing: Any = jax.eval_shape(lambda: fresh_standing(scheme.parties))
    seed = shape((8,), jnp.uint32)
    demands, entries, opened = [], [], []
    for name in PHASES:
        fabric, counter = Simulated(scheme.parties), Counter(scheme.field, scheme.parties)

        def abstract(seed: Any, state: State, standing: Standing) -> tuple[State, Standing]:
            return run_phase(name, setup, fabric, seed, counter, state, standing)  # noqa: B023 - called at once

        state, standing = jax.eval_shape(abstract, seed, state, standing)
        demands.append(counter.demand)
        entries += fabric.ledger.entries
        opened += fabric.ledger.opened
    _, ledger = count(lambda rt: _booked_offline(rt, sum(demands, Demand())), scheme)
    return Plan(tuple(demands), (*ledger.entries, *entries), tuple(opened), setup.bits)


def _booked_offline(rt: Runtime, demand: Demand) -> None:
    with rt.fabric.ledger.in_phase("offline"):
        prepare(rt, demand)
