# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A rule of your own, from the idea to a run under attack
#
# The idea: members with a common aim point, on the whole, in one direction. So an update that agrees with the sum of all
# updates less than most others do is suspect. *Average the half that agrees most.* Every update is first shortened to a
# length of at most 1, so that no one outweighs the others in the sum.
#
# Run this as a script (`python -m experiments.own_rule`) or cell by cell. Everything here runs in one process: it
# shows what the rule does and costs, and gives no privacy (see the README).

# %%
import dataclasses
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import mpcjax
from mpcjax import secret as ms
from mpcjax.certificates import Norm

TINY = os.environ.get("MPCJAX_NOTEBOOK") == "tiny"
PEERS, MALICIOUS, PARAMETERS, PARTIES = (6, 1, 40, 3) if TINY else (20, 4, 10_000, 5)

# %% [markdown]
# ## The rule
#
# `local` is what a peer does alone, `certificate` what is checked about the message that it then hands in: a peer that
# skips `local` is left out. `combine` is what is computed on all messages together. It is array code as for `jax.numpy`,
# with the functions of `mpcjax.secret` (here called `ms`). Nobody sees `agreement`, nor who is trusted.


# %%
@dataclasses.dataclass(frozen=True)
class Agreement(mpcjax.Rule):
    """The mean of the updates that agree with the sum of all at least as much as the median of them does."""

    name, paper = "agreement", "this notebook"

    def local(self, update: Any, peer: Any, public: Any) -> Any:
        return update / jnp.maximum(1, jnp.linalg.norm(update))

    def certificate(self, peers: int) -> Norm:
        return Norm(1.0, peers)

    def combine(self, messages: Any, public: Any) -> Any:
        agreement = messages @ messages.sum(axis=0)
        trusted = (agreement >= ms.median(agreement)) & public.accepted
        return ms.proportions(trusted, bits=16) @ messages


rule = Agreement()

# %% [markdown]
# ## What it means
#
# The same body on plain arrays is the rule's specification. Try the idea there, where everything can be printed and a run
# takes no time. The peers below share a direction and have noise of their own, both of length 1; the last few turn the
# mean of the others around, ten times as long (inner-product manipulation, IPM).


# %%
def updates_of(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    first, second = jax.random.split(key)
    size = PARAMETERS**-0.5
    direction = size * jax.random.normal(first, (PARAMETERS,))
    return direction, direction + size * jax.random.normal(second, (PEERS, PARAMETERS))


def along(direction: jax.Array, result: jax.Array) -> float:
    """1: the common direction, 0: nothing of it, -1: the opposite."""
    return float(direction @ result / (jnp.linalg.norm(direction) * jnp.linalg.norm(result)))


direction, honest = updates_of(jax.random.key(0))
updates = mpcjax.attacks.ipm(factor=10.0)(honest, malicious=MALICIOUS)
print(f"{PEERS} peers, {MALICIOUS} malicious, {PARAMETERS:,} parameters")
print(f"mean without attack    {along(direction, jnp.mean(honest, axis=0)):+.3f}")
print(f"mean under attack      {along(direction, jnp.mean(updates, axis=0)):+.3f}")
print(f"agreement, plain       {along(direction, rule.plain(updates)):+.3f}")

# %% [markdown]
# ## What it costs, and what it reveals
#
# Nothing runs for this: messages do not depend on data, so rounds and bytes are known from the shapes. The last line says
# all that becomes public. Every opening that a rule declares is in it; one that it does not declare is refused.

# %%
committee = mpcjax.simulate(parties=PARTIES)
print(mpcjax.estimate(rule, PARAMETERS, peers=PEERS, committee=committee))

# %% [markdown]
# Where the cost comes from is seen by comparing. The same idea coordinate by coordinate, the median of every parameter,
# needs comparisons for each parameter, and not for each peer:


# %%
@dataclasses.dataclass(frozen=True)
class MedianOfEach(Agreement):
    name = "median of each"

    def combine(self, messages: Any, public: Any) -> Any:
        return ms.median(messages, axis=0)


for candidate in (rule, MedianOfEach()):
    cost = mpcjax.estimate(candidate, PARAMETERS, peers=PEERS, committee=committee)
    sent = (cost.offline_bytes + cost.online_bytes) / 1e6
    print(f"{candidate.name:<16}{cost.rounds:>6} rounds, {sent:,.1f} MB sent per party")

# %% [markdown]
# ## What cannot run
#
# On plain arrays a rule may look at its values. On secrets it may not, and says where:


# %%
@dataclasses.dataclass(frozen=True)
class Peeks(Agreement):
    name = "peeks"

    def combine(self, messages: Any, public: Any) -> Any:
        agreement = messages @ messages.sum(axis=0)
        if agreement[0] > agreement[1]:
            return messages[0]
        return messages[1]


try:
    mpcjax.estimate(Peeks(), PARAMETERS, peers=PEERS, committee=committee)
except TypeError as error:
    print(error)

# %% [markdown]
# ## Plain and under MPC, side by side
#
# The first call compiles, for a minute or so. The results differ by rounding alone: messages have the fractional bits of
# the estimate above, and the shares of the trusted peers 16.

# %%
result = mpcjax.aggregate(updates, rule, committee=committee)
plain = rule.plain(updates)
print(f"agreement, plain       {along(direction, plain):+.3f}")
print(f"agreement, MPC         {along(direction, result.value):+.3f}")
print(f"largest difference     {float(np.max(np.abs(np.asarray(result.value) - np.asarray(plain)))):.1e}")
print(str(result.report).split("\n")[0])
