"""What is compiled once is not compiled again: in one process, and with JAX's persistent cache in the next one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

import mpcjax
from mpcjax import forwarding, planning, simulator
from mpcjax._compat import program_options
from mpcjax.forwarding import Forwarding
from mpcjax.phases import ALL, GROUPED, LAST, SETTLING
from mpcjax.rules import Public
from tests.session._agreement import Agreement
from tests.session._squared import Squared

ROUNDS = """
import json, sys
import jax, jax.numpy as jnp
import mpcjax

counts = {"compiled": 0, "missed": 0, "found": 0}
events = {"/jax/compilation_cache/cache_misses": "missed", "/jax/compilation_cache/cache_hits": "found"}

def counted(event, **_):
    if event in events:
        counts[events[event]] += 1

def timed(event, _, **__):
    counts["compiled"] += event.endswith("backend_compile_duration")

jax.monitoring.register_event_listener(counted)
jax.monitoring.register_event_duration_secs_listener(timed)
committee, seen = mpcjax.simulate(parties=3), []
for number in range(2):
    result = mpcjax.aggregate(jnp.ones((4, 7)), "rsa", committee=committee, key=b"k" * 32, round=number)
    jax.block_until_ready(result.value)
    seen.append(dict(counts))
print(json.dumps(seen))
"""


def rounds(cache: Path) -> list[dict[str, Any]]:
    """Counts after the first and the second round of a process of its own."""
    kept = {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment = {**os.environ, **kept, "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    done = subprocess.run([sys.executable, "-c", ROUNDS], env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.long
def test_nothing_is_compiled_twice(tmp_path: Path) -> None:
    first, second = rounds(tmp_path)
    assert first["missed"] and second == first, "a second round of the same shapes compiles nothing"
    again, _ = rounds(tmp_path)
    assert again["missed"] == 0 and again["found"] >= first["missed"], "nor does the next process"


class Settled(Squared):
    """Goes through the phases of FLTrust, with a reference too, and takes a third of its time to compile."""

    takes = ("reference",)

    def local(self, update: Any, peer: Any, public: Public) -> Any:
        return super().local(update if public.reference is None else update - public.reference, peer, public)


@pytest.mark.parametrize(
    ("rule", "cut"),
    [
        (Settled(), {"group": 3}),
        pytest.param("fltrust", {"group": 3}, marks=pytest.mark.long),
        (Agreement(), {"block": 5}),
        pytest.param("median", {"block": 5}, marks=pytest.mark.long),
    ],
    ids=["groups", "fltrust in groups", "blocks", "median in blocks"],
)
def test_programs_are_called_as_they_were_begun(
    rule: Any, cut: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With other shapes, or other arrays that are there twice, they would be compiled twice, in the background for nothing."""
    monkeypatch.setattr(forwarding, "LARGE", 0)
    begun: dict[int, Any] = {}
    begin, call = Forwarding.begin, Forwarding.__call__

    def kinds(args: Any) -> Any:
        leaves, structure = jax.tree.flatten(forwarding._once_each(args))
        return [(x.shape, x.dtype, getattr(x, "weak_type", False)) for x in leaves], structure

    def noted(self: Forwarding, pool: Any, *args: Any) -> Any:
        begun[id(self)] = kinds(args)
        return begin(self, pool, *args)

    def compared(self: Forwarding, *args: Any) -> Any:
        assert begun[id(self)] == kinds(args)
        return call(self, *args)

    monkeypatch.setattr(Forwarding, "begin", noted)
    monkeypatch.setattr(Forwarding, "__call__", compared)
    given: dict[str, Any] = {} if "block" in cut else {"reference": jnp.ones(9)}
    simulator.compiled.cache_clear()  # what other tests have begun
    report = mpcjax.aggregate(jnp.ones((8, 9)), rule, committee=mpcjax.simulate(3, **cut), **given).report
    assert bool(report.verified) and len(begun) > 9


class Misshapen(mpcjax.rules.RSA):
    """What is wrong with it shows in the last phase only."""

    def finish(self, combined: Any, public: Any) -> Any:
        return combined[:-1]


@pytest.mark.parametrize("group", [None, 2], ids=["at once", "groups"])
@pytest.mark.parametrize("bound", [False, True], ids=["anywhere", "bound to a device"])
def test_what_cannot_be_traced_is_refused_before_anything_runs(
    group: int | None, bound: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the second time, when programs of the first phases have been begun; and where none are."""
    ran: list[Forwarding] = []
    monkeypatch.setattr(Forwarding, "__call__", lambda self, *_: ran.append(self))
    x = jax.device_put(jnp.ones((4, 7)), jax.devices()[0]) if bound else jnp.ones((4, 7))
    for _ in range(2):
        with pytest.raises(ValueError, match="finish returned"):
            mpcjax.aggregate(x, Misshapen(), committee=mpcjax.simulate(3, group=group))
    assert not ran


def test_flags_of_the_user_come_before_options_of_the_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "")
    ours = program_options("cpu")
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
    level = ours.pop("xla_backend_optimization_level")
    assert level == 2 and program_options("cpu") == ours and program_options("tpu") == {}


@pytest.mark.parametrize("group", [None, 2])
def test_a_round_is_planned_once(group: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its programs need, what they are begun with, and what its report says: of the same walk through the phases."""
    traced = list[str]()
    after, made = planning.Walk._next, planning._made

    def counted(walk: planning.Walk, name: str) -> planning.Step:
        traced.append(name)
        return after(walk, name)

    def material(setup: Any, demand: Any, counting: bool) -> planning.Step:
        traced.append("material")
        return made(setup, demand, counting)

    monkeypatch.setattr(planning.Walk, "_next", counted)
    monkeypatch.setattr(planning, "_made", material)
    x = jnp.arange(76.0).reshape(4, 19) / 76  # no other test has this shape: plans are kept
    mpcjax.aggregate({"w": x}, Squared(), committee=mpcjax.simulate(3, group=group))
    phases = ALL if group is None else (*GROUPED, *SETTLING, *LAST, "material")  # of the groups and of what follows
    assert sorted(traced) == sorted((*phases, "material"))
