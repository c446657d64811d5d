"""Vectors in slices on the devices of a mesh: the same bits, nothing long between devices, no noise used twice."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

import mpcjax
from mpcjax.lanes import Clock
from mpcjax.rules import RSA

WORKER = Path(__file__).with_name("mesh_worker.py")
ROOT = Path(__file__).parents[2]


def started(*job: Any, devices: int = 8) -> subprocess.Popen[str]:
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(WORKER), *map(str, job)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(worker: subprocess.Popen[str]) -> Any:
    out, errors = worker.communicate(timeout=500)
    assert worker.returncode == 0, errors[-3000:]
    return json.loads(out.splitlines()[-1])


@pytest.mark.long
@pytest.mark.parametrize(
    ("rule", "length", "more"),
    [
        ("rsa", 1003, ()),
        ("centered_clipping", 10007, ()),
        ("mean", 5, ()),  # three devices have nothing but what fills up
        ("rsa", 1003, (4,)),  # robust
        ("centered_clipping", 1003, (3, 3)),  # in groups of three peers
    ],
)
def test_the_same_bits_on_one_and_on_eight_devices(rule, length, more):
    """And the estimate is what the report says."""
    assert said(started("bits", rule, length, *more)) == {"1": [True, True], "8": [True, True]}


@pytest.mark.long
def test_only_sums_and_folds_of_slices_leave_a_device():
    """Each of 80,003 / 8 coordinates, four peers, three members. In the compiled programs there is no other collective."""
    found = said(started("collectives", "centered_clipping", 80_003))
    assert {name for name, listed in found.items() if listed} == {"deal", "open"}
    for listed in found.values():
        assert {kind for kind, _ in listed} <= {"all-reduce", "all-gather"}
    sums = {
        172,  # squared norms and 43 projections of four peers, in one
        8,  # h.h of the public mixture of projections, and its fold
        8 * 4 * 9,  # what the peers deal at the first level of the proof (four pieces)
        8 * 4 * 147,  # and at the others (two levels of fifty pieces)
        8 * 4 * 150,
        8 * 3 * 4,  # the folded vectors, one number a device, member and peer
    }
    assert {size for _, size in found["deal"]} == sums
    assert {size for _, size in found["open"]} == {8 * 3}  # a random combination of every member's slice


@pytest.mark.long
def test_no_two_slices_are_dealt_with_the_same_noise():
    found = said(started("noise", "centered_clipping", 4000))
    assert found == {"different": 4 * 4000, "of": 4 * 4000, "helpers are the same everywhere": True}


@pytest.mark.long
@pytest.mark.parametrize("phase", ["deal", "verify certificates", "open"])
def test_a_cheat_is_caught_on_a_mesh(phase):
    assert said(started("tampered", "rsa", 1003, phase)) == {"failed": 1, "same": True}


@pytest.mark.long
@pytest.mark.parametrize("rule", ["rsa", "centered_clipping"])
def test_two_processes_give_the_same_bits(rule):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    pair = [started("one_of_two", rule, 1003, address, number, devices=2) for number in range(2)]
    results = [said(worker) for worker in pair]
    expected = said(started("alone", rule, 1003, devices=1)) | {"devices": 4}
    assert results == [expected, expected]


def mesh() -> Mesh:
    return Mesh(np.array(jax.devices()[:1]), ("parameters",))


@pytest.mark.user
def test_what_does_not_run_on_a_mesh_is_refused():
    committee = mpcjax.simulate(3, mesh=mesh())
    x = np.ones((4, 6), np.float32)
    for rule in ("fltrust", "krum", "multi_krum"):
        with pytest.raises(ValueError, match="cannot run on a mesh"):
            mpcjax.estimate(rule, 6, peers=4, committee=committee)
    with pytest.raises(ValueError, match="outside of jit"):
        jax.jit(lambda x: mpcjax.aggregate(x, "rsa", committee=committee, key=np.zeros(8, np.uint32)).value)(x)
    with pytest.raises(ValueError, match="field=61"):
        mpcjax.simulate(3, mesh=mesh(), field=31)
    with pytest.raises(ValueError, match="'parameters'"):
        mpcjax.simulate(3, mesh=Mesh(np.array(jax.devices()[:1]), ("data",)))


@dataclasses.dataclass(frozen=True)
class _Cut(RSA):
    """Returns fewer numbers than there are parameters."""

    name = "cut"

    def finish(self, combined, public):
        return super().finish(combined, public)[:-1]


@pytest.mark.user
@pytest.mark.parametrize("sizes", [{}, {"group": 2}])
def test_a_wrong_finish_is_refused_before_anything_is_dealt(monkeypatch, sizes):
    """Devices have slices, so everybody finishes outside the compiled phases, when all is opened."""
    monkeypatch.setattr(Clock, "runs", lambda self, name: pytest.fail(f"{name} has begun"))
    committee = mpcjax.simulate(3, mesh=mesh(), **sizes)
    with pytest.raises(ValueError, match=r"cut.*finish.*shape"):
        mpcjax.aggregate(np.ones((4, 6), np.float32), _Cut(1.0), committee=committee, key=np.zeros(8, np.uint32))


@dataclasses.dataclass(frozen=True)
class _Ordered(RSA):
    """`finish` needs the order that a coin has drawn."""

    name = "ordered"
    shuffles = True

    def finish(self, combined, public):
        return super().finish(combined, public) * (public.order.sum() / 6)


@pytest.mark.user
def test_an_order_is_known_to_those_who_finish():
    """It is one of four peers, 0 + 1 + 2 + 3."""
    result = mpcjax.aggregate(np.ones((4, 6), np.float32), _Ordered(1.0), committee=mpcjax.simulate(3, mesh=mesh()))
    np.testing.assert_array_equal(result.value, 4)
