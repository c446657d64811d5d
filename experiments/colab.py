# ---
# jupyter:
#   accelerator: TPU
#   colab:
#     gpuType: V5E1
#     name: colab.ipynb
#   jupytext:
#     formats: ipynb,py:percent
#     notebook_metadata_filter: accelerator,colab,kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Robust aggregation under secure multi-party computation
#
# A group trains one model together. Nobody may see the others' updates, and some members send poisoned ones.
# mpcjax combines the updates with a rule that resists poison, inside a multi-party computation (MPC): every update is
# cut into random shares, and a committee of members computes on the shares without seeing any update.
#
# This notebook
#
# 1. installs mpcjax and leaves the machine's JAX as it is,
# 2. shows the device,
# 3. combines 100 updates of 1,000,000 parameters under MPC, and shows what that costs,
# 4. trains a small model under attack, once with the plain mean and once with a robust rule under MPC.
#
# It runs on a TPU, a GPU or a CPU. On Colab choose one under *Runtime > Change runtime type*, then *Runtime > Run all*.
# The first call of everything compiles for a while; the rest is faster. Expect several minutes in all.

# %% [markdown]
# ## 1. Install
#
# Colab brings a JAX that fits its device, and a newer one may not. So mpcjax is installed with `--no-deps`, which
# touches nothing else. Then only the packages that are missing are added, and every package that is already there is
# pinned to its version. The cell ends with a check that no version changed.
#
# `SOURCE` says where mpcjax comes from: the address of a git repository (`git+https://...`), a wheel, or a folder.
# Leave it empty if you opened this notebook inside a copy of the repository, or if mpcjax is installed already.

# %%
import importlib
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SOURCE = ""  # @param {type: "string"}


def installed() -> dict[str, str]:
    """The version of every installed package; where one is there twice, of the one that Python would import."""
    importlib.invalidate_caches()
    found = [package for package in metadata.distributions() if package.name and package.version]
    return {canonicalize_name(package.name): package.version for package in reversed(found)}


def copy_around_here() -> str:
    """The copy of the repository in which this notebook lies."""
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "mpcjax" / "api.py").is_file() and (folder / "pyproject.toml").is_file():
            return str(folder)
    raise FileNotFoundError("mpcjax is not installed, and this folder is no copy of it: fill in SOURCE above")


def pip_install(*what: str) -> None:
    print("pip install", *what, flush=True)
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *what], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"pip could not install this:\n{done.stderr}")


before = installed()
if "mpcjax" not in before:
    pip_install("--no-deps", SOURCE or copy_around_here())

needed = [Requirement(line) for line in metadata.requires("mpcjax") or []]
needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": "train"})]
missing = [one for one in needed if canonicalize_name(one.name) not in before]
if missing:
    pins = Path(tempfile.mkdtemp()) / "installed.txt"
    pins.write_text("".join(f"{name}=={version}\n" for name, version in before.items()))
    pip_install("--constraint", str(pins), *(f"{one.name}{one.specifier}" for one in missing))

after = installed()
changed = {name: (version, after.get(name)) for name, version in before.items() if after.get(name) != version}
if changed:
    raise RuntimeError(f"the installation changed other packages, restart the runtime: {changed}")
for one in needed:
    version = after[canonicalize_name(one.name)]
    if not one.specifier.contains(version, prereleases=True):
        print(f"note: {one.name} {version} is older than what mpcjax is tested with ({one.specifier})")
print(f"mpcjax {after['mpcjax']}; unchanged: jax {after['jax']}, jaxlib {after['jaxlib']}, numpy {after['numpy']}")

# %% [markdown]
# ## 2. The device
#
# `full` is what the text describes. It needs about 7 GB of memory, for the shares of all parties lie on this one
# device. Where there is less, the cell below takes `middle`. The environment variable `MPCJAX_NOTEBOOK` chooses, too;
# `tiny` is for tests of this notebook.

# %%
import os
from dataclasses import dataclass
from typing import Any

import jax


@dataclass(frozen=True)
class Size:
    peers: int  # who send an update in part 3
    malicious: int  # how many of them send poison
    parameters: int  # the length of an update
    parties: int  # members of the committee that computes
    learners: int  # peers that train in part 4
    poisoners: int  # how many of them send poison
    rounds: int  # of training
    data: str  # what they learn


SIZES = {
    "full": Size(100, 20, 1_000_000, parties=5, learners=25, poisoners=5, rounds=15, data="fashion_mnist"),
    "middle": Size(20, 4, 50_000, parties=5, learners=10, poisoners=2, rounds=8, data="fashion_mnist"),
    "tiny": Size(6, 1, 500, parties=3, learners=6, poisoners=1, rounds=2, data="digits"),
}
FULL_NEEDS = 8e9


