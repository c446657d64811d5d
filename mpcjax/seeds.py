"""Whose randomness a program draws: in one process everybody's follows from a seed, between real parties each has its own."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax

from mpcjax.prg import Stream


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Keys:
    """The keys of who is held in this process, uint32: members `parties [rows, 8]`, peers `peers [held, 8]`.

    They stand where the simulator has the seed of all. Fresh for every attempt at a round.
    """

    parties: Any
    peers: Any


def of_parties(seed: Any, rows: Any) -> Stream:
    """The members' randomness, from a seed `[8]` or their own `Keys`."""
    return Stream(seed.parties) if isinstance(seed, Keys) else Stream.from_seed(seed).per_row("party", rows)


def of_peers(seed: Any, peers: int) -> Stream:
    """The peers' randomness: of all `peers` from a seed `[8]`, or of those whose `Keys` these are."""
    return Stream(seed.peers) if isinstance(seed, Keys) else Stream.from_seed(seed).per_row("peer", range(peers))


def keys_of(seed: Any, seat: int, peer: int) -> Keys:
    """What the simulator, from `seed`, gives the member at `seat` and this peer: for comparing the two."""
    member, dealer = of_parties(seed, [seat]), Stream.from_seed(seed).per_row("peer", [peer])
    return Keys(member.to_be_sent(), dealer.to_be_sent())
