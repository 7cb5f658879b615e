"""A protocol that takes a moment, and the evaluation's smallest subject."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.evaluation.protocol import Protocol
from gendata.evaluation.protocols import QUICK


@pytest.fixture(scope="session")
def brief() -> Protocol:
    """Three passes of a ConvNet of width 4."""
    return msgspec.structs.replace(
        QUICK, name="brief/v1", network="convnet1-w4-in", epochs=3, batch=16, full_epochs=1, runs=2
    )


@pytest.fixture(scope="module")
def opened(digits_artifact: Path) -> CondensedArtifact:
    return open_artifact(digits_artifact)
