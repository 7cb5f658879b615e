from __future__ import annotations

import gzip
import os
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gendata.errors import MissingExtraError, SourceError
from gendata.recipe import Choice
from gendata.sources.locations import find_folder
from gendata.sources.source import Source, open_source
from gendata.sources.torchvision import Cifar10, Cifar100

LOCAL_DATA = os.environ.get("GENDATA_DATA")  # read before the fixture takes it away


@pytest.fixture(autouse=True)
def _no_other_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENDATA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GENDATA_DATA", raising=False)


def _write_idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def _write_mnist_like(folder: Path, *, seed: int = 0, num_labels: int = 20) -> None:
    rng = np.random.default_rng(seed)
    for part in ("train", "t10k"):
        _write_idx(folder / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (20, 28, 28), dtype=np.uint8))
        _write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(num_labels, dtype=np.uint8) % 10)


def _open(name: str, root: Path | None = None) -> Source:
    return open_source(Choice(name=name), data_root=root)


@pytest.mark.parametrize("place", ["kmnist", ".", "KMNIST/raw"])
def test_local_files_are_found_by_the_sets_name_or_directly(tmp_path: Path, place: str) -> None:
    _write_mnist_like(tmp_path / "root" / place)
    source = _open("kmnist", tmp_path / "root")
    assert source.split("train").x.shape == (20, 1, 28, 28)
    assert source.split("test").y.bincount().tolist() == [2] * 10


def test_the_environment_names_the_root_and_an_argument_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_mnist_like(tmp_path / "a" / "mnist", seed=1)
    _write_mnist_like(tmp_path / "b" / "mnist", seed=2)
    monkeypatch.setenv("GENDATA_DATA", str(tmp_path / "a"))
    from_environment, from_argument = _open("mnist"), _open("mnist", tmp_path / "b")
    assert from_environment.fingerprint != from_argument.fingerprint


def test_a_folder_of_fashion_mnist_is_not_taken_for_mnist(tmp_path: Path) -> None:
    _write_mnist_like(tmp_path / "fashion-mnist")
    assert _open("fashion-mnist", tmp_path / "fashion-mnist").split("train").x.shape == (20, 1, 28, 28)
    with pytest.raises(SourceError, match="could not be downloaded"):
        _offline(_open("mnist", tmp_path / "fashion-mnist")).split("train")


def test_the_fingerprint_depends_on_pixels_and_labels_of_train_alone(tmp_path: Path) -> None:
    _write_mnist_like(tmp_path / "mnist")
    before = _open("mnist", tmp_path).fingerprint
    _write_idx(tmp_path / "mnist/t10k-images-idx3-ubyte", np.zeros((20, 28, 28), dtype=np.uint8))
    assert _open("mnist", tmp_path).fingerprint == before
    _write_idx(tmp_path / "mnist/train-labels-idx1-ubyte", np.arange(1, 21, dtype=np.uint8) % 10)
    assert _open("mnist", tmp_path).fingerprint != before


def test_images_without_labels_are_refused(tmp_path: Path) -> None:
    _write_mnist_like(tmp_path / "mnist", num_labels=19)
    with pytest.raises(SourceError, match=r"20 images; expected as many as labels in .*: 19"):
        _open("mnist", tmp_path).split("train")


def test_labels_beyond_the_classes_are_refused(tmp_path: Path) -> None:
    _write_mnist_like(tmp_path / "mnist")
    _write_idx(tmp_path / "mnist/train-labels-idx1-ubyte", np.arange(20, dtype=np.uint8))
    with pytest.raises(SourceError, match="labels 0 to 19; expected 0 to 9"):
        _open("mnist", tmp_path).split("train")


def test_images_of_another_size_are_refused(tmp_path: Path) -> None:
    _write_mnist_like(tmp_path / "mnist")
    _write_idx(tmp_path / "mnist/train-images-idx3-ubyte", np.zeros((20, 32, 32), dtype=np.uint8))
    with pytest.raises(SourceError, match=r"\(1, 32, 32\); expected \(1, 28, 28\)"):
        _open("mnist", tmp_path).split("train")


