"""The public verbs: `simulate`, `aggregate`, `estimate`."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mpcjax import _compat, arguments, simulator
from mpcjax._trees import size_of, stack_rows
from mpcjax.costs import Rates
from mpcjax.fields import Field
from mpcjax.offline import Demand
from mpcjax.planning import plan
from mpcjax.report import Cost, Happened, Report
from mpcjax.rules import Rule, require_additive, require_coordinatewise, resolve
from mpcjax.setup import Setup
from mpcjax.sharing import Shamir
from mpcjax.simulator import Committee

LOG = logging.getLogger("mpcjax")


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Result:
    """`value`: pytree like one peer's update; `report`: see `Report`."""

    value: Any
    report: Report


def simulate(
    parties: int,
    threshold: int | None = None,
    *,
    field: int = 61,
    tamper: Any = None,
    attempts: int = 5,
    group: int | None = None,
    block: int | None = None,
    mesh: Any = None,
) -> Committee:
    """A committee whose parties all live in this process.

    It computes every message and every check of the protocol, and gives no privacy against whoever owns the process;
    only one process per party does.

    Args:
        parties: committee size m, 3 at least.
        threshold: t, the corrupt members withstood, 1 at least; by default the largest honest-majority one, (m - 1) // 2. With
            t < m / 3 the online phases are *robust*: wrong shares are corrected, their senders named, and the round goes
            on (the offline phase, which touches no input, can be stopped and is then repeated).
        field: Mersenne exponent, 61 by default.
        tamper: an adversary for tests and demonstrations, see `mpcjax.attacks.Cheat`.
        attempts: committees tried before `aggregate` gives up with `Abort`. A round disturbed at its opening and repeated
            shows another output of the same honest updates to whoever disturbed it; 1 never repeats.
        group: peers that an additive or weighted rule (`Rule.additive`, `Rule.weighted`) handles together outside of `jit`, two
            such groups at a time: memory follows them, rounds follow the number of groups, the value stays the same. By default
            all peers up to a gigabyte of shares (two for a weighted rule, which goes through its groups three times), and half
            a gigabyte a group from there on.
        block: parameters that a coordinate-wise rule (`Rule.coordinatewise`) handles together outside of `jit`, two such blocks
            at a time, likewise. By default as many as need a gigabyte, as predicted.
        mesh: a `jax.sharding.Mesh` with an axis "parameters", for models whose shares outgrow one device: outside of `jit`
            the shares and all else as long as the model are cut into slices for the devices of this axis (on all other
            axes the same is computed). For additive rules whose certificate is `Norm` or `Signs`, in the field of 61 bits.
            Result: the same value, on one device as without a mesh. All devices are one machine to the protocol, and may
            belong to several processes (`jax.distributed`) that make the same calls with the same arguments and key.

    Guarantee (of the protocol it runs): t corrupt members, active; privacy, and correctness or abort; soundness error at
    most 2^-40 per check.
    """
    arguments.require_committee(parties, threshold, field, attempts, {"group": group, "block": block}, mesh)
    if tamper is not None and not (hasattr(tamper, "arrays") and hasattr(tamper, "hook")):
        raise ValueError(f"tamper={tamper!r}: legal is an adversary such as mpcjax.attacks.Cheat")
    chosen = (parties - 1) // 2 if threshold is None else threshold
    return Committee(Shamir(Field(field), parties, chosen), tamper, attempts, group, block, mesh)


