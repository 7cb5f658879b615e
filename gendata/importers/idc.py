"""`idc` and `ncfm`: `data.pt`, a list [images, labels]; images are pixels in [0, 1], not clamped.

Each stored image may hold `factor` x `factor` small ones, which training cuts out and enlarges (multi-formation); the
file does not say so (IDC condense.py:572-574, NCFM utils/ddp.py:99-101). Only its default, "single", is read, where
every image has the same factor.
"""

from __future__ import annotations

import re

from gendata.errors import SourceError
from gendata.importers.layout import Files, ImageSet, Layout
from gendata.importers.pieces import hard_labels, image_tensor
from gendata.importers.published import source_called
from gendata.importers.wanted import Wanted


class Idc(Layout):
    """One set; the factor, like the data set, may stand in the folder's name as IDC writes it."""

    name = "idc"
    summary = "IDC: data.pt, pixels, --factor tiles per side"

    def claims(self, files: Files) -> bool:
        tree = files.tree
        return isinstance(tree, list) and len(tree) == 2 and getattr(tree[0], "ndim", 0) == 4

    def read(self, files: Files, wanted: Wanted) -> ImageSet:
        if not isinstance(files.tree, list) or len(files.tree) != 2:
            raise SourceError("is not of this layout", where=str(files.path), expected="[images, labels]")
        images = image_tensor(files.tree[0], files.path)
        # ".../cifar10/conv3in_..._factor2_lr0.005_mix_ipc10/data.pt"
        names = [part.name for part in files.path.absolute().parents][:2]
        factors = re.findall(r"_factor(\d)(?:_|$)", names[0] if names else "")
        return ImageSet(
            images=images,
            labels=hard_labels(files.tree[1], len(images), files.path),
            files=(files.path,),
            space="image",
            statistics="idc",
            source=next(filter(None, map(source_called, names)), None),
            factor=int(factors[0]) if factors else None,
        )


class Ncfm(Idc):
    """The same file as IDC's."""

    name = "ncfm"
    summary = "NCFM: data_*.pt, pixels, --factor tiles per side"

    def claims(self, files: Files) -> bool:
        return False  # IDC's look the same
