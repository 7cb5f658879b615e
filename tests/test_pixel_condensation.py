"""Pixel methods through the one loop: SGD with momentum, a network on the way, banks of bytes and of floats."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gendata import condensation
from gendata.artifact.artifact import CondensedArtifact
from gendata.condensation import stage_training

TINY = {
    "dm": ("method.options.steps=5",),
    "ncfm": (
        "method.options.networks=1",
        "method.options.network_steps=2",
        "method.options.steps=3",
        "method.options.frequencies=16",
        "method.options.learned_sampler=true",
    ),
    "dsa": ("method.options.networks=3", "method.options.outer=2", "method.options.inner=1"),
}
ALL = ("method.options.network=convnet1-w4-in", "method.options.real_per_class=4", "precision=f32")


def condense(name: str, out: Path, *more: str, **options: object) -> CondensedArtifact:
    overrides = (*ALL, *TINY[name], *more)
    return condensation.condense(f"digits/{name}", out=out, overrides=overrides, **options)  # type: ignore[arg-type]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Killed(BaseException):
    """Stands for a death that leaves no time to clean up."""


@pytest.mark.parametrize("name", sorted(TINY))
def test_a_run_that_dies_goes_on_with_its_momentum_and_its_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    condense(name, tmp_path / "undisturbed")
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SEC", 0.0)
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SHARE", float("inf"))
    steps = []

    def die(progress: condensation.Progress) -> None:
        steps.append((progress.stage, progress.step))
        if steps[-1] == ("match", 2):
            raise Killed

    with pytest.raises(Killed):
        condense(name, tmp_path / "out", on_progress=die)
    condense(name, tmp_path / "out", on_progress=lambda progress: steps.append((progress.stage, progress.step)))
    assert files_of(tmp_path / "out") == files_of(tmp_path / "undisturbed")
    assert len(steps) == len(set(steps))  # it went on, it did not start again


def test_a_bank_of_bytes_costs_a_byte_per_value(tmp_path: Path) -> None:
    artifact = condense("dm", tmp_path / "out")
    assert artifact.artifact_bytes == pytest.approx(10 * 10 * 8 * 8, rel=0.02)
    x, y = artifact.frozen_images()
    assert x.dtype == torch.uint8 and len(y) == 100


@pytest.mark.parametrize("storage", ["f32", "int8"])
def test_a_bank_of_floats_becomes_an_artifact_of_normalised_samples(tmp_path: Path, storage: str) -> None:
    floats = ("generator.options.values=float32", f"artifact.storage={storage}")
    artifact = condense("dm", tmp_path / "out", *floats)
    x, _ = artifact.frozen_images()
    assert x.dtype == torch.float32 and x.min() < -0.5
    assert artifact.manifest.space is not None and artifact.manifest.space.name == "normalised"


def test_a_bank_of_mosaics_gives_every_tile(tmp_path: Path) -> None:
    mosaic = ("generator={name: multi-formation-bank, options: {slots: 2, factor: 2, values: uint8}}",)
    artifact = condense("dm", tmp_path / "out", *mosaic, "latent.options.slots=8", "artifact.ipc=8")
    x, _ = artifact.frozen_images()
    assert len(x) == 80 and artifact.artifact_bytes < 10 * 2 * 8 * 8 + 200


def test_both_precisions_condense(tmp_path: Path) -> None:
    for name in TINY:
        condense(name, tmp_path / name, "precision=bf16")
