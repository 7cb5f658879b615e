"""`dc`: the files of DC, DSA and DM, `res_DSA_CIFAR10_ConvNet_10ipc.pt`; DC-BENCH's copies of them too.

A dict: `data` is a list with [images, labels] of each experiment, images as normalised for the network;
`accs_all_exps` holds accuracies, which are not taken over (VICO-UoE/DatasetCondensation main.py:224-225).
"""

from __future__ import annotations

import re

from gendata.errors import SourceError, SpecError
from gendata.importers.layout import Files, ImageSet, Layout
from gendata.importers.pieces import hard_labels, image_tensor
from gendata.importers.published import source_called
from gendata.importers.wanted import Wanted

_NAME = re.compile(r"res_[A-Za-z]+_([A-Za-z0-9]+)_")


class Dc(Layout):
    """Several sets in one file; the last is taken unless another is asked for, as DC-BENCH does."""

    name = "dc"
    summary = "DC, DSA, DM: res_*.pt, normalised, several sets in one file"

    def claims(self, files: Files) -> bool:
        return isinstance(files.tree, dict) and "data" in files.tree

    def read(self, files: Files, wanted: Wanted) -> ImageSet:
        tree = files.tree
        sets = tree.get("data") if isinstance(tree, dict) else None
        if not isinstance(sets, list) or not sets or not all(isinstance(one, list) and len(one) == 2 for one in sets):
            raise SourceError(
                "is not of this layout", where=str(files.path), expected="{'data': [[images, labels], ...], ...}"
            )
        index = self._index(len(sets), wanted)
        where = f"{files.path}: data[{index}]"
        images = image_tensor(sets[index][0], where)
        named = _NAME.match(files.path.name)
        return ImageSet(
            images=images,
            labels=hard_labels(sets[index][1], len(images), where),
            files=(files.path,),
            space="normalised",
            statistics="dc",
            source=source_called(named[1]) if named else None,
            set_index=index,
            num_sets=len(sets),
        )

    def _index(self, count: int, wanted: Wanted) -> int:
        if wanted.set_index is None:
            if count > 1:
                wanted.say(f"the file holds {count} sets; the last is taken, as DC-BENCH does (--set-index)")
            return count - 1
        if not 0 <= wanted.set_index < count:
            raise SpecError(f"set_index is {wanted.set_index}", where="--set-index", expected=f"0 to {count - 1}")
        return wanted.set_index
