"""Independent NumPy float64 references of the rules, straight from the papers' formulas."""

from __future__ import annotations

import numpy as np


def mean(x, weights=None, **_):
    w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    return (w[:, None] * x).sum(0) / w.sum()


def rsa(x, center=None, lam=0.07, **_):
    center = np.zeros(x.shape[1]) if center is None else center
    signs = np.sign(x - center)
    ties = np.where(np.arange(len(x)) % 2 == 0, 1.0, -1.0)[:, None]
    return lam * np.where(signs == 0, ties, signs).sum(0)


def centered_clipping(x, center=None, clip=10.0, **_):
    center = np.zeros(x.shape[1]) if center is None else center
    d = x - center
    norms = np.linalg.norm(d, axis=1, keepdims=True)
    return center + (d * np.minimum(1, clip / np.maximum(norms, 1e-300))).mean(0)


def fltrust(x, reference=None, **_):
    g0 = np.asarray(reference, np.float64)
    norms = np.maximum(np.linalg.norm(x, axis=1), 1e-300)
    trust = np.maximum(x @ g0 / (norms * np.linalg.norm(g0)), 0)
    if trust.sum() == 0:
        return np.zeros(x.shape[1])
    return (trust[:, None] * x / norms[:, None]).sum(0) * np.linalg.norm(g0) / trust.sum()


REFERENCES = {"mean": mean, "rsa": rsa, "centered_clipping": centered_clipping, "fltrust": fltrust}
