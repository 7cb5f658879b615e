"""`digits`: 1,797 scans of handwritten digits, 8 x 8, ten classes. Shipped with gendata; needs no network."""

from __future__ import annotations

from importlib.resources import files

import msgspec
import numpy as np
import torch

from gendata.sources.source import Source
from gendata.sources.split import Split
from gendata.spec import SampleSpec


class Digits(Source):
    """The test part of the UCI set of Alpaydin and Kaynak (1998), as one small file.

    Train: 1,297 images; test: 500, 50 per class, drawn with seed 0. Both come from the 13 writers of that part, so a
    test score here says less about new writers than the original split does. Values 0 .. 16 become v * 255 / 16,
    rounded half to even.
    """

    class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """No options."""

    name = "digits"
    license = "CC-BY-4.0"
    citation = (
        "E. Alpaydin and C. Kaynak (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning Repository. "
        "https://doi.org/10.24432/C50P49"
    )
    homepage = "https://archive.ics.uci.edu/dataset/80"
    spec = SampleSpec(channels=1, height=8, width=8, classes=tuple("0123456789"))
    test_origin = None
    is_embedded = True

    def _read(self, name: str) -> Split:
        with (files("gendata.sources") / "data" / "digits.npz").open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            values, labels = stored["images"], stored["labels"]
        pixels = np.rint(values * (255 / 16)).astype(np.uint8)
        return Split(torch.from_numpy(pixels[:, None]), torch.from_numpy(labels.astype(np.int64)))

    def _test_per_class(self, counts: list[int]) -> int:
        return 50
