"""A report with everything a page can show, measured by nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.evaluation.page import write_report
from gendata.evaluation.page.features import FeatureMap
from gendata.evaluation.report import Report, Row
from gendata.evaluation.result import CurvePoint
from gendata.recipe import Choice
from gendata.sources.source import Source, open_source


def _row(name: str, mode: str = "real", mean: float = 0.8, **changes: Any) -> Row:
    """A row of two networks that differ by two points."""
    accuracies = (mean - 0.01, mean + 0.01)
    fields: dict[str, Any] = {
        "name": name,
        "mode": mode,
        "mean": mean,
        "std": 0.01,
        "n": 2,
        "bytes": 1000,
        "images_seen": 600,
        "distinct_images": 30,
        "steps": 20,
        "passes": 20,
        "network": "convnet3-w32-in",
        "protocol": "quick/v1",
        "seeds": (11, 12),
        "reported": accuracies,
        "last": accuracies,
        "best": accuracies,
        "per_class": tuple(np.linspace(mean - 0.2, mean + 0.05, 10).tolist()),
        "corrupted": {"snow": mean - 0.2, "gaussian_noise": mean - 0.4},
        "curve": tuple(CurvePoint(passes=p, loss=2.0 / p, accuracy=1 - 1 / (p + 1)) for p in range(1, 21)),
        "minutes": 0.5,
    }
    return Row(**{**fields, **changes})


def _report_of(*rows: Row, **changes: Any) -> Report:
    """A report of these rows."""
    fields: dict[str, Any] = {
        "protocol": "quick/v1",
        "networks": tuple(dict.fromkeys(r.network for r in rows)) or ("convnet3-w32-in",),
        "ipc": 3,
        "artifact_id": "0" * 64,
        "source": "digits",
        "fingerprint": "f" * 64,
        "seed": 0,
        "device": "cpu",
        "environment": {"gendata": "1.0", "python": "3.11", "packages": {"torch": "2.15"}, "processor": "A CPU"},
        "rows": rows,
        "skipped": {"real-full": "it takes too long"},
    }
    return Report(**{**fields, **changes})


@pytest.fixture(scope="session")
def artifact(digits_artifact: Path) -> CondensedArtifact:
    return open_artifact(digits_artifact)


@pytest.fixture(scope="session")
def source() -> Source:
    return open_source(Choice(name="digits"))


@pytest.fixture
def row() -> Callable[..., Row]:
    """Makes rows: row(name, mode, mean, **fields)."""
    return _row


@pytest.fixture
def report_of() -> Callable[..., Report]:
    """Makes reports: report_of(*rows, **fields)."""
    return _report_of


@pytest.fixture(scope="session")
def report() -> Report:
    """Two networks, the artifact in two modes, three baselines."""
    rows = [
        _row("artifact", "frozen(30)", 0.6, note="as stored"),
        _row("artifact", "fresh-matched", 0.9),
        _row("random-real", mean=0.62, bytes=640),
        _row("equal-bytes-real", mean=0.85, bytes=990, note="PNG, resolution 1/1"),
        _row("real-stream", mean=0.95, bytes=80_000),
    ]
    others = [_row(r.name, r.mode, r.mean - 0.1, network="mlp2-w128", bytes=r.bytes, note=r.note) for r in rows]
    return _report_of(*rows, *others)


@pytest.fixture(scope="session")
def features() -> FeatureMap:
    draws = np.random.default_rng(0).normal(size=(2, 100, 2)).astype(np.float32)
    labels = np.arange(100) % 10
    return FeatureMap(draws[0], labels, draws[1], labels, "How it was made.")


@pytest.fixture(scope="session")
def written(
    tmp_path_factory: pytest.TempPathFactory,
    report: Report,
    artifact: CondensedArtifact,
    source: Source,
    features: FeatureMap,
) -> Path:
    """A folder with a report that has everything. Not to be written to."""
    pytest.importorskip("matplotlib", reason="charts need matplotlib; pip install 'gendata[report]'")
    out = tmp_path_factory.mktemp("pages") / "report"
    write_report(report, out, artifact=artifact, source=source, features=features)
    return out
