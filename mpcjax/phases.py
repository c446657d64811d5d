"""The phases of a round: peers deal, the committee checks, combines, verifies and opens.

Each phase is a function `(rt, setup, state) -> state` on arrays; `session` runs them in the order of `PHASES`. (Those of
weighted rules in groups of peers are in `weighing`.)

Order (the three laws of the design): offline material is verified before any phase uses it; certificates are judged only
after their products are verified; the output opens only after everything is verified.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat
from mpcjax.certificates import Dealt, prove_equations, tests, to_check
from mpcjax.checks import verdict
from mpcjax.fields import fixed, kernels
from mpcjax.prg import Stream
from mpcjax.protocols import Dealers, check_dealings, coin, deal, deal_masks, dealers, open_now, open_output, verify
from mpcjax.rules import Public, Rule, call, explained
from mpcjax.runtime import Material, Runtime
from mpcjax.secret import Secret
from mpcjax.seeds import of_peers
from mpcjax.setup import Setup
from mpcjax.spreading import Spread

State = dict[str, Any]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Output:
    """Shares of the combined vector and its static scale (and bound, of what is not opened yet)."""

    shares: Any
    scale: int = dataclasses.field(metadata={"static": True})
    bound: int = dataclasses.field(default=0, metadata={"static": True})


def _deal(rt: Runtime, setup: Setup, state: State) -> State:
    """Peers encode and deal; they answer a coin, and prove what a second one asks; the dealings are checked with a third."""
    field, public = rt.field, state["public"]
    certificate = setup.certificate.given(public, setup.bits)
    peers = dealers(rt, of_peers(state["seed"], setup.peers))
    (integers, own), given = _messages(setup, state)
    with rt.fabric.ledger.by_each(setup.spread.devices):
        x = deal(rt, integers, _of_slices(setup, state["seed"], peers), "message", state.get("scratch"))
    helpers = certificate.helpers(field, integers, setup.bits, own["sums"], **given)
    helper_shares = _deal_if_any(rt, helpers, peers, "helpers")
    agreed = certificate.agree(setup.spread.own(coin(rt)), integers.shape[-1])
    responses = certificate.responses(field, integers, setup.bits, agreed, **given)
    dealt = Dealt(x, helper_shares, _deal_if_any(rt, responses, peers, "responses"), setup.bits)
    equations = certificate.equations(rt, agreed, coin(rt), dealt)
    proofs = prove_equations(rt, peers, equations, Dealt(integers, helpers, responses, setup.bits), dealt)
    masks = deal_masks(rt, peers)
    mark = certificate.fingerprint(field)
    marks = jnp.broadcast_to(mark, (own["fits"].shape[0], *mark.shape))
    words = jnp.concatenate([own["finite"][:, None], own["fits"][:, None], marks], axis=1)
    present, said = rt.fabric.roll_call(words, "roll call", mark.shape[0])
    present = present & jnp.all(said[:, 2:] == mark, axis=1)
    well = check_dealings(rt, coin(rt), to_check(equations, proofs, dealt), masks, present)
    own = {"finite": said[:, 0], "fits": said[:, 1]}
    return {**own, "public": public, "well": well, "equations": equations, "dealt": dealt, "proofs": proofs}


def _of_slices(setup: Setup, seed: Any, peers: Dealers) -> Dealers:
    """The randomness of messages: of every slice its own, where they are cut."""
    if setup.spread.axis is None:
        return peers
    own = setup.spread.own(Stream.from_seed(seed)).per_row("peer", range(setup.peers))
    return Dealers(own, own.shared("members", setup.scheme.threshold))


OWN = ("finite", "fits", "sums")  # what every peer finds out about its message


def _messages(setup: Setup, state: State) -> tuple[tuple[Any, State], dict[str, Any]]:
    """What `encoded` gives, or gave before the messages were cut; and what the peer's side of a certificate is told then."""
    if setup.spread.axis is None:
        return encoded(setup, state), {}
    return (state["integers"], {key: state[key] for key in OWN}), {"spread": setup.spread}


def encoded(setup: Setup, state: State) -> tuple[Any, State]:
    """Every peer's message as integers `[n, d]`, zero where it withdraws; why it does, and `Certificate.sums`. Of whole updates.

    In blocks of parameters `fits [n]` comes in: who withdraws from one block does from all.
    """
    updates = state["updates"]
    finite = kernels.all_finite(updates)
    numbers = state["first"] + np.arange(updates.shape[0], dtype=np.int32)

    def integers_of(updates: Any, finite: Any, numbers: Any, public: Public) -> Any:
        clean = jnp.where(finite[:, None], updates, 0)
        # in types of 32 bits, as its author sees it alone: else a key gives other random numbers
        with _compat.x32(), explained(setup.rule, "local"):
            message = jax.vmap(setup.rule.local, in_axes=(0, 0, None))(clean, numbers, public)
        one = message[0] if hasattr(message, "shape") else message
        _require_shape(setup.rule, "local", one, (setup.message_length,))
        message = jnp.where(jnp.isnan(message), jnp.inf, message)  # what no certificate lets through
        return fixed.to_integers(message, setup.bits, setup.certificate.inward)

    integers = kernels.encoded_once(integers_of, updates, finite, numbers, state["public"])
    # who would fail withdraws: a failing test says something
    certificate, field = setup.certificate.given(state["public"], setup.bits), setup.scheme.field
    sums = certificate.sums(field, integers)
    fits = certificate.holds(field, integers, setup.bits, sums) & state.get("fits", True)
    sums = tuple(jnp.where(fits, one, 0) for one in sums)
    return jnp.where(fits[:, None], integers, 0), {"finite": finite, "fits": fits, "sums": sums}