@_compat.x64_scope
def aggregate(
    updates: Any,
    rule: Rule | str,
    *,
    committee: Committee,
    weights: Any = None,
    center: Any = None,
    reference: Any = None,
    key: Any = None,
    round: Any = 0,
    fraction_bits: int | None = None,
) -> Result:
    """Aggregate the peers' updates by `rule` under actively secure MPC.

    Args:
        updates: pytree, every leaf `[peers, ...]` floating point. A single float32 array of numpy's is read as the round goes on:
            leave it as it is meanwhile.
        rule: a `Rule` such as `mpcjax.rules.centered_clipping(clip=10.0)`, or its name.
        committee: from `mpcjax.simulate`; its members are drawn from the peers anew for every round.
        weights: public weights `[peers]` >= 0, for rules that use them; equal by default.
        center: pytree like one update: the agreed point updates are measured from; zero by default.
        reference: pytree like one update: the agreed update of `fltrust`.
        key: 256 bits as 32 bytes or uint32[8]; fresh from the operating system by default. Required inside `jit`.
            Never give the same key and round to two calls, nor `vmap` over one of them: the shares of both would be
            masked by the same numbers, and the difference of two updates would be seen.
        round: number of the round, 0 to 2^32 - 1; the same key serves many rounds (also a traced integer, in `scan`).
        fraction_bits: precision of the encoding; by default as much as the rule's certificate leaves room for.

    Returns:
        `Result(value, report)`. A peer whose update is not finite, or whose dealing or certificate fails, is left out
        and named in `report.excluded`.

    Raises:
        ValueError: for arguments, naming the leaf or value, what is legal and the fix.
        MemoryError: when the device has too little memory; nothing is opened then.
        Abort: when `committee.attempts` committees in a row were disturbed (eager calls). Inside `jit` nothing can be
            raised or repeated: the value is NaN wherever `report.verified` is false.

    Computed in float32, handed back in the dtypes of the leaves. Weights are rounded to 2^-12 of the largest. When no peer
    is accepted the value is the rule's of nothing: zero, or the center. Eager calls remember proven liars in `committee`.
    """
    rule = resolve(rule)
    matrix, unravel = stack_rows(updates, lent=True)
    public = arguments.public_of(rule, updates, matrix, weights, center, reference)
    inside = not all(_compat.is_concrete(x) for x in jax.tree_util.tree_leaves((matrix, public, key, round)))
    setup = setup_of(rule, committee, matrix.shape[0], matrix.shape[1], fraction_bits, at_once=inside)
    if key is None and committee.mesh is not None and jax.process_count() > 1:
        raise ValueError("a mesh of several processes needs key=, the same 256 bits in all of them")
    if setup.groups == 1:
        matrix = jnp.asarray(matrix)  # in groups of peers the device needs a few rows at a time
    key, round = arguments.key_of(key, inside), arguments.round_of(round)
    if inside and committee.mesh is not None:
        raise ValueError(
            "mesh= is for calls outside of jit: inside it, use a committee without mesh= and shard the updates"
        )
    matrix = arguments.constant(matrix) if inside else matrix
    run = simulator.traced if inside else simulator.eager
    outcome = run(setup, committee, key, round, matrix, public)
    result = Result(unravel(outcome.state["value"]), _report(setup, outcome))
    if not inside:
        say_if_nobody(setup, result.report)
    return result


@_compat.x64_scope
def estimate(
    rule: Rule | str,
    params: Any,
    *,
    peers: int,
    committee: Committee,
    fraction_bits: int | None = None,
    rates: Rates | None = None,
) -> Cost:
    """Exact communication, material and leakage of a round outside of `jit`, without running it; prints as a table.

    `Cost.memory` and `Cost.seconds(network)` are predicted, for a round in which nobody cheats. Large
    rounds of additive and weighted rules run in groups of peers, each with the rounds of a whole one; inside `jit`, or with
    `simulate(..., group=peers)`, there is one.

    Args:
        rule: a rule or its name.
        params: pytree like one update (arrays or `jax.ShapeDtypeStruct`), or the number of parameters.
        peers, committee: number of peers that deal, and who computes, from `mpcjax.simulate`.
        rates: of a machine, from `mpcjax.costs.calibrate()`; without them no time to compute is predicted.
    """
    if rates is not None and not isinstance(rates, Rates):
        raise ValueError(f"rates={rates!r}: legal is what mpcjax.costs.calibrate() returns")
    length = size_of(params)
    if length < 1:
        raise ValueError(
            f"params={params!r}: legal are a tree like one update, or the number of its parameters, from 1"
        )
    cost = cost_of(setup_of(resolve(rule), committee, peers, length, fraction_bits), counting=True)
    return dataclasses.replace(cost, rates=rates)


