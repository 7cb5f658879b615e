"""Discriminators: published size, any image size, no sample's score depends on another."""

from __future__ import annotations

import pytest
import torch

from gendata.networks.discriminator import ClassifyingCritic, ProjectionDiscriminator
from gendata.spec import SampleSpec


def spec(channels: int, height: int, width: int) -> SampleSpec:
    return SampleSpec(channels=channels, height=height, width=width, classes=tuple("0123456789"))


def test_the_classifying_critic_has_the_size_of_the_published_one() -> None:
    with torch.device("meta"):
        critic = ClassifyingCritic(spec=spec(3, 32, 32), width=196)
    # 7 x (196 x 196 x 9 + 196) + 196 x 28; layer norms 2 x 196 x (32^2 + 2 x 16^2 + 4 x 8^2 + 4^2); heads 11 x 197
    assert sum(weight.numel() for weight in critic.parameters()) == 3_137_971


@pytest.mark.parametrize(("height", "width"), [(8, 8), (28, 28), (9, 14)])
def test_a_score_depends_on_its_own_image_alone(height: int, width: int) -> None:
    x, y = torch.rand(3, 2, height, width), torch.tensor([4, 0, 9])
    critic = ClassifyingCritic(spec=spec(2, height, width), width=8)
    scores, logits = critic(x)
    assert scores.shape == (3,) and logits.shape == (3, 10)
    assert torch.allclose(scores[:1], critic(x[:1])[0], atol=1e-5)
    discriminator = ProjectionDiscriminator(spec=spec(2, height, width), width=8)
    scores = discriminator(x, y)
    assert scores.shape == (3,)
    assert torch.allclose(scores[:1], discriminator(x[:1], y[:1]), atol=1e-5)


def test_a_projection_discriminator_scores_an_image_by_what_class_it_is_said_to_be() -> None:
    discriminator = ProjectionDiscriminator(spec=spec(1, 8, 8), width=8)
    x = torch.rand(1, 1, 8, 8).expand(2, -1, -1, -1)
    scores = discriminator(x, torch.tensor([0, 1]))
    assert scores[0] != scores[1]


def test_a_projection_discriminator_starts_with_scores_of_unit_size() -> None:
    scores = ProjectionDiscriminator(spec=spec(1, 32, 32), width=64)(
        torch.randn(200, 1, 32, 32), torch.arange(200) % 10
    )
    assert 0.03 < scores.std() < 3
