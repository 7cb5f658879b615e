"""Spread inside classes and distance between them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch

import gendata
from gendata.evaluation import onlooker
from gendata.recipe import Choice
from gendata.sources.source import open_source
from gendata.sweeping.achieved import _spread, _squared_gap, achieved


def test_both_are_right_on_average_however_few_the_samples() -> None:
    rng = torch.Generator().manual_seed(0)
    centres = torch.tensor([[[0.0, 0.0]], [[3.0, 0.0]], [[0.0, 4.0]]], dtype=torch.float64)
    drawn = [centres + 2 * torch.randn(3, 4, 2, generator=rng, dtype=torch.float64) for _ in range(4000)]
    assert torch.stack([_spread(h) for h in drawn]).mean().item() == pytest.approx(8.0, rel=0.02)
    assert torch.stack([_squared_gap(h) for h in drawn]).mean().item() == pytest.approx((9 + 16 + 25) / 3, rel=0.02)


def test_real_images_reach_about_what_real_images_have(
    digits_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onlooker, "LESSON", msgspec.structs.replace(onlooker.LESSON, epochs=4))
    artifact, source = gendata.open_artifact(digits_artifact), open_source(Choice(name="digits"))
    found = achieved(artifact, source, folder=tmp_path)
    assert found.spread == pytest.approx(1, abs=0.35)
    assert found.gap == pytest.approx(1, abs=0.35)
    monkeypatch.setattr("gendata.sweeping.achieved.train_onlooker", None)
    assert achieved(artifact, source, folder=tmp_path) == found, "the network is read from its file"


def test_a_damaged_network_is_trained_anew(
    digits_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onlooker, "LESSON", msgspec.structs.replace(onlooker.LESSON, epochs=1))
    artifact, source = gendata.open_artifact(digits_artifact), open_source(Choice(name="digits"))
    found = achieved(artifact, source, folder=tmp_path)
    (kept,) = tmp_path.glob("*.safetensors")
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])

    assert achieved(artifact, source, folder=tmp_path) == found
    assert kept.read_bytes() == whole


def test_one_image_per_class_leaves_both_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onlooker, "LESSON", msgspec.structs.replace(onlooker.LESSON, epochs=1))
    changes = ("artifact.ipc=1", "generator.options.slots=1", "latent.options.slots=1")
    artifact = gendata.condense("digits/random-real", out=tmp_path / "a", overrides=changes)
    assert achieved(artifact, open_source(Choice(name="digits")), folder=tmp_path) == (None, None)