def setup_of(
    rule: Rule, committee: Committee, peers: int, length: int, fraction_bits: int | None = None, at_once: bool = False
) -> Setup:
    """What is static about a round; `ValueError` where it cannot be.

    `at_once`: neither in groups nor in blocks, as inside of `jit` and between real peers.
    """
    if not isinstance(committee, Committee):
        raise ValueError(f"committee={committee!r}: make one with mpcjax.simulate(parties=5, threshold=2)")
    if isinstance(peers, bool) or not isinstance(peers, int | np.integer):
        raise ValueError(f"peers={peers!r}: legal are whole numbers from 3")
    if peers < 3:
        raise ValueError(f"{peers} peers: at least 3 are needed for a committee of which one member may be corrupt")
    if peers < committee.parties:
        raise ValueError(
            f"{peers} peers cannot fill a committee of {committee.parties}: its members are drawn from the peers; use "
            f"mpcjax.simulate(parties={peers}) or fewer"
        )
    if length < 1:
        raise ValueError("an update has no parameters: give leaves of shape [peers, ...] with at least one element")
    setup = Setup(committee.scheme, rule, peers, length, fraction_bits, spread=committee.spread(length))
    _warn_of_coarse(setup)  # or refuse here what the field has no room for
    spreads = rule.additive and setup.certificate.spreads and setup.message_length == length
    if committee.mesh is not None and not spreads:
        raise ValueError(
            f"rule {rule.name!r} cannot run on a mesh: it is no sum over the peers (Rule.additive), or its messages are "
            "longer than updates, or its certificate needs whole messages (Certificate.spreads); legal are mean, rsa, "
            "centered_clipping and rules like them; leave out mesh="
        )
    return setup if at_once else _in_parts(setup, committee)


def _in_parts(setup: Setup, committee: Committee) -> Setup:
    """The same in groups or blocks, where it is large; `ValueError` where the rule is not what it says it is."""
    rule, peers, length = setup.rule, setup.peers, setup.length
    setup = dataclasses.replace(setup, groups=committee.groups(peers, length, rule))
    setup = dataclasses.replace(setup, blocks=committee.blocks(setup))
    if rule.additive and setup.groups > 1:
        require_additive(rule, length)
    if setup.blocks > 1:
        require_coordinatewise(rule, peers)
    return setup


COARSE = 14  # bits of the largest message that are left at least without a word


def say_if_nobody(setup: Setup, report: Report) -> None:
    """Logs a warning where the value of a round is the rule's of no update at all, which looks like any other."""
    if not np.any(report.accepted):
        passing = f"messages must pass {setup.certificate!r}: clip updates to it in the rule's `local`, or raise the rule's limit"
        LOG.warning(
            "mpcjax: none of %d updates was accepted, so the value of rule %r is that of nothing: report.excluded says why; %s",
            setup.peers,
            setup.rule.name,
            passing if np.any(report.finite) else "not one is finite, so look at how they are made",
        )


def _warn_of_coarse(setup: Setup) -> None:
    """`UserWarning` where so few fractional bits fit that messages are hardly numbers any more."""
    limit = getattr(setup.certificate, "limit", None)
    if limit is None or setup.fraction_bits is not None or limit * 2.0**setup.bits >= 1 << COARSE:
        return
    warnings.warn(
        f"rule {setup.rule.name!r}: messages of up to {limit:g} get {setup.bits} fractional bits only, as `combine` has room for "
        f"no more in the field of {setup.scheme.field.exponent} bits; round what grows in it by mpcjax.secret.rescale, lower "
        "the limit, or accept this by fraction_bits=",
        stacklevel=5,
    )


def cost_of(setup: Setup, counting: bool = False) -> Cost:
    planned = plan(setup, counting=counting)
    scheme = setup.scheme
    return Cost(
        planned.entries, sum(planned.demands, Demand()), scheme.parties, scheme.threshold, setup.peers, setup.length,
        planned.bits, setup.rule.reveals, setup.rule.name, scheme.field.nbytes, planned.load,
    )  # fmt: skip


def _report(setup: Setup, outcome: simulator.Outcome) -> Report:
    state = outcome.state
    return Report(
        verified=outcome.standing.ok,
        accepted=state["accepted"],
        finite=state["finite"],
        well_dealt=state["well"],
        certified=state["certified"],
        accused=outcome.standing.accused,
        cost=cost_of(setup),
        happened=Happened(outcome.members, outcome.failed, outcome.seconds),
        order=state.get("order"),
    )
