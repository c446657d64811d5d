"""A round on a mesh of devices: its inputs are cut into slices, its result is put together.

All arrays of the compiled phases have a leading axis over the devices of the mesh axis `AXIS`; what is short stands there
once per device. What a peer does alone (`Rule.local`) may look at its whole update, and floating point sums depend on their
order: so the *peers* are spread over the devices there, each on one of them, and the encoded messages are then cut. This is
the one step that moves data of the length of the model; between parties it is within each peer.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from mpcjax.phases import Output, State, encoded, finished
from mpcjax.rules import Public
from mpcjax.setup import Setup
from mpcjax.spreading import Spread, over_devices
from mpcjax.standing import Standing

AXIS = "parameters"
Walk = Callable[..., tuple[State, Standing]]


def on_mesh(walk: Walk, setup: Setup, mesh: Any) -> Walk:
    """`walk(programs, seed, state, scratch)` with a state as without a mesh, but that the vectors it returns are cut."""

    def run(programs: Any, seed: Any, state: State, scratch: Any = None) -> tuple[State, Standing]:
        state, standing = walk(programs, np.asarray(seed), _cut(setup, mesh, state), scratch)
        return _short(state), jax.tree.map(one_of, standing)

    return run


def scratch(setup: Setup, mesh: Any) -> Any:
    """Memory for the shares of all messages."""
    shape = (setup.scheme.parties, setup.peers, setup.message_length)
    if setup.spread.axis is None:
        return jnp.zeros(shape, setup.scheme.field.dtype)
    shape = (setup.spread.devices, *shape[:2], setup.spread.local)
    return jnp.zeros(shape, setup.scheme.field.dtype, device=_sharding(mesh, AXIS))


def put_together(setup: Setup, mesh: Any, state: State, public: Public) -> State:
    """The final state with the whole value, as everybody computes it from what was opened, on one device.

    What peers do with floating point numbers in `finish` depends on how it is compiled: here it is as without a mesh.
    """
    found, output = state.pop("public"), state.pop("output")
    whole = _here(mesh, output.shares).reshape(-1)[: setup.length]
    center, reference = (None if x is None else _here(mesh, x) for x in (public.center, public.reference))
    public = Public(found.weights, found.accepted, center, reference, found.order)
    return {**state, "value": _finish(setup)(dataclasses.replace(output, shares=whole), public, np.array(True))}


def one_of(x: Any) -> Any:
    """What every device has, from one of those of this process."""
    return jnp.asarray(np.asarray(x.addressable_shards[0].data)[0])


def _cut(setup: Setup, mesh: Any, state: State) -> State:
    """Whole updates become encoded messages, vectors become slices, what is short is handed to every device."""
    spread, state = setup.spread, dict(state)
    public: Public = state.pop("public")
    if "updates" in state:
        state = _encode(setup, mesh, state.pop("updates"), state.pop("first"), public)
    else:
        state = {key: x if key == "output" else _to_all(spread, mesh, x) for key, x in state.items()}
    short = {part: _to_all(spread, mesh, getattr(public, part)) for part in ("weights", "accepted")}
    long = {part: _slices(spread, mesh, getattr(public, part)) for part in ("center", "reference")}
    return {**state, "public": Public(**short, **long)}


def _short(state: State) -> State:
    """What every device has becomes an array of this process; vectors stay where they are."""
    long = {key: state[key] for key in ("output", "message") if key in state}
    if "public" in state:
        state = {**state, "public": dataclasses.replace(state["public"], center=None, reference=None)}
    return {**{key: jax.tree.map(one_of, x) for key, x in state.items() if key not in long}, **long}


def _encode(setup: Setup, mesh: Any, updates: Any, first: Any, public: Public) -> State:
    peers, devices = updates.shape[0], setup.spread.devices
    missing = -peers % devices
    rows = jnp.pad(updates, ((0, missing), (0, 0))) if missing else updates
    rows = _placed(rows.reshape(devices, -1, rows.shape[1]), _sharding(mesh, AXIS))
    first, public = jax.tree.map(lambda x: _placed(x, _sharding(mesh)), (first, public))
    return encoding(setup, mesh, peers)(first, public, rows)


@lru_cache(maxsize=64)
def encoding(setup: Setup, mesh: Any, peers: int) -> Any:
    """The program in which every device encodes the messages of its peers, `[devices, peers / devices, d]`, and cuts them."""
    spread = setup.spread

    def encode(first: Any, public: Public, rows: Any) -> State:
        count = rows.shape[0]
        number = first + (jax.lax.axis_index(AXIS) * count).astype(np.int32)
        integers, own = encoded(setup, {"updates": rows, "first": number, "public": public})
        filler = jnp.where(own["fits"], setup.certificate.filler, 0).astype(integers.dtype)
        width = spread.devices * spread.local - setup.length
        whole = jnp.concatenate([integers, jnp.broadcast_to(filler[:, None], (count, width))], axis=1)
        pieces = whole.reshape(count, spread.devices, spread.local)
        slices = jax.lax.all_to_all(pieces, AXIS, split_axis=1, concat_axis=0, tiled=True)[:, 0]
        own = jax.tree.map(lambda x: jax.lax.all_gather(x, AXIS, tiled=True)[:peers], own)
        return {**own, "integers": slices[:peers]}

    return jax.jit(over_devices(spread, mesh, shared=2)(encode))


@lru_cache(maxsize=64)
def _finish(setup: Setup) -> Any:
    def program(opened: Output, public: Public, verified: Any) -> Any:
        # with the choice that the phase "open" ends in: without it XLA rounds otherwise (it fuses multiply and add)
        return jnp.where(verified, finished(setup, opened, public), jnp.nan)

    return jax.jit(program)


def _here(mesh: Any, x: Any) -> Any:
    """All of `x` on a device of this process."""
    return np.asarray(_placed(x, _sharding(mesh)).addressable_shards[0].data)


def _to_all(spread: Spread, mesh: Any, x: Any) -> Any:
    return _placed(np.broadcast_to(np.asarray(x), (spread.devices, *x.shape)), _sharding(mesh, AXIS))


def _slices(spread: Spread, mesh: Any, x: Any) -> Any:
    if x is None:
        return None
    filled = jnp.pad(x, (0, spread.devices * spread.local - spread.length))
    return _placed(filled.reshape(spread.devices, -1), _sharding(mesh, AXIS))


def _sharding(mesh: Any, *axes: str) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec(*axes))


def _placed(x: Any, sharding: NamedSharding) -> Any:
    """`x` by `sharding`, also on a mesh of several processes, of which each has all of x (or x is spread over them)."""
    spanning = isinstance(x, jax.Array) and not x.is_fully_addressable
    if spanning or sharding.is_fully_addressable:
        return jax.device_put(x, sharding)
    host = np.asarray(x)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])
