"""The embedded digits as methods see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from torch import Tensor

from gendata.methods.method import RealData
from gendata.recipe import Choice
from gendata.sources.source import open_source
from gendata.sources.statistics import pixel_statistics

FirstOfEachClass: TypeAlias = Callable[[int], tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def real() -> RealData:
    source = open_source(Choice(name="digits"))
    train = source.split("train")
    mean, std = pixel_statistics(train)
    return RealData(x_u8=train.x, y=train.y, spec=source.spec, mean=mean, std=std)


@pytest.fixture
def first_of_each_class(real: RealData) -> FirstOfEachClass:
    """Number per class -> images in [0, 1], class-major, and labels."""

    def images(per_class: int) -> tuple[Tensor, Tensor]:
        rows = torch.cat([(real.y == c).nonzero()[:per_class, 0] for c in range(10)])
        return real.x_u8[rows].float() / 255, real.y[rows]

    return images
