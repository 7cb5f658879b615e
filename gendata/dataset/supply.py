"""From the rows of a step to a batch on a device: what the host does, in whichever process, and what the device."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate

from gendata.artifact.artifact import CondensedArtifact
from gendata.artifact.modules import MAX_ACTIVATION_BYTES
from gendata.artifact.sampling import draw_latents, fresh_key, render
from gendata.dataset.formats import Format
from gendata.dataset.indices import Rows
from gendata.dataset.views import FreshView, View

if TYPE_CHECKING:
    from gendata.dataset.generated import GeneratedDataset

# Of a frozen set that was read once already, kept as floats: two idle cores, torch 2.15, gather 256 of 3 x 64 x 64 from
# them in 1.8 ms, and in 2.7 to 3.3 from bytes. More than this is not worth the memory.
_KEPT_BYTES = 256 * 2**20
# Images per generator call on an accelerator, which a host's few would leave idle. One number for all, so that an image
# has the same bits in a batch of any size. Not tuned: no CUDA device was at hand.
_ACCELERATOR_MICRO_BATCH = 64


class Supply(ABC):
    """One way to make batches. `host` works in the main process or a worker, `device` in the main process."""

    threaded: bool = False  # `host` touches no setting of the process, so a thread may run it beside training

    @abstractmethod
    def host(self, rows: Rows) -> Any:
        """What travels: host tensors in tuples, lists or dictionaries."""

    @abstractmethod
    def device(self, made: Any) -> Any:
        """The batch, on the device."""


class PixelSupply(Supply):
    """Images made on the host, which travel as the bytes they are stored as; the device makes floats of them."""

    def __init__(self, view: View, shape: Format, *, soft: bool, device: torch.device, travels: bool) -> None:
        self.view, self.shape, self.soft, self.to = view, shape, soft, device
        self.threaded = view.mode == "frozen"
        self.as_floats = shape.dtype == "float32" and not travels  # at once, where nothing has to travel
        self._num_made = 0
        self._floats: Tensor | None = None  # the whole set

    def host(self, rows: Rows) -> tuple[Tensor, Tensor]:
        labels = self.view.soft_labels(rows) if self.soft else self.view.labels(rows.positions)
        return (self._read(rows) if self.as_floats else self.view.images(rows)), labels

    def device(self, made: tuple[Tensor, Tensor]) -> Any:
        pixels, labels = moved(made, self.to)
        return self.shape.ready(pixels, labels)

    def _read(self, rows: Rows) -> Tensor:
        if self._floats is not None:
            return self._floats.index_select(0, torch.from_numpy(rows.positions))
        if self._num_made >= len(self.view) and self._may_keep():
            self._floats = self.view.floats(Rows(np.arange(len(self.view), dtype=np.int64), 0))
        self._num_made += len(rows.positions)
        return self.view.floats(rows)

    def _may_keep(self) -> bool:
        return self.view.mode == "frozen" and 4 * len(self.view) * self.view.artifact.spec.num_pixels <= _KEPT_BYTES


class Latents(NamedTuple):
    """What a generator turns into images."""

    z: Tensor  # (N, dim) float32
    y: Tensor  # (N,) int64
    labels: Tensor  # y, or soft labels (N, K) float32


class DeviceSupply(Supply):
    """Fresh images generated on the device, from latents that the host draws: those have the same bits everywhere.

    Pixels may differ from the host's by one step of 255, as between any two kinds of machines.
    """

    threaded = True

    def __init__(self, view: View, shape: Format, *, soft: bool, device: torch.device) -> None:
        self.view, self.shape, self.soft, self.to = view, shape, soft, device
        self.artifact = view.artifact
        self.micro_batch = _micro_batch(self.artifact)
        self.generator = copy.deepcopy(self.artifact.generator).to(device)

    def host(self, rows: Rows) -> Latents:
        view, there = self.view.resolve(rows)
        assert isinstance(view, FreshView) and isinstance(there.epoch, int), "steps of a loader are of one epoch"
        key = fresh_key(there.positions, samples_per_class=view.samples_per_class, seed=view.seed, epoch=there.epoch)
        z, y = draw_latents(self.artifact.law, **key), key["y"]
        return Latents(z, y, self.artifact.soft_labels_of(z, y) if self.soft else y)

    def device(self, made: Latents) -> Any:
        z, y, labels = moved(tuple(made), self.to)
        pixels = render(self.generator, z, y, micro_batch=self.micro_batch, dtype=self.artifact.sample_dtype)
        return self.shape.ready(pixels, labels)


class SampleSupply(Supply):
    """Samples as the dataset gives them, transforms and all, stacked as a DataLoader would."""

    def __init__(self, dataset: Any, *, device: torch.device) -> None:
        self.dataset, self.to = dataset, device

    def host(self, rows: Rows) -> Any:
        return default_collate(list(self.dataset.__getitems__([(rows.epoch, index) for index in rows.positions])))

    def device(self, made: Any) -> Any:
        return moved(made, self.to)


def moved(value: Any, device: torch.device) -> Any:
    """`value` with every tensor in it on `device`; to CUDA through pinned memory, without waiting."""
    if isinstance(value, Tensor):
        if value.device == device:
            return value
        if device.type == "cuda" and value.device.type == "cpu":
            return (value if value.is_pinned() else value.pin_memory()).to(device, non_blocking=True)
        return value.to(device)
    if isinstance(value, dict):
        return {key: moved(part, device) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [moved(part, device) for part in value]
    return value


def supply_for(dataset: GeneratedDataset, *, device: torch.device, in_workers: bool) -> Supply:
    """The quickest way to batches of `dataset` on `device`.

    Args:
        dataset: what to read.
        device: where batches go.
        in_workers: workers do the host's part, so nothing can be generated on the device.
    """
    view, shape = dataset._view, dataset._format
    if dataset._transforms or shape.name not in ("torch", "dict"):
        return SampleSupply(dataset, device=device)
    if view.mode == "fresh" and device.type != "cpu" and not in_workers:
        return DeviceSupply(view, shape, soft=dataset._soft, device=device)
    travels = in_workers or device.type != "cpu"
    return PixelSupply(view, shape, soft=dataset._soft, device=device, travels=travels)


def _micro_batch(artifact: CondensedArtifact) -> int:
    stored, held = artifact.manifest.sampling.micro_batch, artifact.generator.activation_values_per_image()
    return max(stored, min(_ACCELERATOR_MICRO_BATCH, MAX_ACTIVATION_BYTES // (4 * max(1, held))))
