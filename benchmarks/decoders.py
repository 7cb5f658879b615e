"""The usual ways to load labelled JPEGs, each from the same images: what `loading.py` compares gendata with.

Every function writes the data set into its folder and gives a function from a number of workers to a loader of
[images float32 in [0, 1], labels int64].
"""

from __future__ import annotations

import importlib.util
import io
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

Loaders = Callable[[int], Any]


def installed_decoders(folder: Path, jpegs: list[bytes], labels: list[int], batch: int) -> dict[str, Loaders]:
    """Those whose package is installed, by name."""
    start_method, loaders = multiprocessing.get_start_method(), {}
    for name, (package, write) in DECODERS.items():
        if importlib.util.find_spec(package) is not None:
            loaders[name] = write(folder / package, jpegs, labels, batch)
            multiprocessing.set_start_method(start_method, force=True)  # LitData changes it for everybody
    return loaders


def missing_decoders() -> list[str]:
    """Names of those whose package is not installed."""
    return [name for name, (package, _) in DECODERS.items() if importlib.util.find_spec(package) is None]


def plain_loader(dataset: Any, workers: int, batch: int, collate_fn: Any, **options: Any) -> DataLoader[Any]:
    return DataLoader(
        dataset, batch_size=batch, num_workers=workers, persistent_workers=workers > 0, collate_fn=collate_fn, **options
    )


def image_folder_loader(folder: Path, jpegs: list[bytes], labels: list[int], batch: int) -> Loaders:
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import ToTensor

    for index, (jpeg, label) in enumerate(zip(jpegs, labels, strict=True)):
        path = folder / f"{label:02d}" / f"{index:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg)
    return lambda workers: plain_loader(ImageFolder(str(folder), transform=ToTensor()), workers, batch, default_collate)


def datasets_loader(folder: Path, jpegs: list[bytes], labels: list[int], batch: int) -> Loaders:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    folder.mkdir()
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(max(labels) + 1)})
    rows = {"image": [{"bytes": jpeg, "path": None} for jpeg in jpegs], "label": labels}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "train.parquet")
    data = datasets.Dataset.from_parquet(str(folder / "train.parquet"), cache_dir=str(folder / "cache"))
    return lambda workers: plain_loader(data.with_format("torch"), workers, batch, _columns)


def _columns(rows: list[dict[str, Tensor]]) -> tuple[Tensor, Tensor]:
    batch = default_collate(rows)  # uint8 until here: one conversion per batch
    return batch["image"].to(torch.float32).div_(255), batch["label"]


def webdataset_loader(folder: Path, jpegs: list[bytes], labels: list[int], batch: int) -> Loaders:
    import webdataset

    folder.mkdir()
    with webdataset.ShardWriter(f"{folder}/%04d.tar", maxcount=-(-len(jpegs) // 8), verbose=0) as writer:
        for index, (jpeg, label) in enumerate(zip(jpegs, labels, strict=True)):
            writer.write({"__key__": f"{index:06d}", "jpg": jpeg, "cls": str(label).encode()})
    shards = [str(path) for path in sorted(folder.glob("*.tar"))]

    def loader(workers: int) -> Any:
        data = webdataset.WebDataset(shards, shardshuffle=False).decode("torchrgb").to_tuple("jpg", "cls")
        return plain_loader(data, workers, batch, default_collate)

    return loader


def streaming_loader(folder: Path, jpegs: list[bytes], labels: list[int], batch: int) -> Loaders:
    import streaming

    class Decoded(streaming.StreamingDataset):  # type: ignore[misc, name-defined]
        def __getitem__(self, index: Any) -> tuple[Tensor, int]:
            row = super().__getitem__(index)
            return _decoded(row["image"]), row["label"]

    with streaming.MDSWriter(out=str(folder), columns={"image": "bytes", "label": "int"}) as writer:
        for jpeg, label in zip(jpegs, labels, strict=True):
            writer.write({"image": jpeg, "label": label})

    def loader(workers: int) -> Any:
        streaming.base.util.clean_stale_shared_memory()
        data = Decoded(local=str(folder), shuffle=False, batch_size=batch)
        return plain_loader(data, workers, batch, default_collate)

    return loader


def litdata_loader(folder: Path, jpegs: list[bytes], labels: list[int], batch: int) -> Loaders:
    import litdata

    class Decoded(litdata.StreamingDataset):  # type: ignore[misc, name-defined]
        def __getitem__(self, index: Any) -> tuple[Tensor, int]:
            row = super().__getitem__(index)
            return _decoded(row["image"]), row["label"]

    for name in ("DATA_OPTIMIZER_CACHE_FOLDER", "DATA_OPTIMIZER_DATA_CACHE_FOLDER"):
        os.environ[name] = str(folder.parent / name.lower())  # else folders of a general name beside other people's
    pairs = list(zip(jpegs, labels, strict=True))
    litdata.optimize(fn=_row, inputs=pairs, output_dir=str(folder), chunk_bytes="16MB", num_workers=1, verbose=False)
    return lambda workers: litdata.StreamingDataLoader(
        Decoded(str(folder)), batch_size=batch, num_workers=workers, persistent_workers=workers > 0
    )


def _row(pair: tuple[bytes, int]) -> dict[str, Any]:
    return {"image": pair[0], "label": pair[1]}


def _decoded(jpeg: bytes) -> Tensor:
    from torchvision.transforms.functional import to_tensor

    image: Tensor = to_tensor(Image.open(io.BytesIO(jpeg)))
    return image


# By name: the package that it needs, and what writes and reads the images.
DECODERS: dict[str, tuple[str, Callable[[Path, list[bytes], list[int], int], Loaders]]] = {
    "datasets": ("datasets", datasets_loader),
    "ImageFolder": ("torchvision", image_folder_loader),
    "webdataset": ("webdataset", webdataset_loader),
    "MosaicML streaming": ("streaming", streaming_loader),
    "LitData": ("litdata", litdata_loader),
}
