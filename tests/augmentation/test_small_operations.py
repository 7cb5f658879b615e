"""Flip, cutout and patch shuffle."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gendata.augmentation.cutout import Cutout
from gendata.augmentation.flip import Flip
from gendata.augmentation.patch_shuffle import PatchShuffle


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(num: int = 4, channels: int = 2, side: int = 8) -> Tensor:
    return torch.randn(num, channels, side, side, generator=seeded(), dtype=torch.float64)


def test_a_flip_mirrors_the_share_that_was_asked_for() -> None:
    x = images(num=100)
    mirrored = sum(
        torch.equal(after, before.flip(2))
        for before, after in zip(x, Flip(prob=0.3).draw(seeded(), 100)(x), strict=True)
    )
    assert 15 < mirrored < 45
    assert torch.equal(Flip(prob=1.0).draw(seeded(), 100)(x), x.flip(3))
    with pytest.raises(ValueError, match="prob"):
        Flip(prob=1.5)


def test_a_shared_cutout_blanks_one_square_for_the_whole_batch() -> None:
    x = torch.ones(5, 3, 16, 16)
    for seed in range(30):
        out = Cutout(size_px=6).draw(seeded(seed), 5)(x)
        assert torch.equal(out, out[:1].expand(5, -1, -1, -1))
        assert 9 <= int((out[0, 0] == 0).sum()) <= 36  # at least a quarter lies inside
    own = Cutout(size_px=6, shared=False).draw(seeded(), 5)(x)
    assert len({tuple(image.flatten().tolist()) for image in own}) > 1


def test_a_cutout_reaches_half_its_size_to_both_sides_of_its_centre() -> None:
    holes = [Cutout(size_px=4).draw(seeded(seed), 1)(torch.ones(1, 1, 16, 16))[0, 0] == 0 for seed in range(60)]
    whole = [hole for hole in holes if int(hole.sum()) == 16]
    assert whole
    assert all(hole.any(0).sum() == 4 for hole in whole)
    with pytest.raises(ValueError, match="size_px"):
        Cutout(size_px=-1)


def test_a_patch_shuffle_moves_whole_strips_and_loses_no_pixel() -> None:
    x = images(num=30)
    out = PatchShuffle(factor=2).draw(seeded(), 30)(x)
    assert out.is_contiguous()
    arrangements = set()
    for before, after in zip(x, out, strict=True):
        order = [
            (rows, columns)
            for rows in (False, True)
            for columns in (False, True)
            if torch.equal(after, before.roll(4 * rows, 1).roll(4 * columns, 2))
        ]
        assert len(order) == 1
        arrangements.add(order[0])
    assert len(arrangements) == 4


def test_the_last_strip_takes_what_is_left_over() -> None:
    x = torch.arange(7.0).expand(1, 1, 7, 7).contiguous()
    seen = set()
    for seed in range(40):
        row = PatchShuffle(factor=3).draw(seeded(seed), 1)(x)[0, 0, 0].long().tolist()
        assert sorted(row) == list(range(7))
        seen.add(tuple(row))
    a, b, c = (0, 1), (2, 3), (4, 5, 6)
    assert seen == {p + q + r for p, q, r in ((a, b, c), (a, c, b), (b, a, c), (b, c, a), (c, a, b), (c, b, a))}


def test_one_strip_changes_nothing_and_too_many_are_refused() -> None:
    x = images()
    assert torch.equal(PatchShuffle(factor=1).draw(seeded(), 4)(x), x)
    with pytest.raises(ValueError, match="factor 9 does not fit 8 pixels"):
        PatchShuffle(factor=9).draw(seeded(), 4)(x)
    with pytest.raises(ValueError, match="factor must be"):
        PatchShuffle(factor=0)
