"""Committees: how large, who sits on them, and who has been caught."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from fractions import Fraction
from numbers import Integral, Real

PROTOCOLS = ("shamir", "robust", "spdz")


def committee_size(peers: int, corrupt: float, *, protocol: str = "shamir", security_bits: int = 40) -> int:
    """Smallest committee, drawn at random, whose corrupt members exceed the protocol's threshold with chance <= 2^-bits.

    Args:
        peers: number n of peers the committee is drawn from.
        corrupt: how many of them are corrupt: a fraction below 1, or a whole number.
        protocol: "shamir" (t < m/2), "robust" (t < m/3: the result is always delivered) or "spdz" (m - 1 corrupt).
        security_bits: 40 by default.

    Returns the size m; the threshold is (m - 1) // 2, (m - 1) // 3 or m - 1. The exact hypergeometric tail is used.

    >>> committee_size(100, 0.1), committee_size(100, 0.1, protocol="spdz")
    (21, 10)
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol={protocol!r}: legal are {', '.join(map(repr, PROTOCOLS))}")
    least = {"shamir": 3, "robust": 4, "spdz": 2}[protocol]  # that withstand one
    bad = _corrupt_count(peers, corrupt, least)
    if not (isinstance(security_bits, int) and security_bits >= 0):
        raise ValueError(f"security_bits={security_bits}: legal are whole numbers from 0, 40 by default")
    limit = Fraction(1, 2**security_bits)
    for size in range(least, peers + 1):
        if _tail(peers, bad, size, tolerated(size, protocol)) <= limit:
            return size
    raise ValueError(
        f"corrupt={corrupt}: of {peers} peers {bad} would be corrupt, and even a committee of all of them withstands "
        f"{tolerated(peers, protocol)} under protocol {protocol!r}; legal are fewer corrupt peers, or a larger chance than "
        f"2^-{security_bits} that a committee has too many (security_bits=)"
    )


def tolerated(size: int, protocol: str = "shamir") -> int:
    """Largest number of corrupt members of a committee of `size` that `protocol` withstands."""
    return {"shamir": (size - 1) // 2, "robust": (size - 1) // 3, "spdz": size - 1}[protocol]


def _corrupt_count(peers: int, corrupt: float, least: int) -> int:
    if isinstance(peers, bool) or not isinstance(peers, Integral) or peers < least:
        raise ValueError(
            f"peers={peers!r}: legal are whole numbers from {least}, the smallest committee that withstands anybody"
        )
    if isinstance(corrupt, bool) or not isinstance(corrupt, Real) or not math.isfinite(corrupt):
        raise ValueError(f"corrupt={corrupt!r}: legal are fractions in [0, 1) and whole numbers up to {peers - 1}")
    bad = math.ceil(corrupt * peers - 1e-9) if corrupt < 1 else int(corrupt)
    if not 0 <= bad < peers or (corrupt >= 1 and bad != corrupt):
        raise ValueError(f"corrupt={corrupt!r}: legal are fractions in [0, 1) and whole numbers up to {peers - 1}")
    return bad


def _tail(peers: int, bad: int, size: int, threshold: int) -> Fraction:
    """P(more than `threshold` of `size` drawn without replacement are among `bad` of `peers`), exactly."""
    ways = sum(math.comb(bad, k) * math.comb(peers - bad, size - k) for k in range(threshold + 1, min(bad, size) + 1))
    return Fraction(ways, math.comb(peers, size))


def draw(seed: bytes, peers: int, size: int, excluded: Sequence[int] = ()) -> tuple[int, ...]:
    """`size` of `peers`, uniformly, without the `excluded` ones as long as enough are left, from a public seed.

    The seed ranks all peers, by SHA-256 of it and their numbers; the first ones sit that are not excluded. So whoever brings
    about that peers are excluded has no choice among committees: where corrupt peers are, there are never more corrupt members.
    When too few are left the excluded ones may sit again: up to the threshold of them do no harm.
    """
    ranked = sorted(range(peers), key=lambda peer: hashlib.sha256(b"mpcjax committee %d " % peer + seed).digest())
    left_out = set(excluded)
    kept = [peer for peer in ranked if peer not in left_out]
    return tuple(sorted((kept if len(kept) >= size else ranked)[:size]))