def memory(device: Any) -> float:
    """Bytes of the device's own memory, or of the machine's where it has none of its own; 0 if nobody says."""
    own = (device.memory_stats() or {}) if device.platform != "cpu" else {}
    if own.get("bytes_limit") or not hasattr(os, "sysconf"):
        return float(own.get("bytes_limit", 0))
    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


device = jax.devices()[0]
room = memory(device)
chosen = os.environ.get("MPCJAX_NOTEBOOK", "full")
print(f"jax {jax.__version__}, {jax.device_count()} x {device.device_kind} ({device.platform}), {room / 1e9:.1f} GB")
if chosen == "full" and 0 < room < FULL_NEEDS:
    print("That is too little memory for 100 x 1,000,000: a smaller size runs instead.")
    chosen = "middle"
size = SIZES[chosen]
print(f"{chosen}: {size.peers} peers x {size.parameters:,} parameters, a committee of {size.parties}")

# %% [markdown]
# ## What this notebook does not protect
#
# All parties run in this one process. It computes exactly what the parties would compute, every message and every
# check. But whoever owns this process, you and the operator of this machine, can see every update. So it shows what
# MPC costs, that the rules resist attacks, and that cheating is noticed. **It gives no privacy.** Only one process per
# party, each on its own party's machine, does.
#
# The updates in part 3 are random numbers and the training data in part 4 are public, so nothing needs hiding here.

# %% [markdown]
# ## 3. One round under MPC
#
# Every peer has an update: a common direction plus its own noise, both of length 1. One peer in five is malicious and
# sends ten times the honest average, turned around (the attack is called *inner-product manipulation*, IPM).
#
# The rule is *centered clipping*: every update is shortened to a length of at most 1.5, and then averaged. Nobody has to
# believe that a peer did shorten its update. The committee checks it, without seeing the update, and leaves out who
# did not.

# %%
import jax.numpy as jnp

import mpcjax
from mpcjax import train


