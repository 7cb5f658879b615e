from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from gendata.artifact.manifest import Normalisation
from gendata.errors import ArtifactError, IntegrityError, SpecError, UnknownNameError, UnsupportedVersionError
from gendata.labels.record import RECORD, Trained
from gendata.labels.teacher import WEIGHTS, Teacher, open_teacher, round_weights, save_teacher
from gendata.networks import build_network
from gendata.spec import SampleSpec, SourceFacts

SPEC = SampleSpec(channels=1, height=8, width=8, classes=("a", "b", "c"))
NORMAL = Normalisation(mean=(0.5,), std=(0.25,))


def save(out: Path, name: str = "convnet1-w3-bn", **options: Any) -> Teacher:
    network = build_network(name, spec=SPEC, seed=1)
    network(torch.randn(4, *SPEC.shape, generator=torch.Generator().manual_seed(0)))  # batch norm remembers it
    return save_teacher(out, network, name=name, spec=SPEC, normalisation=NORMAL, **options)


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    fields = json.loads((folder / RECORD).read_text())
    change(fields)
    (folder / RECORD).write_text(json.dumps(fields))
    return folder


@pytest.mark.parametrize("name", ["convnet1-w3-bn", "mlp1-w4", "vit-p4-d8-l1-h1", "shufflenet_v2_x0_5"])
def test_a_teacher_is_opened_as_it_was_saved(name: str, tmp_path: Path) -> None:
    network = build_network(name, spec=SPEC, seed=1)
    network(torch.randn(4, *SPEC.shape))
    trained = Trained(images=90, epochs=3, accuracy=0.5, held_out=10, settings={"lr": 0.1})
    source = SourceFacts(name="digits", fingerprint="0" * 64)
    saved = save_teacher(
        tmp_path / "t", network, name=name, spec=SPEC, normalisation=NORMAL, trained=trained, source=source
    )
    opened = open_teacher(tmp_path / "t")
    x = torch.randn(5, *SPEC.shape)
    assert torch.equal(opened.network(x), network.eval()(x))
    assert (opened.name, opened.spec, opened.normalisation) == (name, SPEC, NORMAL)
    assert (opened.record.trained, opened.record.source) == (trained, source)
    assert (opened.sha256, opened.num_bytes) == (saved.sha256, saved.num_bytes)
    assert not opened.network.training
    assert not any(parameter.requires_grad for parameter in opened.network.parameters())


def test_bytes_are_those_of_both_files(tmp_path: Path) -> None:
    teacher = save(tmp_path / "t")
    assert teacher.num_bytes == sum(file.stat().st_size for file in (tmp_path / "t").iterdir())
    assert sorted(file.name for file in (tmp_path / "t").iterdir()) == [RECORD, WEIGHTS]


def test_half_precision_stores_what_rounding_left(tmp_path: Path) -> None:
    network = build_network("mlp1-w4", spec=SPEC, seed=1)
    round_weights(network, "f16")
    options = {"name": "mlp1-w4", "spec": SPEC, "normalisation": NORMAL}
    half = save_teacher(tmp_path / "half", network, dtype="f16", **options)
    full = save_teacher(tmp_path / "full", network, **options)
    assert half.num_bytes < full.num_bytes
    x = torch.randn(5, *SPEC.shape)
    assert torch.equal(half.network(x), network(x))


def test_the_sha256_stands_for_the_weights(tmp_path: Path) -> None:
    one, same = save(tmp_path / "one"), save(tmp_path / "same")
    other = save(tmp_path / "other", name="mlp1-w4")
    assert one.sha256 == same.sha256 != other.sha256


def test_a_teacher_travels_to_another_process(tmp_path: Path) -> None:
    teacher = save(tmp_path / "t", name="shufflenet_v2_x0_5")
    x = torch.randn(1, *SPEC.shape)
    assert torch.equal(pickle.loads(pickle.dumps(teacher)).network(x), teacher.network(x))


def test_changed_weights_are_not_opened(tmp_path: Path) -> None:
    save(tmp_path / "t")
    weights = tmp_path / "t" / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(IntegrityError, match=rf"{WEIGHTS}.*as {RECORD} says"):
        open_teacher(tmp_path / "t")
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(IntegrityError):
        open_teacher(tmp_path / "t")
    weights.unlink()
    with pytest.raises(ArtifactError, match=WEIGHTS):
        open_teacher(tmp_path / "t")


