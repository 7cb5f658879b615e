"""What one sample looks like: the contract between sources, generators and datasets."""

from __future__ import annotations

from typing import Any

import msgspec


class SampleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Shape and classes of one sample: image (channels, height, width) in [0, 1], label 0 .. num_classes - 1."""

    channels: int  # 1 grey, 3 RGB
    height: int  # pixels
    width: int  # pixels
    classes: tuple[str, ...]  # names in label order

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (self.channels, self.height, self.width)

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def num_pixels(self) -> int:
        """Values per image, channels included: what a uint8 image costs in bytes."""
        return self.channels * self.height * self.width


class SourceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Where the real data came from, as the manifest says it. Never a path of one machine."""

    name: str  # registered source: "fashion-mnist"
    options: dict[str, Any] = {}  # the source's resolved options; they open it again, a local one with a data root
    folder: str | None = None  # name of the local folder that was read, without its path; None: no such folder
    tested_on: str = "test"  # the split that stands for test; "held out of train" where the data has none
    revision: str | None = None  # of the data: a commit, a release; None: the source has none
    fingerprint: str  # sha256 over spec, train pixels and train labels
    license: str | None = None  # SPDX identifier where one exists; None: unknown
    citation: str | None = None
    homepage: str | None = None
