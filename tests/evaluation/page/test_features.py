from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gendata.artifact.artifact import CondensedArtifact
from gendata.errors import SpecError
from gendata.evaluation import onlooker
from gendata.evaluation.page import embedding
from gendata.evaluation.page.features import feature_map
from gendata.sources.source import Source


class Flat(nn.Module):
    """Features are the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def embed(self, x: Tensor) -> Tensor:
        return x.flatten(1) * self.scale


def images(n: int, *, seed: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 1, 2, 3, generator=draws) * torch.tensor([5.0, 3.0, 1.0, 0.1, 0.1, 0.1]).view(1, 1, 2, 3)
    return x, torch.arange(n) % 2


def test_the_plane_is_that_of_the_real_images_two_largest_spreads() -> None:
    x, y = images(200, seed=0)
    found = feature_map(Flat(), x, y, x[:10] + 2, y[:10], normalise=lambda x: x)
    flat = x.flatten(1).double() - x.flatten(1).double().mean(0)
    expected = torch.linalg.eigvalsh(flat.T @ flat / len(x))[-2:].flip(0)
    assert np.allclose(found.points_real.var(0), expected.numpy(), rtol=1e-4)
    assert found.points_real.mean(0) == pytest.approx([0, 0], abs=1e-5)
    assert " % of their variance" in found.how


def test_synthetic_images_do_not_move_the_plane() -> None:
    x, y = images(50, seed=0)
    one, other = (feature_map(Flat(), x, y, x_syn, y, normalise=lambda x: x) for x_syn in (x, 100 * x + 7))
    assert np.array_equal(one.points_real, other.points_real)
    assert np.allclose(one.points_syn, one.points_real, atol=1e-5)


def test_the_sign_of_a_component_is_fixed() -> None:
    x, y = images(50, seed=0)
    one, mirrored = (feature_map(Flat(), each, y, each, y, normalise=lambda x: x) for each in (x, x.flip(0)))
    assert np.allclose(one.points_real, mirrored.points_real[::-1], atol=1e-4)


def test_two_images_span_no_plane() -> None:
    x, y = images(2, seed=0)
    with pytest.raises(SpecError, match="span a plane"):
        feature_map(Flat(), x, y, x, y, normalise=lambda x: x)


def test_a_small_network_learns_the_real_images_and_compares(
    artifact: CondensedArtifact, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onlooker, "LESSON", msgspec.structs.replace(onlooker.LESSON, epochs=4))
    monkeypatch.setattr(embedding, "_MOST_IMAGES", 200)
    found = embedding.learned_features(artifact, source)
    again = embedding.learned_features(artifact, source)
    assert found.points_real.shape == (200, 2) and np.bincount(found.y_real).tolist() == [20] * 10
    assert found.points_syn.shape == (30, 2), "a bank of three images per class has no more"
    assert np.array_equal(found.points_syn, again.points_syn)
    assert "trained on the real training images for 4 steps" in found.how
