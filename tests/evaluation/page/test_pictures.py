from __future__ import annotations

import base64
import io

import torch
from PIL import Image

from gendata.artifact.artifact import CondensedArtifact
from gendata.evaluation.page.pictures import _strip, gallery
from gendata.sources.source import Source


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))


def test_every_class_has_a_strip_of_samples_and_one_of_real_images(artifact: CondensedArtifact, source: Source) -> None:
    shown = gallery(artifact, source)
    assert [strip.name for strip in shown.strips] == list(artifact.spec.classes)
    assert not shown.fresh, "a bank of three images per class has nothing else to show"
    real, synthetic = opened(str(shown.strips[0].real)), opened(shown.strips[0].synthetic)
    assert (synthetic.width, real.width) == (3 * 60 - 4, 8 * 60 - 4)


def test_small_images_are_enlarged_by_whole_pixels_and_large_ones_reduced() -> None:
    small, large = torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, 3, 300, 150, dtype=torch.uint8)
    assert opened(_strip(small)).size == (2 * 56 + 4, 56)
    assert opened(_strip(large)).size == (2 * 48 + 4, 96)


def test_the_gaps_between_images_are_clear() -> None:
    alpha = opened(_strip(torch.full((2, 1, 56, 56), 9, dtype=torch.uint8))).getchannel("A")
    assert [alpha.getpixel((x, 0)) for x in (0, 55, 56, 59, 60)] == [255, 255, 0, 0, 255]
