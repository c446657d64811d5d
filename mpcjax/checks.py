"""The checks of the protocols, by name.

Every check in the library passes through `verdict`. It is the one place where a test can switch a check off, to show
that some test then fails (`tests/tamper/test_mutation.py`); production code has no such switch.
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")

CATALOGUE = {
    "echo": "every party received the same broadcast (compared by SHA-256 digests)",
    "dealing": "a random combination of everything a peer dealt has degree at most t",
    "member": "in a dispute over a dealing, what a committee member said agrees with the shares that the dealer is committed to",
    "double degree": "a random combination of dealt double sharings has degree t (and 2t)",
    "double value": "both halves of the double sharings hide the same random value",
    "opening": "the shares of an opened value lie on one polynomial of degree t",
    "decoding": "at most t shares of an opened word are wrong, so that it can be corrected",
    "king": "the value a king returned is the one the shares define (a random combination, opened by all)",
    "mask": "there are enough masks other than the pattern of p, so that an opened masked value is uniform",
    "product": "all multiplications of a phase are right (folded to one product of masked values)",
    "bit square": "the square that makes a random bit is not zero",
    "commitment": "what a peer shows for the seed of all committees is what it had committed to",
    "certificate": "the linear identities of a peer's certificate hold (a failing peer is left out)",
}


def verdict(name: str, ok: T) -> T:
    """The outcome of check `name`; the identity."""
    if name not in CATALOGUE:
        raise KeyError(f"unknown check {name!r}; list it in mpcjax/checks.py")
    return ok
