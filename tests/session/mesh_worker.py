"""What `test_mesh` runs in processes of their own, for the number of devices is fixed when JAX starts: prints one JSON line.

`python mesh_worker.py JOB ...` with one of the functions of `JOBS`.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

import mpcjax
from mpcjax import devices, simulator
from mpcjax._compat import x64
from mpcjax.api import setup_of
from mpcjax.forwarding import Forwarding

KEY = np.arange(8, dtype=np.uint32)
PEERS = 4
COLLECTIVE = re.compile(
    r"= (.*?) (all-gather|all-reduce|all-to-all|collective-\w+|reduce-scatter|ragged-[\w-]+)(?:-start)?\("
)


def updates(length: int) -> np.ndarray:
    """One of them is not finite, one is long."""
    x = np.random.default_rng(0).normal(size=(PEERS, length)).astype(np.float32)
    x[1, 3], x[2] = np.nan, 50 * x[2]
    return x


def mesh_of(count: int) -> Mesh:
    return Mesh(np.array(jax.devices()[:count]), (devices.AXIS,))


def aggregate(rule: str, length: int, committee: Any, **kwargs: Any) -> Any:
    x = updates(length)
    more = {"weights": np.arange(1.0, PEERS + 1)} if rule == "mean" else {"center": {"w": x[0]}}
    return mpcjax.aggregate({"w": x}, rule, committee=committee, key=KEY, **more, **kwargs)


def same(a: Any, b: Any) -> bool:
    """The same bits of the value, and the same about the peers."""
    parts = ("verified", "accepted", "finite", "well_dealt", "certified")
    equal = [np.asarray(getattr(a.report, part)) == np.asarray(getattr(b.report, part)) for part in parts]
    bits = [np.asarray(one.value["w"]).view(np.uint32) for one in (a, b)]
    return bool(all(one.all() for one in equal) and (bits[0] == bits[1]).all() and np.asarray(a.value["w"]).any())


def bits(rule: str, length: str, parties: str = "3", group: str = "") -> dict[str, Any]:
    """Without a mesh, and on one of 1 and of 8 devices."""
    sizes = dict(parties=int(parties), threshold=1)
    alone, found = aggregate(rule, int(length), mpcjax.simulate(**sizes)), {}
    for count in (1, 8):
        committee = mpcjax.simulate(**sizes, mesh=mesh_of(count), group=int(group) if group else None)
        result = aggregate(rule, int(length), committee)
        estimated = mpcjax.estimate(rule, int(length), peers=PEERS, committee=committee)
        found[str(count)] = [same(alone, result), estimated == result.report.cost]
    return found


def collectives(rule: str, length: str) -> dict[str, Any]:
    """By phase: kind and number of elements of all collectives in the programs of a round, as compiled."""
    mesh, found, call = mesh_of(8), {}, Forwarding.__call__

    def noted(program: Any, *args: Any) -> Any:
        found[id(program)] = _listed(program._compute.lower(*args).compile().as_text())
        return call(program, *args)

    Forwarding.__call__ = noted
    committee = mpcjax.simulate(3, mesh=mesh)
    aggregate(rule, int(length), committee)
    with x64():
        setup = setup_of(mpcjax.rules.resolve(rule), committee, PEERS, int(length))
        programs = simulator.compiled(setup, tamper=None, mesh=mesh)
        encoding = devices.encoding(setup, mesh, PEERS)
    assert {id(program) for program in programs.values()} >= set(found) and encoding._cache_size() == 1
    return {name: found[id(program)] for name, program in programs.items() if id(program) in found}


def _listed(text: str) -> list[list[Any]]:
    """`[kind, elements of the largest result]` of each."""
    found = []
    for shapes, kind in COLLECTIVE.findall(text):
        sizes = [int(np.prod([int(n) for n in dims.split(",") if n])) for dims in re.findall(r"\[([\d,]*)\]", shapes)]
        found.append([kind, max(sizes)])
    return found


def noise(rule: str, length: str) -> dict[str, Any]:
    """Of a dealing of the same number everywhere: whether two slices, or two peers, share some of their noise."""
    mesh, kept = mesh_of(8), {}
    committee, call = mpcjax.simulate(3, mesh=mesh), Forwarding.__call__

    def noted(program: Any, *args: Any) -> Any:
        result = call(program, *args)
        if len(args) == 6 and "dealt" in result[0]:
            kept.setdefault("dealt", result[0]["dealt"])
        return result

    Forwarding.__call__ = noted
    mpcjax.aggregate(np.ones((PEERS, int(length)), np.float32), rule, committee=committee, key=KEY)
    dealt = kept["dealt"]
    message = np.asarray(dealt.message)[:, 0]  # [devices, peers, L]: the first member's
    helpers = np.asarray(dealt.helpers)
    return {
        "different": int(np.unique(message).size),
        "of": int(message.size),
        "helpers are the same everywhere": bool((helpers == helpers[:1]).all()),
    }


def tampered(rule: str, length: str, phase: str) -> dict[str, Any]:
    """A member that cheats in `phase`: the committees whose round was aborted, and whether the value is right."""
    cheat = mpcjax.attacks.Cheat(peers=tuple(range(PEERS)), phase=phase)
    honest = aggregate(rule, int(length), mpcjax.simulate(3))
    result = aggregate(rule, int(length), mpcjax.simulate(3, mesh=mesh_of(8), tamper=cheat))
    return {"failed": len(result.report.failed), "same": same(honest, result)}


def alone(rule: str, length: str) -> dict[str, Any]:
    """The round without a mesh."""
    return _digest(aggregate(rule, int(length), mpcjax.simulate(3)))


def one_of_two(rule: str, length: str, address: str, number: str) -> dict[str, Any]:
    """The part of one of two processes in a round on the devices of both."""
    jax.distributed.initialize(address, 2, int(number))
    assert jax.process_count() == 2
    mesh = mesh_of(len(jax.devices()))
    return _digest(aggregate(rule, int(length), mpcjax.simulate(3, mesh=mesh))) | {"devices": mesh.size}


def _digest(result: Any) -> dict[str, Any]:
    value = np.asarray(result.value["w"])
    return {
        "value": hashlib.sha256(value.tobytes()).hexdigest(),
        "accepted": np.asarray(result.report.accepted).tolist(),
    }


JOBS = {job.__name__: job for job in (bits, collectives, noise, tampered, alone, one_of_two)}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](*sys.argv[2:])))
