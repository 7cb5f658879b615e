"""Writes tests/data/golden-v0, once per format version: `python tests/artifact/make_golden.py OUT`.

A golden artifact is never written again. If a change makes its tests fail, the change is wrong, or the format has a new
version with a golden artifact of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from gendata.artifact.amend import write_evaluations
from gendata.artifact.artifact import Draft, Normalisation, save_artifact
from gendata.latents.philox import uniforms
from gendata.registry import GENERATORS, LATENTS
from gendata.spec import SampleSpec, SourceFacts


def golden_draft() -> Draft:
    """A conv-decoder with random weights (integers scaled by powers of two, so that no rounding is involved)."""
    spec = SampleSpec(channels=3, height=18, width=16, classes=("circle", "square", "trïangle", "star"))
    law = LATENTS.load("normal")(LATENTS.config("normal", {"dim": 8}, where="golden"), num_classes=spec.num_classes)
    options = {"class_dim": 4, "rank": 12, "widths": [12, 8], "depths": [1], "block": "separable"}
    config = GENERATORS.config("conv-decoder", options, where="golden")
    generator = GENERATORS.load("conv-decoder")(config, spec=spec, latent_dim=law.dim)
    for i, parameter in enumerate(generator.parameters()):
        drawn = uniforms(np.array([i]), parameter.numel(), seed=2309, epoch=0, stream="golden")
        steps = torch.from_numpy(drawn).reshape(parameter.shape).mul(181).floor() - 90
        parameter.data = steps / 256
    return Draft(
        generator_name="conv-decoder",
        generator=generator,
        latent_name="normal",
        law=law,
        spec=spec,
        ipc=10,
        frozen_seed=7,
        micro_batch=16,
        storage="int8",
        normalisation=Normalisation(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
        recipe=None,
        source=SourceFacts(name="golden", fingerprint="0" * 64, license="CC0-1.0"),
        license="Apache-2.0",
    )


if __name__ == "__main__":
    saved = save_artifact(Path(sys.argv[1]), golden_draft())
    write_evaluations(
        saved.path, [{"row": "artifact", "mode": "frozen", "protocol": "none", "mean": 0.25, "std": 0.0, "n": 1}]
    )
