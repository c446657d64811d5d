"""Label flip: the malicious peers train honestly, on wrong labels."""

from __future__ import annotations

from mpcjax.attacks._attack import Attack


def label_flip(classes: int = 10) -> Attack:
    """``y -> classes - 1 - y`` in the malicious peers' data; their updates are left as they are.

    Use ``attack.labels(labels, malicious)`` on the labels of a batch, ``[n, batch]``.

    Reference: Allen-Zhu et al. 2021; Karimireddy et al. 2022, "Byzantine-robust learning on heterogeneous datasets".
    """
    if classes < 2:
        raise ValueError(f"classes={classes}: there must be two classes at least")
    return Attack("label_flip", relabel=lambda labels: classes - 1 - labels)
