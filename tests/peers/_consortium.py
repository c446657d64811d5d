"""Peers as threads of this process, each a node of its own: what a test of rounds between peers starts from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np

import mpcjax
from mpcjax import simulator
from mpcjax._compat import x64
from mpcjax.api import setup_of
from mpcjax.peers.conduct import Conduct
from mpcjax.peers.election import Election
from mpcjax.peers.node import Node
from mpcjax.peers.programs import Programs, programs
from mpcjax.rules import Public, Rule, resolve
from mpcjax.seeds import keys_of
from tests.peers._memory import Net

PEERS, LENGTH, PARTIES = 5, 40, 3
SEED = bytes(range(32))
KEY = np.arange(8, dtype=np.uint32)


@cache
def compiled(rule: str | Rule = "mean") -> Programs:
    with x64():
        found = programs(setup_of(resolve(rule), mpcjax.simulate(PARTIES), PEERS, LENGTH))
        found.compile(member=True)
        found.compile(member=False)
    return found


def updates() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(PEERS, LENGTH)).astype(np.float32) * np.float32(0.1)


def public_of(rule: Rule) -> Public:
    reference = updates()[:3].mean(0) if "reference" in rule.needs else None
    return Public.of(PEERS, LENGTH, reference=reference)


def seed_of(when: tuple[int, int]) -> Any:
    return simulator.round_seed(KEY, *when)


def consortium(net: Net, rule: str | Rule = "mean", **more: Any) -> list[Node]:
    """A node a peer; their randomness is the simulator's for `KEY`."""
    election = Election(SEED, PEERS, PARTIES)
    more = {"corrupt": 1, "keys_for": lambda when, seat, peer: keys_of(seed_of(when), seat, peer), **more}
    return [Node(end, election, compiled(rule), **more) for end in net.ends]


def nobody_waits_for(nodes: list[Node], peer: int) -> None:
    """All hold that it was away in the round before, and see no connection: where the wait for it is not what is tested."""
    for node in nodes:
        node.conduct = Conduct(away=frozenset({peer}))
        node.links.left = lambda who: who == peer  # type: ignore[method-assign]


def play(
    nodes: list[Node], number: int = 0, without: tuple[int, ...] = (), act: Callable[..., Any] | None = None
) -> list[Any]:
    """What every peer has of round `number`: a `Round`, the exception it raised, or None from those `without` part."""
    found: list[Any] = [None] * len(nodes)
    given = updates() if act is None else act(updates())

    def body(peer: int) -> None:
        try:
            with x64():
                found[peer] = nodes[peer].round(number, given[peer], public_of(nodes[peer].programs.setup.rule))
        except Exception as error:  # the test looks at it
            found[peer] = error

    threads = [threading.Thread(target=body, args=(peer,)) for peer in range(len(nodes)) if peer not in without]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def simulated(rule: str, members: tuple[int, ...], when: tuple[int, int]) -> simulator.Outcome:
    """The simulator's round with the same randomness and the same committee."""
    with x64():
        committee = mpcjax.simulate(PARTIES)
        setup = setup_of(resolve(rule), committee, PEERS, LENGTH)
        given = jnp.asarray(updates()), public_of(setup.rule)
        return simulator._attempt(setup, committee, members, *when, seed_of(when), *given)