@jax.jit
def make_updates(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The common direction `[parameters]`, and what the peers hold, poison included, `[peers, parameters]`."""
    first, second = jax.random.split(key)
    scale = size.parameters**-0.5
    direction = scale * jax.random.normal(first, (size.parameters,))
    updates = direction + scale * jax.random.normal(second, (size.peers, size.parameters))
    return direction, mpcjax.attacks.ipm(factor=10.0)(updates, malicious=size.malicious)


direction, updates = make_updates(jax.random.key(0))
print(f"{updates.shape[0]} x {updates.shape[1]:,} {updates.dtype}: {updates.nbytes / 1e6:,.1f} MB of updates")

# %% [markdown]
# What a round will cost is known before it runs, exactly: the messages do not depend on the data. Below, *sent per
# party* is what a member of the committee sends, *sent per peer* is what a peer sends to hand in its update.
#
# A small committee is cheap. A safe one, with more honest than corrupt members however it is drawn from the peers, is
# larger: the last line says how large. Time, memory and traffic grow with it.

# %%
rule = mpcjax.rules.centered_clipping(clip=1.5)
committee = mpcjax.simulate(parties=size.parties)
print(mpcjax.estimate(rule, size.parameters, peers=size.peers, committee=committee))
safe = mpcjax.committee_size(size.peers, size.malicious)
print(
    f"\nWith {size.malicious} corrupt among {size.peers} peers a randomly drawn committee should have {safe} members."
)

# %% [markdown]
# The same round twice. The first call compiles the programs of all phases, which takes half a minute or more. The
# second only runs them.

# %%
import time


def one_round(words: str) -> tuple[jax.Array, mpcjax.Report, float]:
    print(words, end=" ", flush=True)
    begun = time.perf_counter()
    result = jax.block_until_ready(mpcjax.aggregate(updates, rule, committee=committee))
    seconds = time.perf_counter() - begun
    print(f"{seconds:.1f} s")
    return result.value, result.report, seconds


_, first_report, first_seconds = one_round("First call, which compiles; please wait ...")
value, report, second_seconds = one_round("Second call ...")
print(f"\n{report}")

# %% [markdown]
# All peers are accepted: a poisoned update that is short enough is a legal one. That is why the rule must limit what it
# can do. Here is how well each result points in the common direction (1: exactly, 0: not at all, below 0: the wrong
# way), and how far the result under MPC is from the same rule computed in the open.


# %%
def agreement(result: jax.Array) -> float:
    return float(jnp.sum(result * direction) / (jnp.linalg.norm(result) * jnp.linalg.norm(direction)))


with jax.default_matmul_precision("highest"):  # full float32, also where a device prefers to multiply with fewer bits
    plain_mean, _ = train.plain("mean")(updates, 0)
    in_the_open, _ = train.plain(rule)(updates, 0)
difference = float(jnp.max(jnp.abs(value - in_the_open)))
print(f"plain mean:                 {agreement(plain_mean):+.2f}")
print(f"centered clipping, MPC:     {agreement(value):+.2f}")
print(f"largest difference between MPC and the open computation, of any parameter: {difference:.1e}")

# %% [markdown]
# Where the time and the traffic go, phase by phase. The traffic is what real parties would send to each other; the time
# is that of this device playing all of them, without any network. The first call contains the compiling.

# %%
import matplotlib.pyplot as plt

figure, (first, second, right) = plt.subplots(1, 3, figsize=(14, 3.5), layout="constrained")
for axes, words, timed, seconds in (
    (first, "First call", first_report.seconds, first_seconds),
    (second, "Second call", report.seconds, second_seconds),
):
    axes.barh(*zip(*timed, strict=True))
    axes.set(title=f"{words}, {seconds:.1f} s in all", xlabel="seconds")

traffic = report.cost.phases
rows = range(len(traffic))
right.barh([row - 0.2 for row in rows], [row["sent"] / 1e6 for row in traffic.values()], 0.4, label="sent per party")
right.barh([row + 0.2 for row in rows], [row["uploaded"] / 1e6 for row in traffic.values()], 0.4, label="sent per peer")
right.set_yticks(rows, list(traffic))
right.set(title="Traffic", xlabel="megabytes")
right.legend()
for axes in (first, second, right):
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
plt.show()

# %% [markdown]
# ## 4. Training under attack
#
# Now a small network learns to recognise clothes (Fashion-MNIST), trained by several peers on their own part of the
# data. The data are loaded with tensorflow-datasets, or from local files. Without either the peers learn the
# handwritten digits that scikit-learn brings; the first line says which it is.
#
# The peers' side (the gradients) is ordinary JAX; what they send is combined by the rule. Three runs, with the same seed:
#
# - the plain mean, and everybody is honest;
# - the plain mean, and one peer in five poisons (IPM, as above);
# - centered clipping under MPC with the same poisoners, by a committee that is large enough to be safe.

# %%
data = train.load(size.data)
parties = mpcjax.committee_size(size.learners, size.poisoners)
print(f"{data.source}\n{len(data.train_labels):,} images; {size.learners} peers, {size.poisoners} of them poisoners")
print(f"under MPC: a committee of {parties}, drawn anew from the peers in every round\n")


def learn(words: str, settings: train.Settings, aggregator: train.Aggregator) -> list[float]:
    """The test accuracy after every round, printed as it comes."""
    print(f"{words} (compiling) ...", end="", flush=True)
    begun = time.perf_counter()
    history = train.train(
        train.make_run(settings, data, aggregator),
        size.rounds,
        on_round=lambda record: print(f" {record['accuracy']:.2f}", end="", flush=True),
    )
    print(f"; {time.perf_counter() - begun:.0f} s")
    return [record["accuracy"] for record in history.records]


peers = {"peers": size.learners, "malicious": size.poisoners}
mean = train.demo_settings("mean", **peers)
clipping = train.demo_settings("centered_clipping", **peers)
members = mpcjax.simulate(parties=parties)
curves = {
    "mean, no attack": learn("mean, no attack", mean.replace(attack="none"), train.plain("mean")),
    "mean": learn("mean, under attack", mean, train.plain("mean")),
    "centered clipping, MPC": learn(
        "centered clipping under MPC, under attack", clipping, train.secure(clipping.make_rule(), members)
    ),
}

# %%
figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
for name, accuracies in curves.items():
    style = "--" if "no attack" in name else "-"
    axes.plot(range(1, len(accuracies) + 1), accuracies, style, marker=".", label=name)
axes.set(xlabel="round", ylabel="test accuracy", ylim=(0, 1))
axes.set_title(f"{data.name}, {size.learners} peers, {size.poisoners} of them poisoners (IPM)")
axes.grid(alpha=0.3)
axes.legend()
plt.show()

# %% [markdown]
# Under attack the plain mean learns nothing: a guess is right one time in ten. Centered clipping loses a little to the
# run without attack, and keeps learning; longer runs come closer.
#
# To go on: other rules (`mpcjax.rules.rsa()`, `mpcjax.rules.fltrust()`), other attacks (`mpcjax.attacks`), your own
# updates in `mpcjax.aggregate`. The README shows how to add a rule in a few lines, and says what holds and what does not.