def test_a_train_split_without_a_class_is_refused(tmp_path: Path) -> None:
    _write_mnist_like(tmp_path / "mnist")
    _write_idx(tmp_path / "mnist/train-labels-idx1-ubyte", np.arange(20, dtype=np.uint8) % 9)
    with pytest.raises(SourceError, match=r"1 classes have no image \('9'\)"):
        _open("mnist", tmp_path).split("train")


def _offline(source: Source) -> Source:
    """The source with its download failing as it does without a network."""

    def fetch(folder: Path) -> None:
        raise OSError("<urlopen error [Errno -2] Name or service not known>")

    source._fetch = fetch  # type: ignore[attr-defined]
    return source


def test_without_a_copy_and_without_a_network_the_message_says_where_to_put_the_files(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="could not be downloaded") as caught:
        _offline(_open("fashion-mnist", tmp_path)).split("train")
    message = str(caught.value)
    assert "Name or service not known" in message and "t10k-images-idx3-ubyte" in message
    assert str(tmp_path / "fashion-mnist") in message
    assert "data_root=DIR" in message and "GENDATA_DATA=DIR" in message


def test_without_torchvision_a_download_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(MissingExtraError, match="torchvision is not installed") as caught:
        _open("mnist").split("train")
    assert "pip install torchvision" in str(caught.value)


def test_svhn_without_scipy_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train", "test"):
        (tmp_path / f"{name}_32x32.mat").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingExtraError, match="scipy is not installed"):
        _open("svhn", tmp_path).split("train")


def test_a_damaged_svhn_file_is_one_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="SVHN is read with scipy")
    for name in ("train", "test"):
        (tmp_path / f"{name}_32x32.mat").write_bytes(b"not a matrix")
    with pytest.raises(SourceError, match=r"train_32x32\.mat"):
        _open("svhn", tmp_path).split("train")


def _write_cifar10(folder: Path, count: int) -> np.ndarray:
    folder.mkdir(parents=True)
    records = np.zeros((count, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(count) % 10
    records[:, 1:1025], records[:, 1025:2049], records[:, 2049:] = 10, 20, 30  # red, green, blue planes
    for file in (*Cifar10.train_files, *Cifar10.test_files):
        records.tofile(folder / file)
    return records


def test_cifar10_is_read_from_its_binary_edition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cifar10, "records_per_file", {"train": 10, "test": 10})
    _write_cifar10(tmp_path / "cifar-10-batches-bin", 10)
    train = _open("cifar10", tmp_path).split("train")
    assert train.x.shape == (50, 3, 32, 32) and train.y.tolist() == list(range(10)) * 5
    assert train.x[3, :, 5, 5].tolist() == [10, 20, 30]


def test_a_cifar_file_with_a_missing_record_is_refused(tmp_path: Path) -> None:
    _write_cifar10(tmp_path / "cifar10", 9)
    with pytest.raises(SourceError, match=r"data_batch_1\.bin: 27657 bytes; expected 30730000"):
        _open("cifar10", tmp_path).split("train")


def test_cifar100_takes_the_fine_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cifar100, "records_per_file", {"train": 100, "test": 100})
    records = np.zeros((100, 3074), dtype=np.uint8)
    records[:, 0], records[:, 1] = 7, np.arange(100)
    for file in Cifar100.files:
        records.tofile(tmp_path / file)
    assert _open("cifar100", tmp_path).split("test").y.tolist() == list(range(100))


@pytest.mark.parametrize("name", ["fashion-mnist", "mnist", "kmnist", "cifar10", "cifar100", "svhn"])
def test_spec_and_facts_of_known_sets_are_known_before_any_file_is_read(name: str) -> None:
    source = _open(name)
    assert source.name == name and source.spec.num_classes in (10, 100)
    assert len(set(source.spec.classes)) == source.spec.num_classes
    assert source.citation and source.homepage


