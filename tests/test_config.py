"""The library leaves JAX as it found it: a fresh interpreter compares every setting before and after import and use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

# What a user's program sees of JAX: every setting, the environment, the dtypes that arrays get by default.
OBSERVE = """
import json, os, sys, warnings
import jax, jax.numpy as jnp, numpy as np

def observe():
    dtypes = [str(jnp.asarray(x).dtype) for x in (1, 1.0, np.int64(1), np.float64(1))]
    filters = [str(f) for f in warnings.filters]
    return [{k: repr(v) for k, v in jax.config.values.items()}, dict(os.environ), dtypes, filters]

before = observe()
"""
REPORT = """
after = observe()
differences = [[b, a] for b, a in zip(before, after) if b != a]
print(json.dumps(differences))
"""
USES = {
    "import": "import mpcjax",
    "internal scope": """
from mpcjax import _compat
with _compat.x64():
    assert jnp.zeros(2, jnp.uint64).dtype == jnp.uint64
jax.jit(_compat.x64_scope(lambda x: x.astype(jnp.uint64).sum().astype(jnp.uint32)))(jnp.arange(3))
""",
    "error inside the scope": """
from mpcjax import _compat
@_compat.x64_scope
def fail(): raise ValueError("on purpose")
try: fail()
except ValueError: pass
""",
    "aggregate": """
import mpcjax
committee = mpcjax.simulate(parties=3, threshold=1)
updates = {"w": jnp.ones((4, 5)), "b": jnp.zeros((4,))}
mpcjax.estimate("mean", {"w": jnp.ones(5), "b": jnp.zeros(())}, peers=4, committee=committee)
result = mpcjax.aggregate(updates, "mean", committee=committee)
assert result.value["w"].dtype == jnp.float32
""",
    "aggregate refused": """
import mpcjax
try: mpcjax.aggregate({"w": "not an array"}, "mean", committee=mpcjax.simulate(parties=3, threshold=1))
except ValueError: pass
""",
}


@pytest.mark.user
@pytest.mark.parametrize("use", USES)
def test_settings_are_left_alone(use):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    program = OBSERVE + USES[use] + REPORT
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.user
def test_a_changed_setting_would_be_seen():
    program = OBSERVE + "jax.config.update('jax_enable_x64', True)" + REPORT
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1])


def test_internal_tests_run_in_the_scope():
    assert str(jnp.zeros(1, np.uint64).dtype) == "uint64"


@pytest.mark.user
def test_user_tests_run_outside_the_scope():
    assert str(jnp.asarray(np.uint64(1)).dtype) == "uint32"
