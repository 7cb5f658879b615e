"""`kip`: the `.npz` files of Kernel Inducing Points, `ConvNet_ssize100_zca_nol_noaug_ckpt1000.npz`.

`images` (N, H, W, C), normalised per channel and, with `zca` in the name, whitened; `labels` (N, classes) are one-hot
minus 1 / classes, or, with `l` instead of `nol`, learned from there (google-research/kip dataset.ipynb,
nn_training.ipynb).

Differs from the paper: its whitening was fitted without the 5,000 training images that TFDS puts last.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from gendata.artifact.space import SpaceName, Whitening
from gendata.errors import SourceError
from gendata.importers.arrays import read_npz
from gendata.importers.layout import Files, ImageSet, Layout
from gendata.importers.pieces import image_tensor, soft_labels
from gendata.importers.published import source_called
from gendata.importers.wanted import Wanted

WHITENING = Whitening(stored=False, normalised=True, unit_images=True, centred=False, ridge=0.1, ridge_relative=True)
_NAME = re.compile(r"(?:kip_)?(?:(\w+?)_)?ConvNet\d?_ssize\d+_(zca|nozca)_(l|nol)_")


class Kip(Layout):
    """Labels that are one-hot but for their shift become hard ones."""

    name = "kip"
    summary = "KIP: *.npz, normalised or whitened, labels perhaps learned"

    def claims(self, files: Files) -> bool:
        return files.path.is_file() and files.path.suffix == ".npz"

    def read(self, files: Files, wanted: Wanted) -> ImageSet:
        if files.path.suffix != ".npz" or not files.path.is_file():
            raise SourceError("is not of this layout", where=str(files.path), expected="a file NAME.npz")
        arrays = read_npz(files.path, ("images", "labels"))
        stored = torch.from_numpy(arrays["images"])
        images = image_tensor(stored.permute(0, 3, 1, 2).contiguous() if stored.dim() == 4 else stored, files.path)
        soft = soft_labels(torch.from_numpy(arrays["labels"]), len(images), files.path)
        hard = _hard(soft)
        if hard is not None:
            wanted.say("labels are one-hot minus 1 / classes: taken as hard labels")
        named = _NAME.match(files.path.name)
        parts = [(named and named[1]) or "", files.path.absolute().parent.name]
        space: SpaceName | None = None if not named else "zca" if named[2] == "zca" else "normalised"
        return ImageSet(
            images=images,
            labels=hard,
            soft=soft if hard is None else None,
            label_values="targets",
            files=(files.path,),
            space=space,
            whitening=WHITENING,
            statistics="kip",
            source=next(filter(None, map(source_called, parts)), None),
        )


def _hard(soft: Tensor) -> Tensor | None:
    """Class numbers (N,) if every row is one-hot but for a constant; else None."""
    labels = soft.argmax(1)
    one_hot = torch.nn.functional.one_hot(labels, soft.shape[1]).to(soft.dtype)
    spread = soft - one_hot
    return labels if bool((spread - spread.mean()).abs().max() < 1e-4) else None
