"""`numpy`: arrays for whoever wants no more than numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gendata.exporters.content import Content
from gendata.exporters.exporter import write_json
from gendata.exporters.raw_parts import RawParts, create_npy, open_npy, save_npy, unlike
from gendata.exporters.record import CLASSES


class NumpyArrays(RawParts):
    """images.npy (N, H, W, C), labels.npy (N,) int64, soft_labels.npy (N, classes) float32 if any, classes.json.

    Images are uint8, or float32 where the artifact stores floats: then `space`, `mean` and `std` in export.json say
    what the values mean. Every file reads with `np.load(path, allow_pickle=False)`, memory-mapped too.
    """

    name = "numpy"
    summary = "images.npy, labels.npy: any values, read without pickle"

    def check(self, content: Content) -> None:
        """Arrays hold everything."""

    def finish(self, content: Content, folder: Path, names: list[str]) -> list[str]:
        made = [_joined_images(self, content, folder)]
        made.append(save_npy(folder / "labels.npy", content.labels))
        if content.soft:
            soft = [block.soft for _, block in self.blocks_made(content, folder) if block.soft is not None]
            made.append(save_npy(folder / "soft_labels.npy", np.concatenate(soft)))
        return [*made, write_json(folder / CLASSES, list(content.spec.classes))]


def _joined_images(exporter: RawParts, content: Content, folder: Path) -> str:
    channels, height, width = content.spec.shape
    path, dtype = folder / "images.npy", np.dtype(content.artifact.manifest.sampling.dtype)
    images = create_npy(path, dtype, (len(content), height, width, channels))
    for index, block in exporter.blocks_made(content, folder):
        images[index.start : index.stop] = block.images
    images.flush()
    found = open_npy(path)
    for index, block in exporter.blocks_made(content, folder):
        if not np.array_equal(found[index.start : index.stop], block.images):
            raise unlike(path)
    return path.name
