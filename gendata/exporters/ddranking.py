"""`ddranking`: tensors as DD-Ranking loads them, in the space in which it tests.

Source: NUS-HPC-AI-Lab/DD-Ranking, ddranking/utils/data.py (statistics, whitening), demo_hard.py and demo_soft.py
(files), ddranking/loss (labels are logits), as of 0.2.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendata.artifact.artifact import Normalisation
from gendata.artifact.space import Whitening
from gendata.errors import SpecError
from gendata.exporters.content import Content
from gendata.exporters.exporter import write_json
from gendata.exporters.raw_parts import RawParts, unlike
from gendata.exporters.record import CLASSES
from gendata.spec import SourceFacts

_CIFAR10 = Normalisation(mean=(0.4914, 0.4822, 0.4465), std=(0.2023, 0.1994, 0.2010))
_IMAGENET = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
# By the data set's name, letters and digits alone. CIFAR-100 is normalised with the numbers of CIFAR-10 there.
_STATISTICS = {
    **dict.fromkeys(("cifar10", "cifar100"), _CIFAR10),
    **dict.fromkeys(("tinyimagenet", "imagenet", "imagenet1k"), _IMAGENET),
    **dict.fromkeys((f"image{kind}" for kind in ("nette", "woof", "meow", "squawk", "fruit", "yellow")), _IMAGENET),
}
# kornia's ZCAWhitening(eps=0.1) of values in [0, 1], which is what its `use_zca` does.
_ZCA = {"normalised": False, "unit_images": False, "centred": True, "ridge": 0.1, "ridge_relative": False}
_LEAST_PROBABILITY = 1e-12  # its logarithm stands for that of zero


class DdRanking(RawParts):
    """images.pt (N, C, H, W) float32, labels.pt, and lr.pt where the artifact advises a learning rate; classes.json.

    Images are class after class, equally many of each, and normalised with DD-Ranking's numbers for the data set;
    whitened sets stay whitened, for `use_zca=True`. labels.pt is int64 (N,), or float32 logits (N, classes) of soft
    labels, the logarithms of probabilities. Without lr.pt, let DD-Ranking search: syn_lr=None. Each file is one plain
    tensor: torch.load(path, weights_only=True). All images are held in memory while images.pt is written.
    """

    name = "ddranking"
    summary = "images.pt, labels.pt, lr.pt, normalised as DD-Ranking tests"

    def check(self, content: Content) -> None:
        _statistics(content)
        _check_space(content)
        spec, labels = content.spec, content.labels
        ipc, rest = divmod(len(labels), spec.num_classes)
        if rest or not np.array_equal(labels, np.repeat(np.arange(spec.num_classes), ipc)):
            raise SpecError(
                "samples are not class after class, equally many of each",
                where=str(content.artifact.path),
                expected="that order, from which DD-Ranking makes hard labels",
                remedy="Export the whole frozen set, or fresh=N.",
            )
        if content.soft and content.artifact.manifest.labels.values == "targets":
            raise SpecError(
                "soft labels are targets of a squared error, and DD-Ranking takes the softmax of what it reads",
                where=str(content.artifact.path),
                expected="probabilities or logits",
                remedy='Export labels="hard", or with format "numpy".',
            )

    def finish(self, content: Content, folder: Path, names: list[str]) -> list[str]:
        images = torch.empty(len(content), *content.spec.shape)
        soft = []
        for index, block in self.blocks_made(content, folder):
            images[index.start : index.stop] = _normalised(block.images, content)
            soft += [] if block.soft is None else [block.soft]
        labels = _logits(np.concatenate(soft), content) if soft else torch.from_numpy(content.labels)
        training = content.artifact.manifest.training
        made = [_saved(folder / "images.pt", images), _saved(folder / "labels.pt", labels)]
        if training is not None and training.lr is not None:
            made.append(_saved(folder / "lr.pt", torch.tensor(training.lr)))
        return [*made, write_json(folder / CLASSES, list(content.spec.classes))]

    def facts(self, content: Content) -> dict[str, Any]:
        if content.artifact.space == "zca":
            return {"ddranking": {"use_zca": True}}
        used = _statistics(content)
        return {"ddranking": {"use_zca": False, "mean": list(used.mean), "std": list(used.std)}}


def _statistics(content: Content) -> Normalisation:
    """What DD-Ranking normalises the artifact's data set with.

    Raises:
        SpecError: it has no such data set.
    """
    source = content.artifact.manifest.source
    name = "" if source is None else _name_of(source)
    found = _STATISTICS.get(name)
    if found is None or content.spec.channels != 3:
        raise SpecError(
            f"DD-Ranking has no data set {source.name!r}" if source else "the artifact does not say of which data set",
            where=str(content.artifact.path),
            expected=f"one of {', '.join(_STATISTICS)}",
            remedy='Export with format "numpy", and normalise as your evaluation does.',
        )
    return found


def _name_of(source: SourceFacts) -> str:
    """The data set's name; a repository on the Hub is called as its last part."""
    path = source.options.get("dataset") if source.name == "huggingface" else source.name
    return "".join(c for c in str(path).rpartition("/")[2].lower() if c.isalnum())


def _check_space(content: Content) -> None:
    space = content.artifact.manifest.space
    whitening = space.whitening if space else None
    if whitening is not None and not _is_theirs(whitening):
        raise SpecError(
            "samples are whitened in another way than DD-Ranking's",
            where=str(content.artifact.path),
            expected="kornia's ZCAWhitening(eps=0.1) of values in [0, 1]",
            remedy='Export with format "numpy"; DD-Ranking would test them in another space.',
        )


def _is_theirs(whitening: Whitening) -> bool:
    return all(getattr(whitening, name) == value for name, value in _ZCA.items())


def _normalised(images: Any, content: Content) -> Tensor:
    """(n, C, H, W) float32 in DD-Ranking's space, of stored samples (n, H, W, C)."""
    x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).to(torch.float32)
    own, theirs, space = content.artifact.manifest.normalisation, _statistics(content), content.artifact.space
    if space == "zca" or (space == "normalised" and own == theirs):
        return x
    if space == "normalised":
        x = x * _column(own.std) + _column(own.mean)
    elif images.dtype == np.uint8:
        x = x / 255
    return (x - _column(theirs.mean)) / _column(theirs.std)


def _logits(soft: Any, content: Content) -> Tensor:
    labels = torch.from_numpy(np.array(soft, dtype=np.float32))
    if content.artifact.manifest.labels.values == "logits":
        return labels
    return labels.clamp(min=_LEAST_PROBABILITY).log()


def _column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1)


def _saved(path: Path, values: Tensor) -> str:
    values = values.contiguous().clone()  # a file holds the whole storage, so it has to be the tensor's own
    torch.save(values, path)
    found = torch.load(path, weights_only=True)
    if found.dtype != values.dtype or not torch.equal(found, values):
        raise unlike(path)
    return path.name
