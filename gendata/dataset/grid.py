"""Samples on one sheet: a row per class, as a PNG."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gendata.artifact.artifact import CondensedArtifact
from gendata.artifact.draft import Draft
from gendata.artifact.layout import replace_file
from gendata.artifact.sampling import fresh_key, frozen_key, sample_images
from gendata.artifact.space import pictures
from gendata.errors import SpecError

_TILE_PX = 48  # smallest side of a tile: an 8 x 8 digit is shown at six times its size
_GAP_PX = 2
_GAP_GREY = 255
_PREVIEW_SIDE = 10  # rows and columns of a preview
_PREVIEW_PX = 2**21  # of all its images together: what a page loads at once, however large an image is
_MAX_CLASSES = 100  # rows of a sheet; more than that nobody looks at


def sample_grid(
    artifact: CondensedArtifact, *, per_class: int | None = None, fresh: bool = False, seed: int = 0
) -> Tensor:
    """Images (classes, per_class, C, H, W) uint8 of the first 100 classes; see `to_pictures` for floats.

    Args:
        artifact: what to sample.
        per_class: columns. None: ten, or IPC if the frozen set has fewer.
        fresh: newly drawn images instead of the frozen set's first ones.
        seed: of the fresh images.

    Raises:
        SpecError: more frozen images asked for than are stored.
    """
    columns = min(10, artifact.ipc) if per_class is None else per_class
    num_classes = min(artifact.spec.num_classes, _MAX_CLASSES)
    if columns < 1 or (not fresh and columns > artifact.max_ipc):
        raise SpecError(
            f"{columns} images per class of the frozen set",
            where=str(artifact.path),
            expected=f"1 to {artifact.max_ipc}",
            remedy="Draw new ones instead: --fresh",
        )
    if fresh:
        index = np.arange(num_classes * columns)
        x, _ = artifact.fresh_images(index, samples_per_class=columns, seed=seed, epoch=0)
    else:
        x, _ = artifact.frozen_images(np.arange(num_classes * columns), ipc=columns)
    return artifact.to_pictures(x).reshape(num_classes, columns, *artifact.spec.shape)


def grid_png(x_u8: Tensor) -> bytes:
    """A PNG of images (rows, columns, C, H, W) uint8, enlarged by whole pixels until a tile has 48.

    One channel is grey, three are RGB; of any other number the first is shown.
    """
    from PIL import Image

    rows, columns, channels, height, width = x_u8.shape
    if channels != 3:
        x_u8 = x_u8[:, :, :1].expand(-1, -1, 3, -1, -1)
    scale = max(1, -(-_TILE_PX // max(height, width)))
    tiles = x_u8.repeat_interleave(scale, dim=3).repeat_interleave(scale, dim=4)
    high, wide = height * scale + _GAP_PX, width * scale + _GAP_PX
    sheet = torch.full((rows * high + _GAP_PX, columns * wide + _GAP_PX, 3), _GAP_GREY, dtype=torch.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = row * high + _GAP_PX, column * wide + _GAP_PX
            sheet[top : top + height * scale, left : left + width * scale] = tiles[row, column].permute(1, 2, 0)
    buffer = io.BytesIO()
    Image.fromarray(sheet.numpy()).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def check_grid_path(path: Path) -> None:
    """Raises SpecError unless a PNG may be written to `path`; asked before anything is drawn."""
    if path.is_dir():
        raise SpecError("is a folder", where=str(path), expected="a .png file", remedy=f"Write {path / 'grid.png'}")
    if path.suffix.lower() != ".png":
        raise SpecError(f"{path.suffix or 'no suffix'} is not written", where=str(path), expected="a .png")


def write_grid(path: Path, x_u8: Tensor) -> None:
    """Writes the sheet of `grid_png` to `path`, whole or not at all; makes the folder above it.

    Raises:
        SpecError: `path` is no place for a PNG, or cannot be written.
    """
    check_grid_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, grid_png(x_u8))
    except OSError as error:
        raise SpecError(f"cannot be written: {error.strerror}", where=str(path), expected="a place to write") from None


def draft_preview(draft: Draft) -> bytes:
    """A PNG of samples of a draft, a row for each of ten classes: stored ones, new ones where these are few.

    Of large images there are fewer, and of still larger ones every second pixel, or third.
    """
    draft.law.prepare()
    side = max(1, min(_PREVIEW_SIDE, math.isqrt(_PREVIEW_PX // (draft.spec.height * draft.spec.width))))
    fresh = draft.ipc < side and draft.law.num_distinct_per_class is None
    rows = min(side, draft.spec.num_classes)
    columns = side if fresh else min(side, draft.ipc)
    if fresh:
        key = fresh_key(np.arange(rows * columns), samples_per_class=columns, seed=0, epoch=0)
    else:
        index = np.arange(rows)[:, None] * draft.ipc + np.arange(columns)
        key = frozen_key(index.reshape(-1), ipc=draft.ipc, seed=draft.frozen_seed)
    dtype = getattr(torch, draft.dtype)
    x = sample_images(draft.generator, draft.law, **key, micro_batch=draft.micro_batch, dtype=dtype)
    normal = draft.normalisation
    x_u8 = pictures(x, draft.space, mean=normal.mean, std=normal.std)
    step = math.ceil(math.sqrt(draft.spec.height * draft.spec.width / _PREVIEW_PX))
    return grid_png(x_u8.reshape(rows, columns, *draft.spec.shape)[..., ::step, ::step])
