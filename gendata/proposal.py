"""Own data in one command: proposes a recipe from the data's shape, number of classes and a byte budget."""

from __future__ import annotations

import difflib
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gendata.errors import RecipeError, unknown_name
from gendata.recipe import MAX_IPC, ArtifactPlan, Choice, Recipe, override_choice, override_recipe
from gendata.registry import GENERATORS, LATENTS, METHODS, SOURCES
from gendata.spec import SampleSpec

if TYPE_CHECKING:
    from gendata.sources.source import Source

_MIN_BYTES = 8_000
_STORAGE = "int4"
_WIDTHS = (8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 320)
_DEEP_FROM = 32  # widths that are worth a second convolution on the coarsest level
_MIN_CODES, _MAX_CODES = 2, 1024
_MIN_DIM, _MAX_DIM = 4, 256
_USUAL_PIXELS = 784  # per channel and image; larger images get longer codes
_SMALL_PX = 16  # per side; such images have no texture
_WHOLE_PX = 32  # per side, up to which features are compared over the whole image; windows were not tried below
_FEWEST_STEPS, _MOST_STEPS, _IMAGES_PER_STEP = 1200, 4000, 3  # of reconstructing: 30 passes or more over few images
_TEXTURE_FROM = 5  # images per class that the budget would hold as pixels
_NOISE_MAPS, _MAX_NOISE = 2, 8192
_HARD_FROM = 500  # codes per class, from which hard images are worth a larger share
_LOSSES_OF_HARD = [  # without cross-entropy, which draws samples to what networks are sure of
    {"name": "mean"},
    {"name": "moment", "weight": 0.1},
    {"name": "intra-class", "weight": 0.05},
    {"name": "inter-class", "weight": 0.1},
]
_NEARLY = 0.75  # likeness from which an unknown name is taken for a mistyped one


