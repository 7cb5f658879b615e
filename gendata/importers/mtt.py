"""`mtt` and `datm`: `images_best.pt`, `labels_best.pt` and perhaps `lr_best.pt`, a tensor each.

MTT's labels are class numbers, DATM's are logits (mtt-distillation distill.py:238-243, DATM distill/DATM.py:397-404).
Images are normalised or whitened: the files look the same, so it has to be said. Tiny ImageNet at IPC 50 came in five
pieces, `images_best_0.pt` and so on (DC-BENCH data_loader/tm_data_loader.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gendata.artifact.space import Whitening
from gendata.errors import SourceError
from gendata.importers.layout import Files, ImageSet, Layout
from gendata.importers.pickles import read_pickle
from gendata.importers.pieces import hard_labels, image_tensor, number, soft_labels
from gendata.importers.published import source_called
from gendata.importers.wanted import Wanted

# kornia's ZCAWhitening(eps=0.1), fitted to values in [0, 1] (utils.py, args.zca)
WHITENING = Whitening(stored=False, normalised=False, unit_images=False, centred=True, ridge=0.1, ridge_relative=False)
_IMAGES = ("images_best.pt", "images.pt")


class Mtt(Layout):
    """A folder, or its file of images, beside which labels and learning rate lie."""

    name = "mtt"
    summary = "MTT: images_best.pt, labels_best.pt, lr; --space normalised or zca"

    def claims(self, files: Files) -> bool:
        found = _image_files(files.path)
        return bool(found) and _labels_beside(found[0]).is_file()

    def read(self, files: Files, wanted: Wanted) -> ImageSet:
        image_files = _image_files(files.path)
        if not image_files:
            raise SourceError("is not of this layout", where=str(files.path), expected=" or ".join(_IMAGES))
        images = image_tensor(_joined(image_files), image_files[0])
        label_files = tuple(map(_labels_beside, image_files))
        labels = _joined(label_files)
        rates = [path for path in map(_rate_beside, image_files) if path.is_file()][:1]
        if not rates and wanted.lr is None:
            wanted.say("no learning rate lies beside the images, though one was learned with them (--lr)")
        names = [part.name for part in files.path.absolute().parents][:3]
        soft = isinstance(labels, Tensor) and labels.dim() == 2
        if soft and wanted.label_values is None:
            wanted.say("labels are taken for logits, as DATM's are (--label-values)")
        return ImageSet(
            images=images,
            labels=None if soft else hard_labels(labels, len(images), label_files[0]),
            soft=soft_labels(labels, len(images), label_files[0]) if soft else None,
            label_values="logits",
            files=(*image_files, *label_files, *rates),
            space=None,
            whitening=WHITENING,
            statistics="mtt",
            source=next(filter(None, map(source_called, names)), None),
            lr=number(read_pickle(rates[0]), rates[0]) if rates else None,
        )


class Datm(Mtt):
    """The same files; labels (N, classes) are logits, trained on by cross entropy with their softmax."""

    name = "datm"
    summary = "DATM: as mtt, with logits as labels"

    def claims(self, files: Files) -> bool:
        return False  # MTT's look the same until the labels are read


def _image_files(path: Path) -> list[Path]:
    """The files of images that `path` means, pieces in order; none: it is no such thing."""
    if path.is_file():
        return [path] if path.suffix == ".pt" and path.name.startswith("images") else []
    for name in _IMAGES:
        if (path / name).is_file():
            return [path / name]
    pieces = [piece for piece in path.glob("images_best_*.pt") if re.fullmatch(r"images_best_\d+", piece.stem)]
    return sorted(pieces, key=lambda piece: int(piece.stem.rpartition("_")[2]))


def _labels_beside(images: Path) -> Path:
    return images.with_name(images.name.replace("images", "labels", 1))


def _rate_beside(images: Path) -> Path:
    return images.with_name(images.name.replace("images", "lr", 1))


def _joined(paths: Any) -> Any:
    """What the files hold, pieces put together along the first axis."""
    parts = [read_pickle(path) for path in paths]
    if len(parts) == 1:
        return parts[0]
    shapes = {part.shape[1:] if isinstance(part, Tensor) and part.dim() else None for part in parts}
    if len(shapes) != 1 or None in shapes:
        raise SourceError("the pieces do not fit together", where=str(paths[0].parent), expected="tensors of one shape")
    return torch.cat(parts)
