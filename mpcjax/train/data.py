"""Image data sets as arrays: tensorflow-datasets, IDX files, or scikit-learn's digits. It says which one it took."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpcjax.train import idx, tfds_source

# Mean and standard deviation of the training pixels, as fractions of the largest value: public constants of each set.
MOMENTS = {"fashion_mnist": (0.2860, 0.3530), "mnist": (0.1307, 0.3081), "digits": (0.3053, 0.3760)}
NAMES = tuple(MOMENTS)
SOURCES = ("auto", "tfds", "idx", "local")


@dataclass(frozen=True)
class Dataset:
    """A small image data set in memory.

    Attributes:
      name: what the data are, which may not be what was asked for: see ``source``.
      source: one line for people: where the data came from.
      train_images: uint8 ``[N, height, width, 1]``.
      train_labels: int32 ``[N]``.
      test_images, test_labels: likewise.
      classes: how many classes.
      mean, std: of the training pixels; models see ``(images - mean) / std``.
    """

    name: str
    source: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    mean: float
    std: float
    classes: int = 10


def load(name: str = "fashion_mnist", *, source: str = "auto", data_dir: str | os.PathLike | None = None) -> Dataset:
    """Loads a data set.

    Args:
      name: ``"fashion_mnist"``, ``"mnist"`` or ``"digits"`` (scikit-learn's 8x8 digits).
      source: ``"auto"`` takes the first that works of: a data set that tensorflow-datasets has already prepared; local
        IDX files (``$MPCJAX_DATA``, else Debian's ``dataset-fashion-mnist``); a download, prepared with
        tensorflow-datasets; scikit-learn's digits. ``"local"`` is the same without the download. ``"tfds"`` and
        ``"idx"`` take that one or raise.
      data_dir: where tensorflow-datasets keeps its data; ``$TFDS_DATA_DIR`` or ``~/tensorflow_datasets`` if None.

    Returns:
      The data, with ``.source`` saying which was taken, and why if it is not the one asked for.
    """
    if name not in NAMES:
        raise ValueError(f"unknown data set {name!r}; choose one of {NAMES}")
    if source not in SOURCES:
        raise ValueError(f"unknown source {source!r}; choose one of {SOURCES}")
    if name == "digits":
        return _digits()
    if source == "tfds":
        return _tfds(name, data_dir, download=True)
    if source == "idx":
        return _idx(name)
    return _first_that_works(name, data_dir, download=source == "auto")


def _first_that_works(name: str, data_dir: str | os.PathLike | None, download: bool) -> Dataset:
    if tfds_source.prepared(name, data_dir):
        try:
            return _tfds(name, data_dir, download=False)
        except ImportError:
            pass  # prepared by another environment; this one cannot read it
    if idx.find(name):
        return _idx(name)
    reason = "no local files"
    if download:
        try:
            return _tfds(name, data_dir, download=True)
        except (OSError, ImportError) as error:
            reason += f", and no download ({error})"
    return _digits(f"; {name} was asked for: {reason}")


def _tfds(name: str, data_dir: str | os.PathLike | None, download: bool) -> Dataset:
    folder = tfds_source.prepared(name, data_dir)
    if folder is None:
        if not download:
            raise FileNotFoundError(f"{name} is not prepared in {tfds_source.data_dir(data_dir)}")
        folder = tfds_source.prepare(name, data_dir, idx.find(name))
    splits = tfds_source.read_prepared(folder)
    return _dataset(name, f"{name} from tensorflow-datasets, {folder}", splits)


def _idx(name: str) -> Dataset:
    folder = idx.find(name)
    if folder is None:
        raise FileNotFoundError(
            f"no IDX files of {name}: put them in $MPCJAX_DATA/{name}/, or, for Fashion-MNIST on Debian or Ubuntu, "
            "install the package dataset-fashion-mnist"
        )
    splits = {split: idx.read_split(folder, split) for split in ("train", "test")}
    return _dataset(name, f"{name} from IDX files, {folder}", splits)


def _digits(why: str = "") -> Dataset:
    from sklearn.datasets import load_digits  # late: slow to import, and an extra

    digits: Any = load_digits()
    images = np.asarray(digits["images"], np.uint8)[..., None]
    labels = np.asarray(digits["target"], np.int32)
    order = np.random.default_rng(0).permutation(len(labels))  # the file is sorted by writer
    train, test = order[:-360], order[-360:]
    splits = {"train": (images[train], labels[train]), "test": (images[test], labels[test])}
    return _dataset("digits", f"digits (8x8) from scikit-learn{why}", splits, top=16.0)


def _dataset(name: str, source: str, splits: dict[str, tfds_source.Arrays], top: float = 255.0) -> Dataset:
    (train_images, train_labels), (test_images, test_labels) = splits["train"], splits["test"]
    mean, std = (top * moment for moment in MOMENTS[name])
    return Dataset(name, source, train_images, train_labels, test_images, test_labels, mean, std)
