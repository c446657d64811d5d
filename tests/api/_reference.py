"""Independent NumPy float64 references of the rules, straight from the papers' formulas."""

from __future__ import annotations

import itertools

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


def geometric_median(x, nu=0.1, steps=3, **_):
    z = np.zeros(x.shape[1])
    for _ in range(steps):
        beta = 1 / np.maximum(nu, np.linalg.norm(x - z, axis=1))
        z = (beta[:, None] * x).sum(0) / beta.sum()
    return z


def monna(x, f=None, pivot=-1, **_):
    f = (len(x) - 1) // 2 if f is None else f
    distances = [np.sum((one - x[pivot]) ** 2) for one in x]
    best = sorted(range(len(x)), key=lambda i: (distances[i], i))
    return x[best[: max(len(x) - f, 1)]].mean(0)


def minimum_diameter_averaging(x, f=1, **_):
    def diameter(kept):
        return max((np.sum((x[i] - x[j]) ** 2) for i in kept for j in kept), default=0.0)

    n = len(x)
    if n <= f:
        return x.mean(0)
    subsets = [[i for i in range(n) if i not in out] for out in itertools.combinations(range(n), f)]
    return x[min(subsets, key=diameter)].mean(0)


def norm_bounded(x, limit=2.0, **_):
    return centered_clipping(x, clip=limit)


def trimmed_mean(x, f=None, limit=1.0, **_):
    f = len(x) // 5 if f is None else f
    f = min(f, (len(x) - 1) // 2)
    return np.sort(np.clip(x, -limit, limit), axis=0)[f : len(x) - f].mean(0)


def median(x, limit=1.0, **_):
    return np.median(np.clip(x, -limit, limit), axis=0)


def mean_around_median(x, f=None, limit=1.0, **_):
    f = len(x) // 5 if f is None else f
    x = np.sort(np.clip(x, -limit, limit), axis=0)
    nearest = np.argsort(np.abs(x - np.median(x, axis=0)), axis=0, kind="stable")[: max(len(x) - f, 1)]
    return np.take_along_axis(x, nearest, 0).mean(0)


def bulyan(x, f=None, limit=1.0, **_):
    f = max((len(x) - 3) // 4, 0) if f is None else f
    x = np.clip(x, -limit, limit)
    distances = np.sort(((x[:, None] - x) ** 2).sum(-1), axis=1)[:, 1:]
    scores = distances[:, : max(len(x) - f - 2, 1)].sum(1)
    return mean_around_median(x[np.argsort(scores, kind="stable")[: len(x) - 2 * f]], 2 * f, limit)


def sign_majority(x, **_):
    return np.sign(rsa(x, lam=1.0))


def bucketing(x, rule=geometric_median, size=2, order=None, **_):
    order = np.random.default_rng(0).permutation(len(x)) if order is None else order
    return rule(np.stack([x[order[k : k + size]].mean(0) for k in range(0, len(x), size)]))


def nearest_neighbour_mixing(x, rule=multi_krum, f=None, **_):
    return rule(np.stack([monna(x, f, pivot) for pivot in range(len(x))]))


def clipping(x, rule=multi_krum, limit=2.0, **_):
    return rule(x * np.minimum(1, limit / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-300)))


def adaptive_clipping(x, rule=multi_krum, f=None, **_):
    n = len(x)
    f = (n - 1) // 2 if f is None else f
    norms = np.sort(np.linalg.norm(x, axis=1))
    return clipping(x, rule, norms[n - int(2 * f / n * (n - f)) - 1])


REFERENCES = {
    "mean": mean,
    "rsa": rsa,
    "centered_clipping": centered_clipping,
    "fltrust": fltrust,
    "krum": krum,
    "multi_krum": multi_krum,
    "geometric_median": geometric_median,
    "monna": monna,
    "minimum_diameter_averaging": minimum_diameter_averaging,
    "norm_bounded": norm_bounded,
    "sign_majority": sign_majority,
    "trimmed_mean": trimmed_mean,
    "median": median,
    "mean_around_median": mean_around_median,
    "bulyan": bulyan,
    "bucketing": bucketing,
    "nearest_neighbour_mixing": nearest_neighbour_mixing,
    "clipping": clipping,
    "adaptive_clipping": adaptive_clipping,
}
