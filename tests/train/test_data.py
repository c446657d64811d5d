"""Loading: IDX files, tensorflow-datasets prepared from them, digits, and which is taken when."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

from mpcjax.train import data, idx, tfds_source

# tensorflow-datasets and what it imports warn about their own use of Python
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


def small_set(count: int, seed: int):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 28, 28)), rng.integers(0, 10, count)


def write_set(folder, train=60, test=20):
    folder.mkdir(parents=True)
    for seed, (split, count) in enumerate((("train", train), ("test", test))):
        for name, array in zip(idx.FILES[split], small_set(count, seed), strict=True):
            (folder / name).write_bytes(gzip.compress(idx_bytes(array)))
    return folder


@pytest.fixture
def root(tmp_path, monkeypatch):
    """No data set anywhere, no network."""

    def offline(*args, **kwargs):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setenv(idx.ROOT_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    return tmp_path


def same(loaded: data.Dataset) -> None:
    """The small set, up to the order of samples (tensorflow-datasets shuffles when it writes)."""
    for seed, (images, labels) in enumerate(
        ((loaded.train_images, loaded.train_labels), (loaded.test_images, loaded.test_labels))
    ):
        pixels, classes = small_set(len(labels), seed)
        assert images.dtype == np.uint8 and images.shape[1:] == (28, 28, 1) and labels.dtype == np.int32
        found = sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))
        wanted = zip(pixels.astype(np.uint8), classes, strict=True)
        assert found == sorted((image.tobytes(), int(label)) for image, label in wanted)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("shape", [(3,), (2, 4, 5)])
def test_idx_round_trip(tmp_path, shape, compressed):
    array = np.arange(np.prod(shape)).reshape(shape)
    content = idx_bytes(array)
    (tmp_path / "file").write_bytes(gzip.compress(content) if compressed else content)
    np.testing.assert_array_equal(idx.read(tmp_path / "file"), array)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x00\x0d\x01\x00\x00\x00\x01a", idx_bytes(np.ones(5))[:-1], b"GIF89a.."]
)
def test_what_is_no_idx_file_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match="file: "):
        idx.read(tmp_path / "file")


def test_images_and_labels_must_match(tmp_path):
    folder = write_set(tmp_path / "mnist")
    (folder / idx.FILES["test"][1]).write_bytes(idx_bytes(np.ones(3)))
    with pytest.raises(ValueError, match="20 images but 3 labels"):
        idx.read_split(folder, "test")


@pytest.mark.parametrize("folder", ["fashion-mnist", "fashion_mnist"])
def test_idx_files_below_the_variable(root, folder):
    write_set(root / "data" / folder)
    loaded = data.load("fashion_mnist", source="idx")
    same(loaded)
    assert "IDX files" in loaded.source and folder in loaded.source


def test_the_variable_may_name_the_folder_itself(root, monkeypatch):
    monkeypatch.setenv(idx.ROOT_VARIABLE, str(write_set(root / "elsewhere" / "fashion-mnist")))
    assert idx.find("fashion_mnist") is not None
    assert idx.find("mnist") is None


def test_an_incomplete_folder_does_not_count(root):
    folder = write_set(root / "data" / "mnist")
    (folder / idx.FILES["train"][0]).unlink()
    assert idx.find("mnist") is None
    with pytest.raises(FileNotFoundError, match="MPCJAX_DATA"):
        data.load("mnist", source="idx")


def test_tfds_prepared_from_idx_files(root):
    write_set(root / "data" / "fashion_mnist")
    first = data.load("fashion_mnist", source="tfds")
    same(first)
    assert "tensorflow-datasets" in first.source and str(root / "tfds") in first.source
    assert "tensorflow" not in sys.modules
    # now it is prepared, and taken before anything else
    idx_folder = root / "data" / "fashion_mnist"
    for file in idx_folder.iterdir():
        file.unlink()
    again = data.load("fashion_mnist")
    assert again.source == first.source
    np.testing.assert_array_equal(again.train_images, first.train_images)


def test_tfds_downloads_with_checked_sums(root, monkeypatch):
    served = write_set(root / "server")
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: open_file(served / url.rsplit("/", 1)[1]))
    with pytest.raises(ValueError, match="SHA-256"):
        data.load("mnist", source="tfds")
    base, sums = tfds_source.DOWNLOADS["mnist"]
    published = {name: tfds_source.sha256((served / name).read_bytes()) for name in sums}
    monkeypatch.setitem(tfds_source.DOWNLOADS, "mnist", (base, published))
    same(data.load("mnist"))


def open_file(path):
    return io.BytesIO(path.read_bytes())


def test_auto_falls_back_to_digits_and_says_so(root):
    for source in ("auto", "local"):
        loaded = data.load("fashion_mnist", source=source)
        assert loaded.name == "digits"
        assert "fashion_mnist was asked for" in loaded.source
    assert "no network in tests" in data.load("mnist").source


def test_tfds_alone_does_not_fall_back(root):
    with pytest.raises(OSError, match="no network"):
        data.load("mnist", source="tfds")


def test_digits():
    loaded = data.load("digits")
    assert loaded.train_images.shape == (1437, 8, 8, 1) and loaded.test_images.shape == (360, 8, 8, 1)
    assert loaded.train_images.max() == 16
    assert loaded.train_images.mean() == pytest.approx(loaded.mean, rel=0.01)
    assert loaded.train_images.std() == pytest.approx(loaded.std, rel=0.01)
    assert set(loaded.test_labels.tolist()) == set(range(10))


@pytest.mark.skipif(idx.find("fashion_mnist") is None, reason="Debian's dataset-fashion-mnist is not installed")
def test_the_real_fashion_mnist():
    loaded = data.load("fashion_mnist", source="idx")
    assert loaded.train_images.shape == (60000, 28, 28, 1) and loaded.test_images.shape == (10000, 28, 28, 1)
    assert np.bincount(loaded.train_labels).tolist() == [6000] * 10
    assert loaded.train_images.mean() == pytest.approx(loaded.mean, rel=0.001)
    assert loaded.train_images.std() == pytest.approx(loaded.std, rel=0.001)


@pytest.mark.parametrize(("name", "source", "match"), [("cifar", "auto", "cifar"), ("mnist", "web", "web")])
def test_unknown_names_are_refused(name, source, match):
    with pytest.raises(ValueError, match=match):
        data.load(name, source=source)


def test_import_needs_neither_tensorflow_nor_its_datasets():
    unwanted = {"tensorflow", "tensorflow_datasets", "sklearn"}
    program = f"import sys, mpcjax.train; sys.exit(not {unwanted}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
