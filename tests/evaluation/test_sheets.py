from __future__ import annotations

import pytest
import torch

from gendata.errors import SpecError
from gendata.evaluation.sheets import SheetFormat, decode_sheet, encode_sheet


def images(num: int, channels: int) -> torch.Tensor:
    smooth = torch.rand(num, channels, 2, 2, generator=torch.Generator().manual_seed(0)) * 255
    large = torch.nn.functional.interpolate(smooth, size=(9, 7), mode="bilinear", align_corners=True)
    return large.round().to(torch.uint8)


@pytest.mark.parametrize("codec", ["PNG", "WEBP"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("num", [1, 7, 30])
def test_a_lossless_sheet_gives_the_images_back(codec: str, channels: int, num: int) -> None:
    x, how = images(num, channels), SheetFormat(codec, None, 1)
    assert torch.equal(decode_sheet(encode_sheet(x, how), how, shape=(channels, 9, 7), count=num), x)


@pytest.mark.parametrize(
    "how", [SheetFormat("WEBP", 75, 1), SheetFormat("JPEG", 90, 1), SheetFormat("PNG", None, 2)], ids=str
)
def test_a_lossy_or_half_size_sheet_gives_nearly_the_images_back(how: SheetFormat) -> None:
    x = images(12, 1)
    again = decode_sheet(encode_sheet(x, how), how, shape=(1, 9, 7), count=12)
    assert again.shape == x.shape
    assert (again.float() - x.float()).abs().mean() < 15


def test_images_of_two_channels_fit_no_picture() -> None:
    with pytest.raises(SpecError, match="2 channels"):
        encode_sheet(torch.zeros(3, 2, 4, 4, dtype=torch.uint8), SheetFormat("PNG", None, 1))