@pytest.mark.skipif(
    not (LOCAL_DATA and (Path(LOCAL_DATA) / "fashion-mnist").is_dir()), reason="GENDATA_DATA names no Fashion-MNIST"
)
def test_a_local_copy_of_fashion_mnist_is_the_published_one() -> None:
    source = _open("fashion-mnist", Path(str(LOCAL_DATA)))
    assert source.split("train").y.bincount().tolist() == [6000] * 10
    assert source.split("test").x.shape == (10_000, 1, 28, 28)
    assert source.fingerprint == "b024ba75e566e54620fbbe97288aea9b1fdd39fe362fc92703d19c6170555d6a"
    assert torch.equal(source.split("train").y[:5], torch.tensor([9, 0, 0, 3, 0]))
    assert source.facts().license == "MIT" and str(LOCAL_DATA) not in str(source.facts())


def test_files_that_only_others_may_gzip_are_not_found_gzipped(tmp_path: Path) -> None:
    (tmp_path / "a.bin.gz").write_bytes(b"")
    how = {"name": "x", "root": tmp_path, "inner": "in"}
    assert find_folder(["a.bin"], **how) == tmp_path  # type: ignore[arg-type]
    assert find_folder(["a.bin"], gzipped=False, **how) is None  # type: ignore[arg-type]


def _fetching(source: Source, fetch: Callable[[Path], object]) -> Source:
    """The source with `fetch` for its download, given the folder that torchvision fills."""
    source._fetch = lambda folder: fetch(folder / source.inner)  # type: ignore[attr-defined]
    return source


def test_of_a_killed_download_nothing_is_found_and_the_next_one_is_whole(tmp_path: Path) -> None:
    def killed(folder: Path) -> None:
        _write_mnist_like(folder)
        path = folder / "t10k-labels-idx1-ubyte"
        path.write_bytes(path.read_bytes()[:9])
        raise KeyboardInterrupt

    half = tmp_path / "cache" / "data" / "MNIST" / "raw" / "train-images-idx3-ubyte"  # as killed, by one of before
    _write_idx(half, np.zeros((1, 28, 28), dtype=np.uint8))
    with pytest.raises(KeyboardInterrupt):
        _fetching(_open("mnist"), killed).split("train")
    with pytest.raises(SourceError, match="could not be downloaded"):
        _offline(_open("mnist")).split("train")
    left = tmp_path / "cache" / "data" / ".mnist.partial" / "MNIST" / "raw"  # of one that could not tidy up
    left.mkdir(parents=True)
    assert len(_fetching(_open("mnist"), _write_mnist_like).split("test").x) == 20
    assert len(_offline(_open("mnist")).split("train").x) == 20
    assert not left.exists()


def test_whoever_needs_what_another_process_is_downloading_waits_for_it() -> None:
    begun, finish, read = threading.Event(), threading.Event(), []

    def slow(folder: Path) -> None:
        _write_mnist_like(folder)
        whole = {path: path.read_bytes() for path in folder.iterdir()}
        for path, data in whole.items():
            path.write_bytes(data[:9])
        begun.set()
        assert finish.wait(60)
        for path, data in whole.items():
            path.write_bytes(data)

    def reading(source: Source) -> threading.Thread:
        thread = threading.Thread(target=lambda: read.append(len(source.split("train").x)))
        thread.start()
        return thread

    first = reading(_fetching(_open("mnist"), slow))
    assert begun.wait(60)
    second = reading(_offline(_open("mnist")))
    second.join(0.3)
    assert read == []
    finish.set()
    first.join(60)
    second.join(60)
    assert read == [20, 20]


def test_a_file_beside_its_gz_may_be_half_unpacked(tmp_path: Path) -> None:
    _write_mnist_like(tmp_path / "mnist")
    path = tmp_path / "mnist" / "train-images-idx3-ubyte"
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.write_bytes(path.read_bytes()[:-1])
    assert len(_open("mnist", tmp_path).split("train").x) == 20
