"""Soft labels that lie in a file of their own: one row per image, in the order of the images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from gendata.errors import SourceError, SpecError
from gendata.importers.arrays import read_npz
from gendata.importers.layout import ImageSet
from gendata.importers.pickles import MAX_FILE_BYTES, read_pickle
from gendata.importers.pieces import soft_labels
from gendata.importers.wanted import Wanted


def with_soft_labels(found: ImageSet, wanted: Wanted) -> ImageSet:
    """`found` with the labels of `wanted.soft_labels`, if there are any.

    Raises:
        SourceError: the file does not hold a row of floats for each image.
        SpecError: nothing says what the numbers are.
    """
    path = wanted.soft_labels
    if path is None:
        return found
    if wanted.label_values is None:
        raise SpecError(
            "the file does not say what its numbers are", where=str(path), expected="probabilities, logits or targets",
            remedy="Say it: --label-values logits.",
        )  # fmt: skip
    return replace(found, soft=soft_labels(_tensor(path), len(found.images), path), files=(*found.files, path))


def _tensor(path: Path) -> Tensor | None:
    """The only tensor of a .pt or .safetensors file, or the array `labels` of an .npz."""
    if path.suffix == ".npz":
        return torch.from_numpy(read_npz(path, ("labels",))["labels"])
    if path.suffix != ".safetensors":
        tree = read_pickle(path)
        return tree if isinstance(tree, Tensor) else None
    if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
        raise SourceError("is no file of acceptable size", where=str(path), expected=f"at most {MAX_FILE_BYTES} bytes")
    try:
        tensors = safetensors.torch.load(path.read_bytes())
    except SafetensorError as error:
        raise SourceError(f"is not a safetensors file ({error})", where=str(path)) from None
    return next(iter(tensors.values())) if len(tensors) == 1 else None