def _require_shape(rule: Rule, part: str, got: Any, legal: tuple[int, ...]) -> None:
    got_shape = getattr(got, "shape", None)
    if got_shape != legal:
        found = f"a {type(got).__name__}" if got_shape is None else f"shape {got_shape}"
        raise ValueError(f"rule {rule.name!r}: {part} returned {found}, legal is {legal}, one array")


def _deal_if_any(rt: Runtime, values: Any, peers: Dealers, label: str) -> Any:
    if values.shape[-1]:
        return deal(rt, values, peers, label)
    return rt.field.zeros((len(rt.fabric.rows), *values.shape))


def _exclude(rt: Runtime, setup: Setup, state: State) -> State:
    """Shares of peers that dealt badly become sharings of zero, so that they cannot stop the others."""
    well = state["well"][None, :, None]

    def kept(part: Any) -> Any:
        return jnp.where(well, part, jnp.zeros_like(part)) if part.ndim == 3 else part  # a proof has public parts too

    return {**state, **{name: jax.tree_util.tree_map(kept, state[name]) for name in ("dealt", "proofs")}}


def _certify(rt: Runtime, setup: Setup, state: State) -> State:
    """Every peer's certificate becomes sharings that are zero for an honest peer; their products are claimed."""
    opened_later = tests(rt, state["equations"], state["proofs"], state["dealt"])
    kept = {key: state[key] for key in ("public", "finite", "fits", "well")}
    message = state["dealt"].message
    return {**kept, "message": message, "tests": opened_later, "products": rt.products, "zeros": rt.zeros}


def _judge(rt: Runtime, setup: Setup, state: State) -> State:
    """Verify the certificates' products, then open the tests: one accepted/rejected bit per peer."""
    rt.products, rt.zeros = list(state["products"]), list(state["zeros"])
    verify(rt)
    opened = open_now(rt, state["tests"], "certificate", output=True)
    certified = state["fits"] & jnp.all(verdict("certificate", opened == 0), axis=-1)
    public: Public = state["public"]
    accepted = public.accepted & certified & state["well"] & state["finite"]
    order = _order(rt, setup.peers) if setup.rule.shuffles else public.order
    public = dataclasses.replace(public, accepted=accepted, weights=jnp.where(accepted, public.weights, 0), order=order)
    return {**{key: state[key] for key in ("finite", "well", "message")}, "public": public, "certified": certified}


def _order(rt: Runtime, peers: int) -> Any:
    """A public random permutation `[n]`, drawn when no message can change any more. Two of 2^61 numbers are hardly the same."""
    return jnp.argsort(coin(rt).uniform("order", rt.field, (peers,))[0]).astype(jnp.int32)


def _reject(rt: Runtime, setup: Setup, state: State) -> State:
    """Messages of peers that are not accepted become sharings of zero: no rule can use them by mistake, and what the
    certificate promises about every message (its bound) holds for all of them."""
    accepted, message = state["public"].accepted[None, :, None], state["message"]
    return {**state, "message": jnp.where(accepted, message, jnp.zeros_like(message))}