def test_a_record_that_promises_other_tensors_is_refused_by_the_files_structure(tmp_path: Path) -> None:
    teacher = save(tmp_path / "t")
    swapped = {name: tensor.flip(0) for name, tensor in teacher.network.state_dict().items() if tensor.ndim}
    first = sorted(swapped)[0]
    swapped["other"] = swapped.pop(first)
    data = safetensors.torch.save(swapped)
    (tmp_path / "t" / WEIGHTS).write_bytes(data)
    facts = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    with pytest.raises(ArtifactError, match="2 tensors are not what the network calls for"):
        open_teacher(edit(tmp_path / "t", lambda fields: fields.update(weights=facts)))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: f.update(network="org/model"), UnknownNameError, "points outside"),
        (lambda f: f.update(network="convnet1-w90000-bn"), ArtifactError, "of weights"),
        (lambda f: f.update(network="mlp99-w90000"), SpecError, "too large"),
        (lambda f: f.update(format="gendata.condensed"), ArtifactError, "not a teacher's record"),
        (lambda f: f.update(min_reader=9, format_version=9), UnsupportedVersionError, "Upgrade"),
        (lambda f: f.update(min_reader="0"), ArtifactError, "whole number"),
        (lambda f: f.update(dtype="f64"), ArtifactError, "dtype"),
        (lambda f: f["spec"].update(height=0), ArtifactError, "height is 0"),
        (lambda f: f["spec"].update(classes=[]), ArtifactError, "number of classes is 0"),
        (lambda f: f["normalisation"].update(std=[0.0]), ArtifactError, "not above 0"),
        (lambda f: f["normalisation"].update(mean=[0.0, 0.0]), ArtifactError, "2 means and 1 stds"),
        (lambda f: f["weights"].update(size=10**15), ArtifactError, "of weights"),
        (lambda f: f["weights"].update(sha256="x"), ArtifactError, "no size and sha256"),
        (lambda f: f.pop("weights"), ArtifactError, "weights"),
    ],
)
def test_a_record_that_breaks_a_rule_is_refused(
    change: Callable[[dict[str, Any]], None], error: type[Exception], message: str, tmp_path: Path
) -> None:
    save(tmp_path / "t")
    with pytest.raises(error, match=message):
        open_teacher(edit(tmp_path / "t", change))


def test_fields_of_a_later_gendata_are_ignored(tmp_path: Path) -> None:
    save(tmp_path / "t")
    open_teacher(edit(tmp_path / "t", lambda fields: fields.update(news=1)))


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1, "format": 2}', '{"format": NaN}', "\x80"])
def test_what_is_no_json_of_ours_is_refused(text: str, tmp_path: Path) -> None:
    save(tmp_path / "t")
    (tmp_path / "t" / RECORD).write_bytes(text.encode("latin-1"))
    with pytest.raises(ArtifactError):
        open_teacher(tmp_path / "t")


def test_no_teacher_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such folder"):
        open_teacher(tmp_path / "missing")
    with pytest.raises(ArtifactError, match=f"holds no {RECORD}"):
        open_teacher(tmp_path)


def test_weights_that_are_not_numbers_are_neither_saved_nor_opened(tmp_path: Path) -> None:
    network = build_network("mlp1-w4", spec=SPEC, seed=1)
    torch.nn.init.constant_(network.classifier.bias, 1e6)
    options = {"name": "mlp1-w4", "spec": SPEC, "normalisation": NORMAL}
    save_teacher(tmp_path / "full", network, **options)
    with pytest.raises(ArtifactError, match="classifier.bias: not every value is finite"):
        save_teacher(tmp_path / "half", network, dtype="f16", **options)
    assert not (tmp_path / "half").exists()


def test_a_teacher_is_never_written_over(tmp_path: Path) -> None:
    before = save(tmp_path / "t")
    with pytest.raises(ArtifactError):
        save(tmp_path / "t", name="mlp1-w4")
    assert open_teacher(tmp_path / "t").sha256 == before.sha256
