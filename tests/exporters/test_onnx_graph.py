from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gendata.dataset.generated import GeneratedDataset
from gendata.errors import IntegrityError, SpecError
from gendata.exporters import onnx_graph
from gendata.exporters.exporting import export_artifact
from gendata.registry import EXPORTERS

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason="the graph needs the extra gendata[onnx]")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(artifact: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    out = tmp_path_factory.mktemp("onnx") / "graph"
    export_artifact(artifact, format="onnx", out=out)
    yield out


def test_a_runtime_makes_the_frozen_set_from_the_stored_latents_within_a_step(artifact: Any, exported: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported / "generator.onnx", providers=["CPUExecutionProvider"])
    z, y = np.load(exported / "latents.npy"), np.load(exported / "labels.npy")
    wanted = artifact.frozen_images()[0].numpy().astype(int)
    for size in (1, 4, 15):
        (x,) = session.run(["x"], {"z": z[:size], "y": y[:size]})
        assert x.shape == (size, *artifact.spec.shape) and 0 <= x.min() and x.max() <= 1
        assert np.abs(np.rint(x * np.float32(255)) - wanted[:size]).max() <= 1


def test_the_graph_holds_no_path_of_the_machine_that_made_it(artifact: Any, exported: Path) -> None:
    data = (exported / "generator.onnx").read_bytes()
    assert b".py" not in data and b"site-packages" not in data
    assert artifact.artifact_id.encode() in data


def test_two_exports_have_the_same_bytes(artifact: Any, exported: Path, tmp_path: Path, bytes_of: Any) -> None:
    export_artifact(artifact, format="onnx", out=tmp_path / "again")
    assert bytes_of(tmp_path / "again") == bytes_of(exported)


def test_a_graph_that_makes_other_pixels_is_not_exported(
    artifact: Any, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = (exported / "generator.onnx").read_bytes()
    monkeypatch.setattr(onnx_graph, "_graph", lambda *_: graph)
    monkeypatch.setattr(onnx_graph, "_frozen_latents", lambda content: _swapped(exported))
    with pytest.raises(IntegrityError, match="steps away"):
        export_artifact(artifact, format="onnx", out=tmp_path / "other")


def _swapped(folder: Path) -> Any:
    return np.load(folder / "latents.npy")[::-1].copy(), np.load(folder / "labels.npy")


def test_tables_of_images_and_fresh_samples_are_refused(artifact: Any, make_bank: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="table of stored images"):
        export_artifact(make_bank(), format="onnx", out=tmp_path / "a")
    with pytest.raises(SpecError, match="whole frozen set"):
        export_artifact(artifact, format="onnx", out=tmp_path / "a", fresh=2)
    with pytest.raises(SpecError, match="whole frozen set"):
        EXPORTERS.load("onnx")().write(GeneratedDataset(artifact).take(2), tmp_path / "a")


def test_noise_is_an_input_of_the_graph_and_none_of_it_is_in_the_frozen_set(
    make_generator: Any, tmp_path: Path
) -> None:
    import onnxruntime

    noisy = make_generator("noisy", noise=9)  # one map of 3 x 3
    export_artifact(noisy, format="onnx", out=tmp_path / "graph")
    z, y = np.load(tmp_path / "graph" / "latents.npy"), np.load(tmp_path / "graph" / "labels.npy")
    assert z.shape == (15, 13) and not z[:, 4:].any()
    session = onnxruntime.InferenceSession(tmp_path / "graph" / "generator.onnx", providers=["CPUExecutionProvider"])
    (plain,) = session.run(["x"], {"z": z, "y": y})
    assert np.abs(np.rint(plain * np.float32(255)) - noisy.frozen_images()[0].numpy().astype(int)).max() <= 1
    z[:, 4:] = np.random.default_rng(0).normal(size=(15, 9))
    (textured,) = session.run(["x"], {"z": z, "y": y})
    assert np.abs(textured - plain).max() > 1 / 255
