"""Own data in one command: proposes a recipe from the data's shape, number of classes and a byte budget."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import TYPE_CHECKING

from gendata.errors import RecipeError, unknown_name
from gendata.recipe import ArtifactPlan, Choice, Recipe, override_choice, override_recipe
from gendata.registry import SOURCES
from gendata.spec import SampleSpec

if TYPE_CHECKING:
    from gendata.sources.source import Source

_SHARE_OF_CODES = 0.25  # of the bytes; the rest holds the decoder
_OVERHEAD_BYTES = 1024  # file header, scales and biases
_LATENT_DIM = 16
_WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
_MIN_BYTES = 8_000
_NEARLY = 0.75  # likeness from which an unknown name is taken for a mistyped one


def propose_recipe(
    data_set: str | Path,
    *,
    max_bytes: int | None = None,
    ipc: int = 10,
    overrides: tuple[str, ...] = (),
    data_root: Path | None = None,
) -> Recipe:
    """A `generative` recipe for a folder of images, a folder of parquet files, or a data set by name.

    Args:
        data_set: an existing folder, a source's name (`fashion-mnist`), or a name on the Hugging Face Hub.
        max_bytes: what the artifact may cost; None: as much as IPC uint8 images per class, but at least 8 kB.
        ipc: images per class of the frozen set.
        overrides: "source.options.resize=32"; those of the source count before it is opened, the others change what is
            proposed.
        data_root: where local copies of a named source are looked for.

    Raises:
        SourceError: the data cannot be read.
        RecipeError: no such folder, an override is not acceptable, or no generator fits the budget.
        UnknownNameError: no such data set, but one of nearly that name.
    """
    from gendata.sources.balance import hold_out
    from gendata.sources.source import open_source

    choice = override_choice(_source_of(str(data_set)), overrides, field="source")
    source = open_source(choice, data_root=data_root)
    spec = source.spec
    fit, _ = hold_out(source.split("train"))
    fewest = int(fit.y.bincount(minlength=spec.num_classes).min())
    budget = max(_MIN_BYTES, ipc * spec.num_classes * spec.num_pixels) if max_bytes is None else max_bytes
    num_codes = _num_codes(budget, spec, fewest)
    steps = 1500 if max(spec.height, spec.width) <= 16 else 4000
    network = f"convnet{_depth(spec)}-w32-in"
    name = Path(data_set).resolve().name
    proposed = Recipe(
        summary=f"Proposed for {name}: {spec.num_classes} classes of {spec.shape}, {budget} bytes.",
        source=choice,
        generator=Choice(name="conv-decoder", options=_decoder_options(budget, spec, num_codes)),
        latent=Choice(
            name="codebook", options={"dim": _LATENT_DIM, "codes": num_codes, "neighbours": min(3, num_codes - 1)}
        ),
        method=Choice(
            name="generative",
            options={
                "network": network,
                "reconstruct_steps": steps,
                "reconstruct_warmup": min(100, steps),
                "steps": steps // 2,
                "classes_per_step": min(10, spec.num_classes),
                "samples_per_class": 16,
                "real_per_class": 32,
                # A mirrored digit is another digit; whoever knows better adds flip.
                "augmentation": "color_crop_cutout_scale_rotate",
            },
        ),
        artifact=ArtifactPlan(ipc=ipc),
    )
    return override_recipe(proposed, overrides)


def named_source(data_set: str | Path, *, resize: int | None = None, data_root: Path | None = None) -> Source:
    """A folder of images, a folder of parquet files, or a data set by name, opened.

    Args:
        data_set: as of `propose_recipe`.
        resize: side in pixels that every image is made; None: as they are.
        data_root: where local copies of a named source are looked for.

    Raises:
        SourceError, RecipeError, UnknownNameError: as of `propose_recipe`.
    """
    from gendata.sources.source import open_source

    overrides = () if resize is None else (f"source.options.resize={resize}",)
    return open_source(override_choice(_source_of(str(data_set)), overrides, field="source"), data_root=data_root)


def _source_of(data_set: str) -> Choice:
    path = Path(data_set).expanduser()
    if path.is_dir():
        kind = "huggingface" if any(path.rglob("*.parquet")) else "folder"
        # Absolute: a folder of the same name in $GENDATA_DATA must not take the place of the one that was named.
        return Choice(name=kind, options={"path": str(path.resolve())})
    if data_set in SOURCES.names():
        return Choice(name=data_set)
    if path.is_absolute() or data_set.startswith((".", "~")) or data_set.count("/") > 1:
        what = "is a file" if path.is_file() else "no such folder"
        raise RecipeError(what, where=data_set, remedy="Name a folder with one subfolder per class.")
    if difflib.get_close_matches(data_set, SOURCES.names(), n=1, cutoff=_NEARLY):
        raise unknown_name("data set", data_set, SOURCES.names())  # on the Hub, names have an owner: "owner/name"
    return Choice(name="huggingface", options={"dataset": data_set})


def _depth(spec: SampleSpec) -> int:
    """Blocks of the embedding network: down to about four pixels."""
    side = min(spec.height, spec.width) + (4 if spec.channels == 1 else 0)  # a ConvNet pads grey images by 3, not 1
    return max(1, min(6, round(math.log2(side / 4))))


def _num_codes(budget: int, spec: SampleSpec, fewest: int) -> int:
    affordable = int(_SHARE_OF_CODES * budget / (spec.num_classes * (_LATENT_DIM + 2)))
    return max(2, min(512, affordable, fewest))


def _decoder_options(budget: int, spec: SampleSpec, num_codes: int) -> dict[str, object]:
    """The widest decoder whose 8-bit weights fit what the codes leave."""
    import torch

    from gendata.generators.conv_decoder import ConvDecoder, ConvDecoderConfig

    left = budget - _OVERHEAD_BYTES - num_codes * spec.num_classes * (_LATENT_DIM + 2)
    chosen = None
    for width in _WIDTHS:
        narrower = max(8, width // 2)
        options: dict[str, object] = {
            "class_dim": min(16, max(4, width // 4)),
            "rank": width,
            "widths": [width, width, narrower, max(8, narrower // 2)],
            "depths": [2, 1],
        }
        with torch.device("meta"):
            config = ConvDecoderConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})  # type: ignore[arg-type]
            decoder = ConvDecoder(config, spec=spec, latent_dim=_LATENT_DIM)
        if _stored_bytes(decoder) <= left:
            chosen = options
    if chosen is None:
        raise RecipeError(
            f"{budget} bytes hold no generator for {spec.num_classes} classes of {spec.shape}",
            expected="a larger budget",
            remedy="Raise --bytes.",
        )
    return chosen


def _stored_bytes(decoder: object) -> int:
    """8-bit weights with a 2-byte scale per row, 2-byte biases."""
    from torch import nn

    assert isinstance(decoder, nn.Module)
    return sum(p.numel() + 2 * len(p) if p.dim() > 1 else 2 * p.numel() for p in decoder.parameters())
