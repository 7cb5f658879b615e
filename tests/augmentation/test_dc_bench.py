from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gendata.augmentation.dc_bench import AutoAugment, CifarAug, ImagenetAug, RandAugment

ALL = [AutoAugment(), AutoAugment(policy="imagenet"), RandAugment(), CifarAug(), ImagenetAug()]


def images(channels: int = 3) -> Tensor:
    return torch.randint(0, 256, (4, channels, 12, 12), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("augmentation", ALL, ids=repr)
@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_drawn_from_the_generator_given_and_nobody_elses_draws_change(augmentation: Any, channels: int) -> None:
    x = images(channels)
    before = torch.get_rng_state()
    outs = [augmentation.draw(seeded(seed), 4)(x) for seed in range(12)]
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(3)
    assert all(torch.equal(augmentation.draw(seeded(seed), 4)(x), out) for seed, out in enumerate(outs))
    assert any(not torch.equal(out, x) for out in outs)
    assert {(out.dtype, out.shape, out.is_contiguous()) for out in outs} == {(torch.uint8, x.shape, True)}


@pytest.mark.parametrize("augmentation", ALL, ids=repr)
def test_one_draw_serves_the_whole_batch(augmentation: Any) -> None:
    one = images()[:1]
    for seed in range(8):
        out = augmentation.draw(seeded(seed), 5)(one.expand(5, -1, -1, -1).contiguous())
        assert torch.equal(out, out[:1].expand_as(out))


def test_it_is_torchvisions_own_transform_under_the_drawn_seed() -> None:
    from torchvision import transforms

    x, drawn = images(), int(torch.randint(2**31, (), generator=seeded(3)))
    theirs = {
        AutoAugment(): transforms.AutoAugment(transforms.AutoAugmentPolicy.CIFAR10),
        RandAugment(): transforms.RandAugment(num_ops=1),
        CifarAug(): transforms.Compose([transforms.RandomCrop(12, padding=4), transforms.RandomHorizontalFlip()]),
        ImagenetAug(): transforms.Compose(
            [
                transforms.RandomCrop(12, padding=4),
                transforms.RandomHorizontalFlip(),
                transforms.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2),
            ]
        ),
    }
    for augmentation, transform in theirs.items():
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(drawn)
            expected = transform(x)
        assert torch.equal(augmentation.draw(seeded(3), 4)(x), expected)


def test_settings_that_make_no_sense_are_refused() -> None:
    for make in (
        lambda: RandAugment(num_ops=-1),
        lambda: RandAugment(magnitude=31),
        lambda: CifarAug(padding_px=-1),
        lambda: ImagenetAug(hue=0.6),
    ):
        with pytest.raises(ValueError, match="must be"):
            make()
