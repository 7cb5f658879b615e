"""Samples beside real images, a strip of each per class, as PNGs inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gendata.artifact.artifact import CondensedArtifact
from gendata.dataset.grid import sample_grid
from gendata.evaluation.page.wording import plain
from gendata.sources.source import Source, balanced_indices

_COLUMNS = 8  # images of a strip
_MAX_CLASSES = 20  # strips; a longer page nobody scrolls, and its bytes grow with it
_MAX_SIDE_PX = 96  # larger images are shown smaller
_TILE_PX = 56  # smallest side of a tile in the file: small images are enlarged by whole pixels
_GAP_PX = 4


@dataclass(frozen=True)
class Strip:
    """One class: its name, and images as data URIs."""

    name: str
    synthetic: str
    real: str | None  # None: no source was given


@dataclass(frozen=True)
class Gallery:
    """What the page shows of the images."""

    strips: tuple[Strip, ...]
    num_classes: int  # of the artifact; the strips may be fewer
    fresh: bool  # new samples; else images of the stored set


def gallery(artifact: CondensedArtifact, source: Source | None) -> Gallery:
    """Strips of the first 20 classes: the stored set where it has enough images per class, else new samples."""
    num_classes = min(artifact.spec.num_classes, _MAX_CLASSES)
    bound = artifact.law.num_distinct_per_class
    fresh = artifact.ipc < _COLUMNS and (bound is None or bound > artifact.ipc)
    columns = _COLUMNS if fresh else min(_COLUMNS, artifact.ipc)
    synthetic = sample_grid(artifact, per_class=columns, fresh=fresh)
    real = _real(source) if source is not None else None
    strips = tuple(
        Strip(
            plain(artifact.spec.classes[label], limit=40),
            _strip(synthetic[label]),
            None if real is None else _strip(real[label]),
        )
        for label in range(num_classes)
    )
    return Gallery(strips, artifact.spec.num_classes, fresh)


def _real(source: Source) -> Tensor:
    """(classes, columns, C, H, W) uint8 of train: the test images stay untouched."""
    x, y = source.split("train")
    columns = min(_COLUMNS, int(torch.bincount(y).min()))
    chosen = balanced_indices(y, per_class=columns, seed=0, purpose="report")[: _MAX_CLASSES * columns]
    return x[torch.from_numpy(chosen)].reshape(-1, columns, *x.shape[1:])


def _strip(x_u8: Tensor) -> str:
    """Images (columns, C, H, W) uint8 in one line, with clear gaps between them, as a data URI."""
    from PIL import Image

    tiles = _tiles(x_u8)
    columns, channels, height, width = tiles.shape
    sheet = torch.zeros(height, columns * (width + _GAP_PX) - _GAP_PX, channels + 1, dtype=torch.uint8)
    for column in range(columns):
        left = column * (width + _GAP_PX)
        sheet[:, left : left + width, :-1] = tiles[column].permute(1, 2, 0)
        sheet[:, left : left + width, -1] = 255
    buffer = io.BytesIO()
    Image.fromarray(sheet.numpy()).save(buffer, format="PNG", optimize=True)  # two channels: grey and alpha
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _tiles(x_u8: Tensor) -> Tensor:
    """(columns, 1 or 3, h, w): small images enlarged by whole pixels, large ones made smaller."""
    x_u8 = x_u8 if x_u8.shape[1] == 3 else x_u8[:, :1]
    side = max(x_u8.shape[2:])
    if side > _MAX_SIDE_PX:
        size = [max(1, round(length * _MAX_SIDE_PX / side)) for length in x_u8.shape[2:]]
        return functional.interpolate(x_u8.float(), size=size, mode="area").round().to(torch.uint8)
    scale = -(-_TILE_PX // side)
    return x_u8.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