class Proposal(NamedTuple):
    """A recipe and its source, which has read what the recipe follows from."""

    recipe: Recipe
    source: Source


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
        max_bytes: what the artifact may cost; None: as much as IPC uint8 images per class, or all of them, but at least
            8 kB.
        ipc: images per class of the frozen set.
        overrides: "source.options.resize=32"; those of the source count before it is opened, the others change what is
            proposed.
        data_root: where local copies of a named source are looked for.

    Raises:
        SourceError: the data cannot be read.
        RecipeError: no such folder, an override is not acceptable, or no generator fits the budget.
        UnknownNameError: no such data set, but one of nearly that name.
    """
    return propose(data_set, max_bytes=max_bytes, ipc=ipc, overrides=overrides, data_root=data_root).recipe


def propose(
    data_set: str | Path,
    *,
    max_bytes: int | None = None,
    ipc: int = 10,
    overrides: tuple[str, ...] = (),
    data_root: Path | None = None,
) -> Proposal:
    """`propose_recipe`, with the source that it has opened."""
    from gendata.sources.balance import hold_out
    from gendata.sources.source import open_source

    if not 1 <= ipc <= MAX_IPC:
        raise RecipeError(f"ipc is {ipc}", expected=f"1 to {MAX_IPC}")
    choice = override_choice(_source_of(str(data_set)), overrides, field="source")
    source = open_source(choice, data_root=data_root)
    spec = source.spec
    fit, _ = hold_out(source.split("train"), classes=spec.classes)
    fewest = int(fit.y.bincount(minlength=spec.num_classes).min())
    pixels = min(ipc * spec.num_classes, len(fit.y)) * spec.num_pixels
    budget = max(_MIN_BYTES, pixels) if max_bytes is None else max_bytes
    generator, latent = _sized(spec, budget, fewest)
    name = Path(data_set).resolve().name
    proposed = Recipe(
        summary=f"Proposed for {name}: {spec.num_classes} classes of {spec.shape}, {budget} bytes.",
        source=choice,
        generator=generator,
        latent=latent,
        method=Choice(name="generative", options=_method_options(spec, latent, num_images=len(fit.y), fewest=fewest)),
        artifact=ArtifactPlan(ipc=ipc, storage=_STORAGE),
        precision="bf16" if _is_bf16_quick() else "f32",
    )
    recipe = override_recipe(proposed, overrides)
    if max_bytes is not None and overrides and recipe.method.name == "generative":
        _check_budget(recipe, spec, max_bytes)
    return Proposal(recipe, source)


def _check_budget(recipe: Recipe, spec: SampleSpec, max_bytes: int) -> None:
    """That overrides, which come after the sizes were chosen, have not made it larger than was asked for."""
    num_bytes = _num_bytes(spec, recipe.generator, recipe.latent, of=recipe)
    if num_bytes > max_bytes:
        raise RecipeError(
            f"with these overrides the artifact has {num_bytes} bytes",
            expected=f"at most {max_bytes}",
            remedy="Leave some out, or lower latent.options.codes or generator.options.widths as well. Without --bytes "
            "(max_bytes) nothing is compared.",
        )


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
    from gendata.sources.folder import holds_images

    path = Path(data_set).expanduser()
    if not data_set:
        raise RecipeError("no data set is named", remedy="Name a folder (. is this one), or a data set.")
    if os.path.isdir(path):  # False of a name that is too long for any
        kind = "folder" if holds_images(path) or not _holds_parquet(path) else "huggingface"
        # Absolute: a folder of the same name in $GENDATA_DATA must not take the place of the one that was named.
        return Choice(name=kind, options={"path": str(path.resolve())})
    if data_set in SOURCES.names():
        return Choice(name=data_set)
    if path.is_absolute() or data_set.startswith((".", "~")) or data_set.count("/") > 1:
        what = "is a file" if os.path.isfile(path) else "no such folder"
        raise RecipeError(what, where=data_set, remedy="Name a folder with one subfolder per class.")
    if difflib.get_close_matches(data_set, SOURCES.names(), n=1, cutoff=_NEARLY):
        raise unknown_name("data set", data_set, SOURCES.names())  # on the Hub, names have an owner: "owner/name"
    return Choice(name="huggingface", options={"dataset": data_set})


def _holds_parquet(folder: Path) -> bool:
    """Outside of hidden folders, where caches lie."""
    found = (path.relative_to(folder) for path in folder.rglob("*.parquet"))
    return any(not any(part.startswith(".") for part in path.parts) for path in found)


def _depth(spec: SampleSpec) -> int:
    """Blocks of the embedding network: down to about four pixels."""
    side = min(spec.height, spec.width) + (4 if spec.channels == 1 else 0)  # a ConvNet pads grey images by 3, not 1
    return max(1, min(6, round(math.log2(side / 4))))


def _method_options(spec: SampleSpec, latent: Choice, *, num_images: int, fewest: int) -> dict[str, object]:
    """Those of `fashion-mnist/generative-78kb`, with many codes of `-392kb`; at most two thirds of their steps."""
    steps = max(_FEWEST_STEPS, min(_MOST_STEPS, num_images // _IMAGES_PER_STEP))
    num_codes, dim = latent.options["codes"], latent.options["dim"]
    are_hard = _HARD_FROM <= num_codes <= fewest // 2  # hard samples are chosen among others
    hard = {"hardness": 4.0, "losses": _LOSSES_OF_HARD} if are_hard else {}
    window = {"feature_window": 0.5} if min(spec.height, spec.width) > _WHOLE_PX else {}
    return {
        "network": f"convnet{_depth(spec)}-w32-in",
        "networks": 3,
        "network_ages": [20, 60, 200] if steps == _FEWEST_STEPS else [30, 100, 300, 600],
        "reconstruct_steps": steps,
        "reconstruct_warmup": 100,
        "reconstruct_batch": 96,
        "feature_weight": 0.3,
        **window,
        "bits": 3.0 * dim,
        "codes_from": "samples",
        "refine_steps": steps * 2 // 3,
        "steps": steps // 2,
        "classes_per_step": min(10, spec.num_classes),
        "samples_per_class": 16,
        "real_per_class": 24,
        "anchor_weight": 0.5,
        "frozen_weight": 0.5,
        "frozen_steps": max(200, steps // 10),
        "rounded_share": 0.5,
        # A mirrored digit is another digit; whoever knows better adds flip.
        "augmentation": "color_crop_cutout_scale_rotate",
        **hard,
    }


def _is_bf16_quick() -> bool:
    """Whether this machine multiplies bfloat16 in hardware; on others float32 is quicker."""
    import torch

    told = getattr(torch.cpu, "get_capabilities", None)  # newer than the oldest torch that we support
    able = told() if told else {}
    return torch.cuda.is_available() or bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def _sized(spec: SampleSpec, budget: int, fewest: int) -> tuple[Choice, Choice]:
    """The widest decoder that fits beside its share of codes, and then as many codes as fit beside it.

    Shares and lengths lie between those of the Fashion-MNIST recipes of 8, 78 and 392 kB, which were tuned. They go by
    how many images per class the budget would hold as pixels: the more, the more of it goes to codes, and to each.
    """
    worth = max(1.0, budget / (spec.num_classes * spec.num_pixels))
    share = min(0.7, 0.25 + 0.075 * math.log2(worth))
    larger = max(1.0, spec.height * spec.width / _USUAL_PIXELS)
    textured = worth >= _TEXTURE_FROM and max(spec.height, spec.width) > _SMALL_PX
    most = max(_MIN_CODES, min(fewest, _MAX_CODES))
    for_codes = 2 * share * budget / spec.num_classes  # values of four bits, of one class
    dim = round(10 * worth**0.45 * larger**0.25)
    dim = max(_MIN_DIM, min(max(dim, int(for_codes / most)), spec.num_pixels // 4, _MAX_DIM))
    codes = max(_MIN_CODES, min(most, int(for_codes / dim)))

    def left(width: int) -> int:
        return budget - _num_bytes(spec, *_choices(spec, width, dim=dim, codes=codes, textured=textured))

    width = max((width for width in _WIDTHS if left(width) >= 0), default=_WIDTHS[0])
    codes = min(most, codes + 2 * left(width) // (spec.num_classes * dim))
    if codes < _MIN_CODES:
        dim, codes = _MIN_DIM, _MIN_CODES
    if left(width) < 0:
        least = budget - left(width)
        raise RecipeError(
            f"{budget} bytes hold no generator for {spec.num_classes} classes of {spec.shape}",
            expected=f"at least {least}",
            remedy=f"Raise --bytes (max_bytes) to {least} or more.",
        )
    return _choices(spec, width, dim=dim, codes=codes, textured=textured)


def _choices(spec: SampleSpec, width: int, *, dim: int, codes: int, textured: bool) -> tuple[Choice, Choice]:
    from gendata.generators.conv_decoder import places_of

    generator: dict[str, object] = {
        "class_dim": min(16, max(4, width // 4)),
        "rank": round(width * 4 / 3),
        "widths": [width, width, max(8, width // 2), max(8, width // 4)],
        "depths": [2 if width >= _DEEP_FROM else 1, 1],
        "antialias": True,
    }
    latent: dict[str, object] = {"dim": dim, "codes": codes, "neighbours": min(4, codes - 1), "frozen": "codes"}
    num_noise = _NOISE_MAPS * math.prod(places_of(spec)) if textured else 0
    if 0 < num_noise <= _MAX_NOISE:
        generator["noise"], latent["noise"] = _NOISE_MAPS, num_noise
    return Choice(name="conv-decoder", options=generator), Choice(name="codebook", options=latent)


def _num_bytes(spec: SampleSpec, generator: Choice, latent: Choice, *, of: Recipe | None = None) -> int:
    """What the artifact would cost, with the storage and the label head of a recipe; None: of what is proposed."""
    import torch

    from gendata.artifact.draft import stored_bytes
    from gendata.generators.label_head import LabelHead

    head, method = None, METHODS.config("generative", of.method.options, where="method") if of else None
    with torch.device("meta"):
        config = LATENTS.config(latent.name, latent.options, where=latent.name)
        law = LATENTS.load(latent.name)(config, num_classes=spec.num_classes)
        config = GENERATORS.config(generator.name, generator.options, where=generator.name)
        decoder = GENERATORS.load(generator.name)(config, spec=spec, latent_dim=law.dim)
        if method is not None and method.label_steps:
            code_dim = law.dim - law.num_noise
            head = LabelHead(method.label_head, num_classes=spec.num_classes, code_dim=code_dim)
    storage, latent_storage = (of.artifact.storage, of.artifact.latent_storage) if of else (_STORAGE, None)
    return stored_bytes(decoder, law, storage=storage, latent_storage=latent_storage, label_head=head)
