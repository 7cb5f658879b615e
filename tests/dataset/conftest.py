"""Real artifacts, tiny: a conv-decoder with random weights."""

from __future__ import annotations

import pytest
import torch

from gendata.artifact.artifact import Draft, Normalisation, open_artifact, save_artifact
from gendata.dataset.generated import GeneratedDataset
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=12, width=12, classes=("ant", "bee", "cat", "dog"))


def saved(path, *, seed=0, **changes):
    """4 classes of 10 grey images, 12 x 12: 40 samples in micro-batches of 16, so the last one is partial."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        law = LATENTS.load("normal")(LATENTS.config("normal", {"dim": 6}, where="test"), num_classes=4)
        config = GENERATORS.config("conv-decoder", {"widths": [8], "rank": 8, "class_dim": 4}, where="test")
        generator = GENERATORS.load("conv-decoder")(config, spec=SPEC, latent_dim=law.dim)
        for parameter in generator.parameters():
            parameter.data.mul_(3)  # a fresh network is grey; give the pixels some range
    draft = Draft(
        generator_name="conv-decoder",
        generator=generator,
        latent_name="normal",
        law=law,
        spec=SPEC,
        ipc=10,
        frozen_seed=0,
        micro_batch=16,
        storage="f16",
        normalisation=Normalisation(mean=(0.5,), std=(0.25,)),
        recipe=None,
        source=None,
        **changes,
    )
    return save_artifact(path, draft)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of frozen sets for each test alone."""
    monkeypatch.setenv("GENDATA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "frozen"


@pytest.fixture
def make_artifact():
    return saved


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("artifacts") / "tiny"
    saved(path)
    return path


@pytest.fixture
def artifact(folder):
    return open_artifact(folder)


@pytest.fixture
def frozen(artifact):
    return GeneratedDataset(artifact)


@pytest.fixture(params=["frozen", "fresh"])
def dataset(request, frozen):
    """Both modes, in turn."""
    return frozen if request.param == "frozen" else frozen.fresh(samples_per_class=10, seed=3)
