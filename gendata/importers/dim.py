"""`dim`: DiM's checkpoint `model_dict_convnet.pth`; of its dict, `generator` is taken (gen_condense.py:462-468)."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from gendata.errors import SourceError, SpecError
from gendata.generators.dim_conv_gan import DimConvGan
from gendata.importers.layout import Files, GeneratorFound, Layout
from gendata.importers.published import known_spec
from gendata.importers.wanted import Wanted
from gendata.spec import SampleSpec

_LAYER = re.compile(r"(?:module\.)?(fc|conv|bn)(\d)\.(weight|bias|running_mean|running_var)")
_COUNTER = re.compile(r"(?:module\.)?bn\d\.num_batches_tracked")


class Dim(Layout):
    """The size of its images follows from the first upsampling: a kernel of 3 makes 28 x 28, of 4 makes 32 x 32."""

    name = "dim"
    summary = "DiM: model_dict_*.pth, its generator; --ipc images per class"

    def claims(self, files: Files) -> bool:
        tree = files.tree
        return isinstance(tree, dict) and isinstance(tree.get("generator"), dict)

    def read(self, files: Files, wanted: Wanted) -> GeneratorFound:
        stored = files.tree.get("generator") if isinstance(files.tree, dict) else None
        if not isinstance(stored, dict):
            raise SourceError("is not of this layout", where=str(files.path), expected="{'generator': {...}, ...}")
        state = _renamed(stored, where=f"{files.path}: generator")
        side, channels = _image_size(state, where=f"{files.path}: generator")
        known = known_spec(wanted.source)
        num_classes = len(wanted.classes) if wanted.classes else known.num_classes if known else 0
        if not num_classes:
            raise SpecError(
                "does not say how many classes it has", where=str(files.path), expected="their names",
                remedy="Give the data set: --source cifar10; or --classes A,B,...",
            )  # fmt: skip
        names = tuple(map(str, range(num_classes)))
        spec = SampleSpec(channels=channels, height=side, width=side, classes=names)
        latent_dim = state["stem.weight"].shape[1] if state.get("stem.weight", torch.empty(0)).dim() == 2 else 0
        config = DimConvGan.Config(width=state["convs.7.weight"].shape[1])
        try:
            generator = DimConvGan(config, spec=spec, latent_dim=latent_dim)
            generator.load_state_dict(state)
        except RuntimeError as error:
            raise SourceError(
                f"has other layers ({' '.join(str(error).split())[:300]})", where=f"{files.path}: generator",
                expected="those of DiM's gan_model.py",
            ) from None  # fmt: skip
        return GeneratorFound(
            name="dim-conv-gan",
            generator=generator,
            latent="normal",
            latent_options={"dim": latent_dim},
            num_classes=num_classes,
            files=(files.path,),
            statistics="dim",
        )


def _renamed(stored: dict[Any, Any], *, where: str) -> dict[str, Tensor]:
    """Their names to ours: layers count from 0 here."""
    state = {}
    for name, value in stored.items():
        found = _LAYER.fullmatch(str(name))
        if found and isinstance(value, Tensor) and value.is_floating_point():
            kind, number, part = found[1], int(found[2]), found[3].removeprefix("running_")
            layer = {"fc": "stem", "bn": f"norms.{number}", "conv": f"convs.{number - 1}"}[kind]
            state[f"{layer}.{part}"] = value.to(torch.float32)
        elif not _COUNTER.fullmatch(str(name)):
            raise SourceError(f"holds {str(name)[:80]!r}", where=where, expected="the layers of DiM's generator")
    return state


def _image_size(state: dict[str, Tensor], *, where: str) -> tuple[int, int]:
    """(side, channels)."""
    first, last = state.get("convs.0.weight"), state.get("convs.7.weight")
    if first is None or last is None or first.dim() != 4 or last.dim() != 4 or first.shape[2] not in (3, 4):
        raise SourceError("lacks the first or the last convolution", where=where, expected="DiM's generator")
    return (28 if first.shape[2] == 3 else 32), last.shape[0]
