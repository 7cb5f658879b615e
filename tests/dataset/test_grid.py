"""Sample sheets: a row per class, every pixel where it belongs."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import gendata
from gendata.artifact.artifact import Draft, Normalisation
from gendata.dataset.grid import draft_preview, grid_png, sample_grid, write_grid
from gendata.errors import SpecError
from gendata.generators.pixel_bank import PixelBank
from gendata.latents.slot import Slot
from gendata.spec import SampleSpec


def pixels(png: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as sheet:
        return np.asarray(sheet)


def test_a_small_image_is_enlarged_by_whole_pixels_and_keeps_its_values() -> None:
    x_u8 = torch.arange(2 * 3 * 64).remainder(256).to(torch.uint8).view(2, 3, 1, 8, 8)
    sheet = pixels(grid_png(x_u8))
    tile = 6 * 8 + 2
    assert sheet.shape == (2 * tile + 2, 3 * tile + 2, 3)
    for row in range(2):
        for column in range(3):
            shown = sheet[row * tile + 2 : row * tile + 50 : 6, column * tile + 2 : column * tile + 50 : 6]
            assert (shown == x_u8[row, column, 0].numpy()[:, :, None]).all()


def test_colours_keep_their_order() -> None:
    x_u8 = torch.zeros(1, 1, 3, 64, 48, dtype=torch.uint8)
    x_u8[0, 0, 0] = 200
    assert (pixels(grid_png(x_u8))[2:66, 2:50] == (200, 0, 0)).all()


def test_other_numbers_of_channels_show_the_first() -> None:
    x_u8 = torch.stack([torch.full((48, 48), 10 * channel, dtype=torch.uint8) for channel in (5, 1)])[None, None]
    assert (pixels(grid_png(x_u8))[2:50, 2:50] == 50).all()


def test_the_rows_of_an_artifact_are_its_classes(digits_artifact: Path) -> None:
    artifact = gendata.open_artifact(digits_artifact)
    frozen, _ = artifact.frozen_images()
    assert torch.equal(sample_grid(artifact, per_class=2), frozen.view(10, 3, 1, 8, 8)[:, :2])
    assert sample_grid(artifact).shape == (10, 3, 1, 8, 8)


def test_fresh_sheets_follow_their_seed(digits_artifact: Path) -> None:
    artifact = gendata.open_artifact(digits_artifact)
    first = sample_grid(artifact, per_class=9, fresh=True, seed=1)
    assert first.shape == (10, 9, 1, 8, 8)
    assert torch.equal(first, sample_grid(artifact, per_class=9, fresh=True, seed=1))
    assert not torch.equal(first, sample_grid(artifact, per_class=9, fresh=True, seed=2))


@pytest.mark.parametrize("per_class", [0, 4])
def test_more_frozen_images_than_there_are_is_an_error(digits_artifact: Path, per_class: int) -> None:
    with pytest.raises(SpecError, match="expected 1 to 3"):
        sample_grid(gendata.open_artifact(digits_artifact), per_class=per_class)


def test_a_sheet_is_written_whole_into_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "grid.png"
    for value in (0, 255):
        x_u8 = torch.full((1, 1, 1, 8, 8), value, dtype=torch.uint8)
        write_grid(path, x_u8)
        assert path.read_bytes() == grid_png(x_u8)
    assert os.listdir(path.parent) == ["grid.png"]


@pytest.mark.parametrize(("side", "shown"), [(64, (10, 64)), (320, (4, 320)), (1600, (1, 800))])
def test_the_preview_of_large_images_stays_small(tmp_path: Path, side: int, shown: tuple[int, int]) -> None:
    """Noise, which a PNG cannot shrink, ten images of each of ten classes."""
    spec = SampleSpec(channels=3, height=side, width=side, classes=tuple("abcdefghij"))
    with torch.device("meta"):  # a hundred of the largest would be 770 MB
        bank = PixelBank(PixelBank.Config(slots=10), spec=spec, latent_dim=1)
    bank.images = torch.randint(0, 256, (1, 1, *spec.shape), dtype=torch.uint8).expand(10, 10, *spec.shape)
    draft = Draft(
        generator_name="pixel-bank", generator=bank,
        latent_name="slot", law=Slot(Slot.Config(slots=10), num_classes=10),
        spec=spec, ipc=10, frozen_seed=0, micro_batch=4, storage="f32", recipe=None, source=None,
        normalisation=Normalisation(mean=(0.5,) * 3, std=(0.3,) * 3),
    )  # fmt: skip
    preview = draft_preview(draft)
    count, tile = shown
    assert pixels(preview).shape == (count * (tile + 2) + 2, count * (tile + 2) + 2, 3)
    assert len(preview) < 8 << 20
