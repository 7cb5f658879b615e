"""Tiny artifacts of each kind that exporters meet: a generator, banks of pixels and of floats, soft labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gendata.artifact.artifact import CondensedArtifact, Draft, Normalisation, save_artifact
from gendata.generators.label_head import LabelHead, LabelHeadConfig
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec, SourceFacts

CLASSES = ("T-shirt/top", "Bag", "été")  # not in sorted order, and not all of them fit to be folders
SIDE = 6


def spec_of(classes: tuple[str, ...] = CLASSES, channels: int = 3) -> SampleSpec:
    return SampleSpec(channels=channels, height=SIDE, width=SIDE, classes=classes)


def facts(spec: SampleSpec, **changes: Any) -> dict[str, Any]:
    plain = {
        "spec": spec,
        "frozen_seed": 0,
        "micro_batch": 8,
        "storage": "f32",
        "normalisation": Normalisation(mean=(0.5,) * spec.channels, std=(0.25,) * spec.channels),
        "recipe": None,
        "source": SourceFacts(name="cifar10", fingerprint="", license="CC-BY-4.0"),
    }
    return {**plain, **changes}


def save_bank(
    path: Path, *, ipc: int = 4, classes: tuple[str, ...] = CLASSES, channels: int = 3, **changes: Any
) -> CondensedArtifact:
    """Noise in a table; float32 where `changes` say so."""
    spec, values = spec_of(classes, channels), changes.get("dtype", "uint8")
    law = LATENTS.load("slot")(LATENTS.config("slot", {"slots": ipc}, where="t"), num_classes=len(classes))
    config = GENERATORS.config("pixel-bank", {"slots": ipc, "values": values}, where="t")
    bank = GENERATORS.load("pixel-bank")(config, spec=spec, latent_dim=1)
    noise = torch.rand(bank.images.shape, generator=torch.Generator().manual_seed(0))
    bank.images.copy_((noise * 255).to(torch.uint8) if values == "uint8" else noise * 4 - 2)
    draft = Draft(
        generator_name="pixel-bank", generator=bank, latent_name="slot", law=law, ipc=ipc, **facts(spec, **changes)
    )
    return save_artifact(path, draft)


def save_generator(path: Path, *, ipc: int = 5, noise: int = 0, **changes: Any) -> CondensedArtifact:
    """A conv-decoder with random weights; with noise, of codes that are the frozen set."""
    spec = spec_of()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = {"dim": 4, **({"codes": 5, "frozen": "codes", "noise": noise} if noise else {})}
        name = "codebook" if noise else "normal"
        law = LATENTS.load(name)(LATENTS.config(name, options, where="t"), num_classes=spec.num_classes)
        options = {"widths": [4], "rank": 4, "class_dim": 2, **({"noise": 1} if noise else {})}
        config = GENERATORS.config("conv-decoder", options, where="t")
        generator = GENERATORS.load("conv-decoder")(config, spec=spec, latent_dim=law.dim)
        if noise:
            generator.texture.kernels.weight.data.normal_(std=0.1)
        for parameter in generator.parameters():
            parameter.data.mul_(3)  # a fresh network is grey; give the pixels some range
    draft = Draft(
        generator_name="conv-decoder",
        generator=generator,
        latent_name=name,
        law=law,
        ipc=ipc,
        **facts(spec, **changes),
    )
    return save_artifact(path, draft)


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> CondensedArtifact:
    """A generator of three classes with five images each."""
    return save_generator(tmp_path_factory.mktemp("exported") / "generator")


@pytest.fixture(scope="session")
def soft_artifact(tmp_path_factory: pytest.TempPathFactory) -> CondensedArtifact:
    """A bank of twelve images with soft labels."""
    soft = torch.rand(12, 3, generator=torch.Generator().manual_seed(1)).softmax(1)
    return save_bank(tmp_path_factory.mktemp("exported") / "soft", soft_labels=soft)


@pytest.fixture(scope="session")
def headed_artifact(tmp_path_factory: pytest.TempPathFactory) -> CondensedArtifact:
    """A generator of three classes whose soft labels a head makes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        head = LabelHead(LabelHeadConfig(width=4, class_dim=2), num_classes=3, code_dim=4)
    return save_generator(tmp_path_factory.mktemp("exported") / "headed", label_head=head)


@pytest.fixture
def make_generator(tmp_path: Path) -> Callable[..., CondensedArtifact]:
    return lambda name="generator", **changes: save_generator(tmp_path / name, **changes)


@pytest.fixture
def make_bank(tmp_path: Path) -> Callable[..., CondensedArtifact]:
    return lambda name="bank", **changes: save_bank(tmp_path / name, **changes)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(name="bytes_of")
def _bytes_of() -> Callable[[Path], dict[str, bytes]]:
    return bytes_of
