"""Sign flip: the malicious peers send the opposite of an honest update."""

from __future__ import annotations

from mpcjax.attacks._attack import Attack, honest_mean


def sign_flip(of: str = "own") -> Attack:
    """``-x_i`` (``of="own"``), or ``-mu`` from every malicious peer (``of="mean"``).

    ``-mu`` is ``ipm(factor=1.0)``, by another name.

    Reference: Li et al. 2019 (RSA), section 5; the variant is that of Allen-Zhu et al. 2021 and ByzFL.
    """
    if of == "own":
        return Attack("sign_flip", craft=lambda updates, honest, known: -updates)
    if of == "mean":
        return Attack("sign_flip", craft=lambda updates, honest, known: -honest_mean(updates, honest))
    raise ValueError(f'of={of!r}: choose "own" (minus the own update) or "mean" (minus the honest mean)')
