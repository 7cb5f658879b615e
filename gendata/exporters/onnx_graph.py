"""`onnx`: the generator itself, for runtimes that know no torch."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gendata.artifact.layout import FileFacts
from gendata.artifact.sampling import draw_latents, fresh_key, frozen_key, render
from gendata.errors import IntegrityError, MissingExtraError, SpecError
from gendata.exporters.content import Content
from gendata.exporters.exporter import Exporter, Piece, write_json
from gendata.exporters.raw_parts import save_npy
from gendata.exporters.record import CLASSES, file_facts
from gendata.exporters.work_folder import sync_file

_GRAPH = "generator.onnx"
_CHECKED = 256  # samples that the runtime makes too
_MAX_STEP = 1  # of 255, between its pixels and ours
_OPSET = 20


class OnnxGraph(Exporter):
    """generator.onnx: (z (n, dim) float32, y (n,) int64) -> x (n, C, H, W) float32 in [0, 1], for any n.

    Latents stay outside: latents.npy and labels.npy are those of the frozen set, so x * 255, rounded to even, are its
    pixels; onnxruntime was found to make the first 256 within one step of 255. New latents follow from the law that
    export.json names; where they are plain normal numbers, any will do.
    """

    name = "onnx"
    summary = "the generator as a graph (z, y) -> x, and the frozen set's latents"
    holds_soft = False

    def check(self, content: Content) -> None:
        where = str(content.artifact.path)
        if content.dataset.mode != "frozen" or len(content) != content.artifact.manifest.num_frozen:
            raise SpecError(
                "a graph is exported, with latents of the frozen set",
                where=where, expected="the whole frozen set",
                remedy="Leave out fresh=; the graph makes new samples from new latents.",
            )  # fmt: skip
        if not content.artifact.generator.macs_per_image() or content.artifact.manifest.sampling.dtype != "uint8":
            raise SpecError(
                f"the generator {content.artifact.manifest.generator.name!r} is a table of stored images",
                where=where, expected="one that computes", remedy='Export its images: format "numpy".',
            )  # fmt: skip
        for name in ("onnx", "onnxscript", "onnxruntime"):
            _package(name)

    def pieces(self, content: Content) -> list[Piece]:
        return [Piece(_GRAPH, range(len(content)))]

    def make(self, content: Content, piece: Piece, folder: Path) -> dict[str, FileFacts]:
        """Exports the graph, and compares what onnxruntime makes of it.

        Raises:
            SpecError: torch cannot export the generator. IntegrityError: a pixel is more than one step away.
        """
        z, y = _frozen_latents(content)
        (folder / _GRAPH).write_bytes(_graph(content, z[:2], y[:2]))
        frozen = content.block(range(min(_CHECKED, len(y)))).images.transpose(0, 3, 1, 2)
        _check_graph(folder / _GRAPH, z[:_CHECKED], y[:_CHECKED], frozen)
        _check_graph(folder / _GRAPH, *_fresh_samples(content))
        names = [_GRAPH, save_npy(folder / "latents.npy", z), save_npy(folder / "labels.npy", y)]
        for name in names:
            sync_file(folder / name)
        return {name: file_facts(folder / name) for name in names}

    def finish(self, content: Content, folder: Path, names: list[str]) -> list[str]:
        return [*names, write_json(folder / CLASSES, list(content.spec.classes))]

    def facts(self, content: Content) -> dict[str, Any]:
        latent, law = content.artifact.manifest.latent, content.artifact.law
        told = {"latent": latent.name, "dim": latent.dim, "noise": law.num_noise}  # noise: the last values of z
        return {"onnx": {"opset": _OPSET, **told, "tolerance": _MAX_STEP}}


def _frozen_latents(content: Content) -> tuple[Any, Any]:
    """z (N, dim) float32 and y (N,) int64 of the frozen set."""
    manifest = content.artifact.manifest
    index = np.arange(manifest.num_frozen, dtype=np.int64)
    key = frozen_key(index, ipc=manifest.frozen.ipc, seed=manifest.frozen.seed)
    return draw_latents(content.artifact.law, **key).numpy(), key["y"].numpy()


def _fresh_samples(content: Content) -> tuple[Any, Any, Any]:
    """z, y and images of a few: a frozen set of codes may lack noise, and not show what the graph makes of it."""
    key = fresh_key(np.arange(content.spec.num_classes), samples_per_class=1, seed=0, epoch=0)
    artifact = content.artifact
    z, y = draw_latents(artifact.law, **key), key["y"]
    images = render(artifact.generator, z, y, micro_batch=artifact.manifest.sampling.micro_batch)
    return z.numpy(), y.numpy(), images.numpy()


def _graph(content: Content, z: Any, y: Any) -> bytes:
    """The graph's bytes, without the stack traces that torch writes into it: they hold paths of this machine."""
    generator, any_size = content.artifact.generator, torch.export.Dim("n", min=1)
    inputs = (torch.from_numpy(np.repeat(z, 2, axis=0)), torch.from_numpy(np.repeat(y, 2, axis=0)))
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(
                generator, inputs, dynamic_shapes={"z": {0: any_size}, "y": {0: any_size}}, strict=True
            )
            exported: Any = torch.onnx.export(
                program, input_names=["z", "y"], output_names=["x"], opset_version=_OPSET, dynamo=True, verbose=False
            )
    except Exception as error:  # torch documents none
        raise SpecError(
            f"torch cannot export the generator {content.artifact.manifest.generator.name!r}: {str(error)[:300]}",
            where=str(content.artifact.path), remedy='Export samples instead: format "parquet" or "numpy".',
        ) from error  # fmt: skip
    model = exported.model_proto
    _forget(model)
    model.metadata_props.add(key="gendata.artifact_id", value=content.artifact.artifact_id)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _forget(model: Any) -> None:
    graph = model.graph
    parts = (graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info, *model.functions)
    inner = [node for function in model.functions for node in function.node]
    for part in (model, *parts, *inner):
        part.doc_string = ""
        with contextlib.suppress(AttributeError):  # older forms of ONNX have fewer places for it
            del part.metadata_props[:]


def _check_graph(path: Path, z: Any, y: Any, ours: Any) -> None:
    """Compares what onnxruntime makes of latents with our pixels, (N, C, H, W) uint8."""
    _package("onnx").checker.check_model(str(path), full_check=True)
    session = _package("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x = np.concatenate(
        [session.run(["x"], {"z": z[i : i + size], "y": y[i : i + size]})[0] for size, i in _sizes(len(y))]
    )
    step = np.abs(np.rint(x * np.float32(255)).clip(0, 255) - ours.astype(np.float32)).max()
    if not step <= _MAX_STEP:
        raise IntegrityError(
            f"onnxruntime's pixels are up to {step:g} steps away from ours",
            where=str(path), expected=f"at most {_MAX_STEP}",
            remedy='Export samples instead: format "parquet" or "numpy".',
        )  # fmt: skip


def _sizes(count: int) -> Iterator[tuple[int, int]]:
    """(number, start) of batches of one, and then of 32: the graph was traced with neither."""
    yield 1, 0
    for start in range(1, count, 32):
        yield 32, start


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Progress that torch prints, and warnings about its own insides, help no caller."""
    loud = logging.getLogger("torch.onnx")
    level = loud.level
    loud.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        loud.setLevel(level)


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(f"{name} is not installed", remedy="pip install 'gendata[onnx]'") from error
