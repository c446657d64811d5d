"""MNIST and Fashion-MNIST through tensorflow-datasets, without TensorFlow.

The stock builders extract their downloads and encode their images with TensorFlow. The builders here download with the
standard library, check the files' SHA-256, store the pixels as raw bytes in array_record files, and are read through
``as_data_source``: nothing of it imports TensorFlow. A data set that someone already prepared with the stock builder as
array_record is used too. tensorflow-datasets is imported only when a function here is called.
"""

from __future__ import annotations

import hashlib
import os
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from mpcjax.train import idx

VERSION = "1.0.0"
_CHUNK = 4096
_MNIST = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
# The same addresses and SHA-256 sums as tensorflow-datasets' own checksum lists.
DOWNLOADS = {
    "mnist": (
        _MNIST,
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion_mnist": (
        _FASHION,
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
}

Arrays = tuple[np.ndarray, np.ndarray]


def data_dir(given: str | os.PathLike | None = None) -> Path:
    """Where prepared data sets lie: the argument, else ``$TFDS_DATA_DIR``, else ``~/tensorflow_datasets``."""
    return Path(given or os.environ.get("TFDS_DATA_DIR") or Path.home() / "tensorflow_datasets")


def prepared(name: str, directory: str | os.PathLike | None = None) -> Path | None:
    """The folder of an already prepared array_record version of ``name``, ours or the stock builder's, or None."""
    for folder in (f"{name}_idx", name):
        versions = sorted(data_dir(directory).glob(f"{folder}/*/dataset_info.json"), reverse=True)
        for info in versions:
            if any(info.parent.glob("*.array_record*")):
                return info.parent
    return None


def read_prepared(folder: str | os.PathLike) -> dict[str, Arrays]:
    """``{"train": (images, labels), "test": ...}`` from a prepared folder, through ``as_data_source``."""
    tfds = _tfds()
    builder = tfds.builder_from_directory(os.fspath(folder))
    return {split: _read_source(builder.as_data_source(split=split)) for split in ("train", "test")}


def prepare(name: str, directory: str | os.PathLike | None = None, idx_folder: str | os.PathLike | None = None) -> Path:
    """Prepares ``name`` (from local IDX files, or downloaded) and returns the prepared folder."""
    if name not in DOWNLOADS:
        raise ValueError(f"no builder for {name!r}; there are {sorted(DOWNLOADS)}")
    target = data_dir(directory)
    files = idx_folder or download(name, target / "downloads" / name)
    builder = _builder(name)(data_dir=os.fspath(target), file_format="array_record", idx_folder=os.fspath(files))
    builder.download_and_prepare()
    return Path(builder.data_dir)


def download(name: str, folder: str | os.PathLike, timeout: float = 10.0) -> Path:
    """Fetches the four IDX files of ``name`` into ``folder`` unless they are there, and checks their SHA-256."""
    base, sums = DOWNLOADS[name]
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for file, expected in sums.items():
        path = target / file
        if not (path.is_file() and sha256(path.read_bytes()) == expected):
            with urllib.request.urlopen(base + file, timeout=timeout) as answer:
                content = answer.read()
            if sha256(content) != expected:
                raise ValueError(f"{base + file}: the SHA-256 of the download is not the published one")
            path.write_bytes(content)
    return target


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _tfds() -> Any:
    import tensorflow_datasets  # late: slow to import, and an extra

    return tensorflow_datasets


def _read_source(source: Any) -> Arrays:
    images, labels = [], []
    for start in range(0, len(source), _CHUNK):
        records = source.__getitems__(list(range(start, min(start + _CHUNK, len(source)))))
        images.append(np.stack([record["image"] for record in records]))
        labels.append(np.asarray([record["label"] for record in records], np.int32))
    return np.concatenate(images), np.concatenate(labels)


def _builder(name: str) -> Any:
    """A builder class named ``<name>_idx``, kept out of the package's global registry."""
    tfds = _tfds()
    base: Any = tfds.core.GeneratorBasedBuilder

    class IdxBuilder(base, skip_registration=True):  # pyright: ignore[reportCallIssue, reportGeneralTypeIssues]
        """28x28 grey images and ten classes, from the four IDX files."""

        VERSION = tfds.core.Version(VERSION)

        def __init__(self, *, idx_folder: str, **options):
            self._idx_folder = idx_folder
            super().__init__(**options)

        def _info(self):
            features = tfds.features.FeaturesDict(
                {
                    # Raw bytes, not PNG: encoding PNG would need TensorFlow.
                    "image": tfds.features.Tensor(shape=(28, 28, 1), dtype=np.uint8, encoding="bytes"),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            )
            return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("image", "label"))

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in ("train", "test")}

        def _generate_examples(self, split):
            images, labels = idx.read_split(self._idx_folder, split)
            for number, (image, label) in enumerate(zip(images, labels, strict=True)):
                yield number, {"image": image, "label": int(label)}

    IdxBuilder.name = f"{name}_idx"
    return IdxBuilder
