"""Data sets that torchvision knows by name, read from a local copy when there is one and downloaded otherwise.

Nothing is unpickled: the MNIST family is read from its idx files, CIFAR from its binary edition, SVHN from its MATLAB
files.
"""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import torch

from gendata.errors import SourceError
from gendata.sources.idx import read_idx
from gendata.sources.locations import download, find_folder, missing_package, present
from gendata.sources.records import read_records
from gendata.sources.source import Source
from gendata.sources.split import Split
from gendata.spec import SampleSpec

_DIGIT_NAMES = tuple("0123456789")
_CIFAR100_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Data sets known by name have no options."""


class _Known(Source):
    """A data set with a fixed spec, in a folder found or filled."""

    Config = Config
    files: ClassVar[tuple[str, ...]]  # all needed
    gzipped: ClassVar[bool] = False  # whether each may be
    inner: ClassVar[str]  # where torchvision, or the archive, puts them inside a root

    def _folder(self) -> Path:
        """The folder with `files`; downloads them if they are nowhere on this machine."""
        find = partial(
            find_folder, self.files, name=self.name, root=self.data_root, inner=self.inner, gzipped=self.gzipped
        )
        return find() or download(self.name, self._fetch, find, files=self.files, root=self.data_root)

    def _fetch(self, folder: Path) -> None:
        raise NotImplementedError


class _IdxFamily(_Known):
    """28 x 28 grey images in four idx files."""

    files = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))
    gzipped = True
    torchvision_class: ClassVar[str]

    def _read(self, name: str) -> Split:
        folder, part = self._folder(), "train" if name == "train" else "t10k"
        images_path, labels_path = (present(folder / f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
        assert images_path and labels_path  # _folder saw them
        images, labels = read_idx(images_path, num_dims=3), read_idx(labels_path, num_dims=1)
        if len(images) != len(labels):
            raise SourceError(
                f"{len(images)} images",
                where=str(images_path),
                expected=f"as many as labels in {labels_path}: {len(labels)}",
            )
        return Split(torch.from_numpy(images[:, None]), torch.from_numpy(labels.astype(np.int64)))

    def _fetch(self, folder: Path) -> None:
        import torchvision.datasets

        getattr(torchvision.datasets, self.torchvision_class)(folder, download=True)


class FashionMnist(_IdxFamily):
    """Fashion-MNIST: 60,000 + 10,000 grey images of clothing."""

    name = "fashion-mnist"
    torchvision_class, inner = "FashionMNIST", "FashionMNIST/raw"
    license = "MIT"
    citation = (
        "H. Xiao, K. Rasul, R. Vollgraf (2017). Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
        "Algorithms. arXiv:1708.07747"
    )
    homepage = "https://github.com/zalandoresearch/fashion-mnist"
    spec = SampleSpec(
        channels=1,
        height=28,
        width=28,
        classes=(
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
        ),
    )  # fmt: skip


class Mnist(_IdxFamily):
    """MNIST: 60,000 + 10,000 handwritten digits."""

    name = "mnist"
    torchvision_class, inner = "MNIST", "MNIST/raw"
    citation = (
        "Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998). Gradient-based learning applied to document recognition. "
        "Proceedings of the IEEE 86(11)"
    )
    homepage = "http://yann.lecun.com/exdb/mnist"
    spec = SampleSpec(channels=1, height=28, width=28, classes=_DIGIT_NAMES)


class Kmnist(_IdxFamily):
    """Kuzushiji-MNIST: 60,000 + 10,000 cursive Japanese characters."""

    name = "kmnist"
    torchvision_class, inner = "KMNIST", "KMNIST/raw"
    license = "CC-BY-SA-4.0"
    citation = (
        "T. Clanuwat, M. Bober-Irizar, A. Kitamoto, A. Lamb, K. Yamamoto, D. Ha (2018). Deep Learning for Classical "
        "Japanese Literature. arXiv:1812.01718"
    )
    homepage = "https://github.com/rois-codh/kmnist"
    spec = SampleSpec(
        channels=1, height=28, width=28, classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
    )


class _Cifar(_Known):
    """32 x 32 colour images in the binary edition: records of label bytes, then red, green and blue planes."""

    homepage = "https://www.cs.toronto.edu/~kriz/cifar.html"
    citation = "A. Krizhevsky (2009). Learning Multiple Layers of Features from Tiny Images. University of Toronto"
    train_files: ClassVar[tuple[str, ...]]
    test_files: ClassVar[tuple[str, ...]]
    records_per_file: ClassVar[dict[str, int]]  # by split, as published
    label_bytes: ClassVar[int]  # the last of them is the class
    archive: ClassVar[str]
    archive_md5: ClassVar[str]  # as the publisher's page gives it

    def _read(self, name: str) -> Split:
        folder = self._folder()
        files = self.train_files if name == "train" else self.test_files
        parts = [
            read_records(
                folder / file, self.spec.shape, label_bytes=self.label_bytes, count=self.records_per_file[name]
            )
            for file in files
        ]
        images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Split(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))

    def _fetch(self, folder: Path) -> None:
        from torchvision.datasets.utils import download_and_extract_archive

        # torchvision's own class reads the edition for Python, which is pickled; this is the same data without.
        url = f"https://www.cs.toronto.edu/~kriz/{self.archive}"
        download_and_extract_archive(url, str(folder), md5=self.archive_md5, remove_finished=True)


class Cifar10(_Cifar):
    """CIFAR-10: 50,000 + 10,000 colour photographs."""

    name = "cifar10"
    inner = "cifar-10-batches-bin"
    train_files = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
    test_files = ("test_batch.bin",)
    files = (*train_files, *test_files)
    records_per_file: ClassVar = {"train": 10_000, "test": 10_000}
    label_bytes = 1
    archive, archive_md5 = "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d873fc"
    spec = SampleSpec(
        channels=3,
        height=32,
        width=32,
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    )


class Cifar100(_Cifar):
    """CIFAR-100: 50,000 + 10,000 colour photographs, labelled with the 100 fine classes."""

    name = "cifar100"
    inner = "cifar-100-binary"
    train_files = ("train.bin",)
    test_files = ("test.bin",)
    files = (*train_files, *test_files)
    records_per_file: ClassVar = {"train": 50_000, "test": 10_000}
    label_bytes = 2  # coarse, then fine
    archive, archive_md5 = "cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"
    spec = SampleSpec(
        channels=3,
        height=32,
        width=32,
        classes=tuple(_CIFAR100_NAMES.split()),
    )


class Svhn(_Known):
    """Street View House Numbers, cropped: 73,257 + 26,032 colour digits. Reading it needs scipy."""

    name = "svhn"
    files = ("train_32x32.mat", "test_32x32.mat")
    inner = "svhn"
    citation = (
        "Y. Netzer, T. Wang, A. Coates, A. Bissacco, B. Wu, A. Y. Ng (2011). Reading Digits in Natural Images with "
        "Unsupervised Feature Learning. NIPS Workshop on Deep Learning and Unsupervised Feature Learning"
    )
    homepage = "http://ufldl.stanford.edu/housenumbers"
    spec = SampleSpec(channels=3, height=32, width=32, classes=_DIGIT_NAMES)

    def _read(self, name: str) -> Split:
        folder = self._folder()
        try:
            data = _torchvision_svhn(folder, name, download=False)
        except RuntimeError:  # its word for another checksum than the published one
            raise SourceError(
                "is not the published file",
                where=str(folder / f"{name}_32x32.mat"),
                remedy="Delete the file and fetch it again.",
            ) from None
        return Split(torch.from_numpy(np.ascontiguousarray(data.data)), torch.from_numpy(data.labels.astype(np.int64)))

    def _fetch(self, folder: Path) -> None:
        for name in ("train", "test"):
            _torchvision_svhn(folder / self.inner, name, download=True)


def _torchvision_svhn(folder: Path, name: str, *, download: bool) -> Any:
    """torchvision's reader, which compares checksums and turns label 10 into 0."""
    try:
        import torchvision.datasets

        importlib.import_module("scipy.io")  # torchvision needs it, and would only say so after the download
    except ImportError as error:
        raise missing_package(error, where="svhn") from None
    return torchvision.datasets.SVHN(folder, split=name, download=download)
