"""The IDX files of MNIST and Fashion-MNIST: reading and finding them. NumPy and the standard library only."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np

FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
SYSTEM_ROOT = Path("/usr/share/datasets")  # where Debian's dataset-* packages install
ROOT_VARIABLE = "MPCJAX_DATA"


def read(path: str | os.PathLike) -> np.ndarray:
    """One IDX file of unsigned bytes, gzipped or not, as an array of the shape that its header states."""
    raw = Path(path).read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path}: not an IDX file of unsigned bytes (first bytes {raw[:4].hex()})")
    rank = raw[3]
    header = 4 + 4 * rank
    shape = tuple(int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank))
    if len(raw) != header + int(np.prod(shape)):
        raise ValueError(f"{path}: the header promises shape {shape}, the file holds {len(raw) - header} bytes")
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def read_split(folder: str | os.PathLike, split: str) -> tuple[np.ndarray, np.ndarray]:
    """``(images uint8 [N, 28, 28, 1], labels int32 [N])`` of the split ``"train"`` or ``"test"``."""
    images, labels = (read(Path(folder) / name) for name in FILES[split])
    if len(images) != len(labels):
        raise ValueError(f"{folder}: {len(images)} images but {len(labels)} labels in {split!r}")
    return images[..., None], labels.astype(np.int32)


def find(name: str) -> Path | None:
    """The folder that holds all four files of ``name``, or None.

    Looked for in ``$MPCJAX_DATA`` (which may also be the folder itself), else in ``/usr/share/datasets``.
    """
    root = Path(os.environ.get(ROOT_VARIABLE) or SYSTEM_ROOT)
    places = [root / name.replace("_", "-"), root / name]
    if root.name.replace("-", "_") == name:
        places.append(root)
    needed = [file for pair in FILES.values() for file in pair]
    return next((place for place in places if all((place / file).is_file() for file in needed)), None)
