"""A tiny artifact of each kind: real generators and laws, random weights."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gendata.artifact.artifact import CondensedArtifact, Draft, Normalisation, open_artifact, save_artifact
from gendata.artifact.canonical import pretty
from gendata.artifact.manifest import seal
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec, SourceFacts

SPEC = SampleSpec(channels=1, height=12, width=10, classes=("zero", "one", "two"))


def draft_of(
    *, latent: str = "normal", latent_options: dict[str, Any] | None = None, seed: int = 0, **changes: Any
) -> Draft:
    """A draft of some 2 kB: conv-decoder, normal latents, IPC 5."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        latent_config = LATENTS.config(latent, {"dim": 6} if latent_options is None else latent_options, where="test")
        law = LATENTS.load(latent)(latent_config, num_classes=SPEC.num_classes)
        options = {"widths": [8], "rank": 8, "class_dim": 4}
        generator = GENERATORS.load("conv-decoder")(
            GENERATORS.config("conv-decoder", options, where="test"), spec=SPEC, latent_dim=law.dim
        )
        for parameter in generator.parameters():
            parameter.data.mul_(3)  # a fresh network is grey; give the pixels some range
    law.prepare()
    draft = Draft(
        generator_name="conv-decoder",
        generator=generator,
        latent_name=latent,
        law=law,
        spec=SPEC,
        ipc=5,
        frozen_seed=0,
        micro_batch=8,
        storage="int8",
        normalisation=Normalisation(mean=(0.4,), std=(0.3,)),
        recipe=None,
        source=SourceFacts(name="digits", fingerprint="f" * 64, license="CC-BY-4.0"),
    )
    return dataclasses.replace(draft, **changes)


@pytest.fixture
def make_draft() -> Callable[..., Draft]:
    return draft_of


@pytest.fixture(scope="session")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_artifact(tmp_path_factory.mktemp("saved") / "a", draft_of()).path


@pytest.fixture
def artifact(saved_once: Path, tmp_path: Path) -> CondensedArtifact:
    return open_artifact(shutil.copytree(saved_once, tmp_path / "a"))


@pytest.fixture
def forged(artifact: CondensedArtifact) -> Callable[..., Path]:
    """Changes the manifest by hand and seals it again, as an attacker would, who can compute hashes too."""

    def forge(change: Callable[[dict[str, Any]], None], *, sealed: bool = True) -> Path:
        path = artifact.path / "config.json"
        fields = json.loads(path.read_text())
        change(fields)
        path.write_bytes(pretty(seal(fields) if sealed else fields))
        return artifact.path

    return forge
