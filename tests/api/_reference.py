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


def multi_krum(x, f=None, select=None, nearest=2, **_):
    n = len(x)
    f = max((n - 3) // 2, 0) if f is None else f
    scores = []
    for i in range(n):
        distances = sorted(np.sum((x[i] - x[j]) ** 2) for j in range(n) if j != i)
        scores.append(sum(distances[: max(n - f - nearest, 1)]))
    best = sorted(range(n), key=lambda i: (scores[i], i))
    return x[best[: n - f if select is None else select]].mean(0)


def krum(x, f=None, **_):
    return multi_krum(x, f, select=1)


REFERENCES = {
    "mean": mean,
    "rsa": rsa,
    "centered_clipping": centered_clipping,
    "fltrust": fltrust,
    "krum": krum,
    "multi_krum": multi_krum,
}