def _combine(rt: Runtime, setup: Setup, state: State) -> State:
    """The rule on secrets; its products and openings are claimed."""
    if setup.spread.axis is not None:
        rt.material = _NoMaterial(setup.spread)
    combined = call(setup.rule, "combine", Secret(rt, state["message"], setup.bits, setup.bound), state["public"])
    _require_vector(combined, setup, "combine", setup.summed_length)
    # of all peers: those that fill up the last group add nothing, and a sum has room in proportion to its terms
    reach = -(-combined.bound * setup.everyone // setup.peers)
    Secret(rt, combined.shares, combined.scale, reach, "sum over groups of peers")  # or refused
    if setup.rule.settles and not setup.total:
        once = kernels.once(combined.shares)  # not added up anew in each product
        combined = _settled(setup, Secret(rt, once, combined.scale, combined.bound), state["public"])
    handed_on = ("message",) if setup.total else ()  # the memory of a group's shares is the next one's
    kept = {key: state[key] for key in ("public", "finite", "well", "certified", *handed_on)}
    return {
        **kept,
        "output": Output(combined.shares, combined.scale, reach),
        "products": rt.products,
        "zeros": rt.zeros,
    }


def _settled(setup: Setup, total: Secret, public: Public) -> Secret:
    settled = call(setup.rule, "settle", total, public)
    _require_vector(settled, setup, "settle", setup.length)
    return settled


def _settle_all(rt: Runtime, setup: Setup, state: State) -> State:
    """What the rule makes of the sum over all groups; its products and openings are claimed."""
    total: Output = state["output"]
    settled = _settled(setup, Secret(rt, total.shares, total.scale, total.bound), state["public"])
    return {**state, "output": Output(settled.shares, settled.scale), "products": rt.products, "zeros": rt.zeros}


class _NoMaterial(Material):
    """Where devices combine slices alone: the same material on all of them would mask two slices by one number."""

    def __init__(self, spread: Spread):
        self.spread = spread

    def take(self, kind: str, shape: tuple[int, ...]) -> tuple[Any, ...]:
        self.spread.refuse("a product or comparison of secrets in combine")
        raise AssertionError


def _require_vector(found: Any, setup: Setup, part: str, length: int) -> None:
    local = length if setup.spread.axis is None else setup.spread.local
    if not isinstance(found, Secret) or found.shape != (local,):
        got = found.shape if isinstance(found, Secret) else type(found).__name__
        raise ValueError(
            f"rule {setup.rule.name!r}: {part} returned {got}, it must return a Secret of shape ({length},); "
            "compute with what it is given, by operators and mpcjax.secret functions"
        )


def _verify(rt: Runtime, setup: Setup, state: State) -> State:
    """Verify everything that led to the output."""
    rt.products, rt.zeros = list(state["products"]), list(state["zeros"])
    verify(rt)
    return {key: value for key, value in state.items() if key not in ("products", "zeros")}


def _open(rt: Runtime, setup: Setup, state: State) -> State:
    """Open the output to all, check the opening, and let everybody finish."""
    output: Output = state["output"]
    if setup.spread.axis is not None:
        _require_finish(setup, output, state["public"])
    opened = Output(open_output(rt, output.shares, "output"), output.scale)
    verify(rt)
    kept = {key: state[key] for key in ("finite", "well", "certified")} | {"accepted": state["public"].accepted}
    if state["public"].order is not None:
        kept["order"] = state["public"].order
    if setup.spread.axis is not None:
        return {**kept, "public": state["public"], "output": opened}
    value = finished(setup, opened, state["public"])
    return {**kept, "value": jnp.where(rt.verified, value, jnp.nan)}


def _require_finish(setup: Setup, output: Output, public: Public) -> None:
    """Devices have slices, so everybody finishes outside this program: what `finish` may not return is found while tracing it."""

    def whole(x: Any) -> Any:
        return None if x is None else jax.ShapeDtypeStruct((setup.length,), x.dtype)

    vectors = {name: whole(getattr(public, name)) for name in ("center", "reference")}
    opened = dataclasses.replace(output, shares=whole(output.shares))
    jax.eval_shape(partial(finished, setup), opened, dataclasses.replace(public, **vectors))


def finished(setup: Setup, opened: Output, public: Public) -> Any:
    """What everybody makes of the opened vector (in place of the shares); of the whole of it."""
    value = fixed.decode(setup.scheme.field, opened.shares, opened.scale)
    with _compat.x32(), explained(setup.rule, "finish"):
        value = setup.rule.finish(value, public)
    _require_shape(setup.rule, "finish", value, (setup.length,))
    return value


Phase = Callable[[Runtime, Setup, State], State]
PHASES: dict[str, Phase] = {
    "deal": _deal,
    "exclude": _exclude,
    "certify": _certify,
    "verify certificates": _judge,
    "reject": _reject,
    "combine": _combine,
    "verify": _verify,
    "settle": _settle_all,
    "verify settled": _verify,
    "open": _open,
}
SETTLING = ("settle", "verify settled")  # of groups of peers: all peers at once are settled as they are combined
ALL = tuple(name for name in PHASES if name not in SETTLING)
GROUPED, LAST = ALL[:-1], ALL[-1:]  # what every group of peers goes through, and what follows for the sum
JUDGED, COMBINED = GROUPED[:-3], GROUPED[-3:]  # what every block of parameters does until all are judged, and after


def last_of(rule: Rule) -> tuple[str, ...]:
    """What follows for the sum over all groups."""
    return (*SETTLING, *LAST) if rule.settles else LAST


def starting(updates: Any, public: Public, first: Any = None) -> State:
    """What the first phase takes; `first` is the number of the first of these peers, 0 by default.

    It may also take a `scratch`, whose memory the shares of the messages are then written to.
    """
    return {"updates": updates, "public": public, "first": np.int32(0) if first is None else first}
