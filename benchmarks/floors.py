"""The least that a round must do, stage by stage: pure formulas in n peers, d parameters, m parties, threshold t.

A stage needs at least the larger of two times: what it must move through main memory at the machine's copy rate, and what
it must compute at the rates of additions and products mod p and of the keystream, all out of the cache. Stages follow one
another, so the floors of a round add up. The field is that of 61 bits, 8 bytes an element; N = n d secrets, m N shares.

Counted is what every way known to us must do, not what the protocols here do: a floor stays the same when they change.
Not counted: arithmetic on floats, the projections of norm certificates, vectors of length d that all peers have in common
where vectors of all peers are read too, offline material, and whatever does not grow with d.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

ELEMENT, FLOAT = 8, 4  # bytes
PHASE_STAGES = {
    "offline": "offline", "deal": "sharing", "deal again": "sharing", "open": "open",
    **dict.fromkeys(("combine", "score", "weigh", "sum", "reduce", "settle"), "combine"),
}  # fmt: skip
CHECKS = "checks"  # every other phase
STAGES = ("sharing", CHECKS, "combine", "open")


@dataclasses.dataclass(frozen=True)
class Size:
    """n peers, d parameters, m parties, of which t corrupt."""

    peers: int
    length: int
    parties: int
    threshold: int

    @property
    def secrets(self) -> int:
        return self.peers * self.length

    @property
    def shares(self) -> int:
        return self.parties * self.secrets


@dataclasses.dataclass(frozen=True)
class Work:
    """Bytes read and written in main memory; additions and products mod p; bytes of keystream."""

    moved: float = 0
    additions: float = 0
    products: float = 0
    keystream: float = 0


@dataclasses.dataclass(frozen=True)
class Rates:
    """What a machine does in a second, each alone: bytes, additions, products, bytes of keystream."""

    copy: float
    addition: float
    product: float
    keystream: float


def seconds(work: Work, rates: Rates) -> float:
    """The larger of moving and computing: at best they overlap."""
    computing = work.additions / rates.addition + work.products / rates.product + work.keystream / rates.keystream
    return max(work.moved / rates.copy, computing)


def encode(size: Size, rule: str) -> Work:
    """Every parameter is read once and made a field element: one addition of p to a negative one."""
    return Work(moved=FLOAT * size.secrets, additions=size.secrets)


def randomness(size: Size, rule: str) -> Work:
    """t uniform elements a secret; they stay in the cache."""
    return Work(keystream=ELEMENT * size.threshold * size.secrets)


def share(size: Size, rule: str) -> Work:
    """Every share is written; t of m can be the randomness itself, the others take t additions (differences)."""
    others = size.parties - size.threshold
    return Work(moved=ELEMENT * size.shares, additions=others * size.threshold * size.secrets)


def checks(size: Size, rule: str) -> Work:
    """Every share is read once, after a coin, and multiplied by one public number (all linear checks in one combination).

    And once a secret is multiplied by itself: signs and norms are statements about squares, proved by whom ever.
    """
    return Work(moved=ELEMENT * size.shares, products=size.shares + size.secrets)


def combine(size: Size, rule: str) -> Work:
    """Every share is read once and added."""
    summed = ELEMENT * size.parties * size.length
    return Work(moved=ELEMENT * size.shares + summed, additions=size.shares)


def opening(size: Size, rule: str) -> Work:
    """m shares a parameter are read, a float is written; t + 1 shares times public numbers give the value."""
    moved = (ELEMENT * size.parties + FLOAT) * size.length
    return Work(moved=moved, products=(size.threshold + 1) * size.length)


PARTS: dict[str, dict[str, Callable[[Size, str], Work]]] = {
    "sharing": {"encode": encode, "PRG": randomness, "share": share},
    CHECKS: {"checks": checks},
    "combine": {"combine": combine},
    "open": {"open": opening},
}


def of_stages(size: Size, rule: str, rates: Rates) -> dict[str, dict[str, float]]:
    """`{stage: {part: seconds}}` at least."""
    return {
        stage: {part: seconds(formula(size, rule), rates) for part, formula in parts.items()}
        for stage, parts in PARTS.items()
    }


def by_stage(phases: Mapping[str, float]) -> dict[str, float]:
    """Measured seconds by phase as seconds by stage; a phase that is not named here is one of the checks."""
    found: dict[str, float] = dict.fromkeys(("offline", *STAGES), 0.0)
    for phase, taken in phases.items():
        found[PHASE_STAGES.get(phase, CHECKS)] += taken
    return found
