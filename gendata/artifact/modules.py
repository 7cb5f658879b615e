"""From the manifest and the tensors to a generator and a latent law."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gendata.artifact.manifest import Manifest
from gendata.errors import ArtifactError, RecipeError, UnsupportedVersionError
from gendata.generators.generator import Generator
from gendata.generators.label_head import LabelHead
from gendata.latents.law import LatentLaw
from gendata.registry import GENERATORS, LATENTS

SOFT_LABELS, LABEL_HEAD = "labels.soft", "labels.head."
WHITENING_MEAN, WHITENING_MATRIX = "space.mean", "space.matrix"
MAX_MACS = 2**44  # of one micro-batch: minutes on one core
MAX_ACTIVATION_BYTES = 2**33  # of one micro-batch
_BYTES_PER_DRAW = 40  # of a uniform or a normal, while it is made
_MAX_FAULTS_TOLD = 8


def check_shapes(manifest: Manifest, *, where: str) -> None:
    """Compares the weights table with what the configs call for, on the meta device: nothing is allocated.

    Raises:
        UnknownNameError: a generator or law that nobody registered.
        UnsupportedVersionError: another revision of either than this gendata has.
        ArtifactError: a config that is not acceptable or asks for too much work, or tensors that do not fit it.
    """
    with torch.device("meta"), _Uninitialised():
        generator, law = _build(manifest, where=where)
        head = _head(manifest, law, where=where)
    expected = _expected(manifest, generator, law, head)
    found = {entry.name: (entry.shape, entry.dtype == "u8") for entry in manifest.weights.tensors}
    faults = list(_differences(expected, found))
    if law.dim != manifest.latent.dim:
        faults.append(f"latent.dim is {manifest.latent.dim}, the law makes {law.dim}")
    if faults:
        more = f"; and {len(faults) - _MAX_FAULTS_TOLD} more" if len(faults) > _MAX_FAULTS_TOLD else ""
        raise ArtifactError("; ".join(faults[:_MAX_FAULTS_TOLD]) + more, where=f"{where}: weights.tensors")
    check_noise(generator, law, where=f"{where}: latent.config.noise")
    check_slots(law, ipc=manifest.frozen.ipc, where=f"{where}: frozen.ipc")
    check_work(generator, law, head, micro_batch=manifest.sampling.micro_batch, where=where)


def check_noise(generator: Generator, law: LatentLaw, *, where: str) -> None:
    """That the law draws as noise what the generator takes for noise.

    Raises:
        ArtifactError: it draws more or less.
    """
    if generator.num_noise != law.num_noise:
        raise ArtifactError(
            f"the latent law draws {law.num_noise} values of noise, the generator takes {generator.num_noise}",
            where=where,
            expected=f"codebook latents with `noise: {generator.num_noise}`" if generator.num_noise else "no noise",
        )


def check_slots(law: LatentLaw, *, ipc: int, where: str) -> None:
    """That a law which numbers stored images numbers as many as the frozen set takes.

    Raises:
        ArtifactError: it numbers fewer.
    """
    if law.num_slots is not None and ipc > law.num_slots:
        raise ArtifactError(
            f"{ipc} images per class, of which {law.num_slots} are stored", where=where,
            expected=f"1 to {law.num_slots}", remedy="Raise the slots of generator and latent law too.",
        )  # fmt: skip


def check_work(
    generator: Generator, law: LatentLaw, head: LabelHead | None = None, *, micro_batch: int, where: str
) -> None:
    """Bounds what it costs to draw the latents of one micro-batch and to call the generator and the label head.

    Raises:
        ArtifactError: a micro-batch takes too many multiply-accumulates or too much memory.
    """
    macs = micro_batch * generator.macs_per_image()
    num_bytes = 4 * micro_batch * generator.activation_values_per_image()
    drawn_bytes = _BYTES_PER_DRAW * micro_batch * (law.num_uniforms + law.num_normals)
    if head is not None:
        macs += micro_batch * head.macs_per_label()
        num_bytes = max(num_bytes, 8 * micro_batch * head.values_per_label())
    for what, value, most in (
        ("multiply-accumulates", macs, MAX_MACS),
        ("bytes of activations", num_bytes, MAX_ACTIVATION_BYTES),
        ("bytes of random numbers", drawn_bytes, MAX_ACTIVATION_BYTES),
    ):
        if value > most:
            raise ArtifactError(
                f"a micro-batch of {micro_batch} takes {value} {what}",
                where=where,
                expected=f"at most {most}",
                remedy="Make the artifact with a smaller micro_batch or a narrower generator.",
            )


def load_modules(manifest: Manifest, tensors: Mapping[str, Tensor], *, where: str) -> tuple[Generator, LatentLaw]:
    """Generator and prepared law, on the host, float32, in eval mode; `check_shapes` has passed."""
    with torch.device("cpu"):
        generator, law = _build(manifest, where=where)
    for prefix, module in (("generator.", generator), ("latent.", law)):
        _load(module, tensors, prefix=prefix)
    law.prepare()
    return generator, law


def load_head(manifest: Manifest, tensors: Mapping[str, Tensor], law: LatentLaw, *, where: str) -> LabelHead | None:
    """The label head, as `load_modules` gives the others, but float64; None: the artifact has none."""
    with torch.device("cpu"):
        head = _head(manifest, law, where=where)
    if head is not None:
        _load(head, tensors, prefix=LABEL_HEAD)
        head.double()
    return head


def _load(module: nn.Module, tensors: Mapping[str, Tensor], *, prefix: str) -> None:
    state = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    module.float().load_state_dict(state)
    module.eval().requires_grad_(False)


# What modules do with the first values of their weights; with a number, it changes no shape.
_ARITHMETIC = {
    getattr(torch.Tensor, name) for name in ("mul", "div", "add", "sub", "__mul__", "__truediv__", "__add__", "__sub__")
}


class _Uninitialised(TorchFunctionMode):
    """Weights keep their shapes, and nobody computes their first values.

    There are none on the meta device, but torch 2.15 goes about it by way of its compiler, whose import alone takes
    seconds: for `torch.nn.init`, for `torch.randn`, and for every sum and product.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        if func in (torch.randn, torch.rand):
            return torch.empty(*args, **kwargs)
        if func in _ARITHMETIC and isinstance(args[1], int | float) and args[0].is_floating_point():
            return torch.empty(args[0].shape, dtype=args[0].dtype)
        return func(*args, **kwargs)


def _build(manifest: Manifest, *, where: str) -> tuple[Generator, LatentLaw]:
    kinds = (("generator", GENERATORS, manifest.generator), ("latent", LATENTS, manifest.latent))
    try:
        classes = [(reg.load(part.name, where=f"{where}: {field}.name")) for field, reg, part in kinds]
        for (field, _, part), module_class in zip(kinds, classes, strict=True):
            _check_revision(part.name, part.revision, module_class.revision, where=f"{where}: {field}.revision")
        configs = [reg.config(part.name, part.config, where=f"{where}: {field}") for field, reg, part in kinds]
        # Layers draw their first weights from torch's global generator, which belongs to the user.
        with torch.random.fork_rng(devices=[]):
            law = classes[1](configs[1], num_classes=manifest.spec.num_classes)
            return classes[0](configs[0], spec=manifest.spec, latent_dim=manifest.latent.dim), law
    except UnsupportedVersionError:
        raise
    except RecipeError as error:
        remedy = error.remedy or "The artifact may come from a newer gendata: pip install -U gendata."
        raise ArtifactError(error.what, where=error.where, expected=error.expected, remedy=remedy) from None
    except (RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise ArtifactError(f"the configs cannot be built ({str(error)[:200]})", where=where) from error


def _head(manifest: Manifest, law: LatentLaw, *, where: str) -> LabelHead | None:
    head = manifest.labels.head
    if head is None:
        return None
    _check_revision("label head", head.revision, LabelHead.revision, where=f"{where}: labels.head.revision")
    with torch.random.fork_rng(devices=[]):
        return LabelHead(head.config, num_classes=manifest.spec.num_classes, code_dim=law.dim - law.num_noise)


def _check_revision(name: str, found: int, revision: int, *, where: str) -> None:
    if found == revision:
        return
    newer = found > revision
    raise UnsupportedVersionError(
        f"{name!r} is of revision {found}; this gendata makes its samples by revision {revision}",
        where=where,
        remedy="Upgrade with `pip install -U gendata`, or ask the publisher for an older artifact."
        if newer
        else "Ask the publisher for an artifact made anew, or install the gendata of `versions.gendata`.",
    )


def _expected(
    manifest: Manifest, generator: Generator, law: LatentLaw, head: LabelHead | None
) -> dict[str, tuple[tuple[int, ...], bool]]:
    expected = {}
    for prefix, module in (("generator.", generator), ("latent.", law), (LABEL_HEAD, head)):
        for name, tensor in (module.state_dict() if module else {}).items():
            expected[prefix + name] = (tuple(tensor.shape), tensor.dtype == torch.uint8)
    if manifest.labels.kind == "soft" and head is None:
        expected[SOFT_LABELS] = ((manifest.num_frozen, manifest.spec.num_classes), False)
    if manifest.space and manifest.space.whitening and manifest.space.whitening.stored:
        num_values = manifest.spec.num_pixels
        expected |= {WHITENING_MEAN: ((num_values,), False), WHITENING_MATRIX: ((num_values, num_values), False)}
    return expected


def _differences(
    expected: Mapping[str, tuple[tuple[int, ...], bool]], found: Mapping[str, tuple[tuple[int, ...], bool]]
) -> Iterator[str]:
    for name in sorted({*expected, *found}):
        label = repr(name[:80])
        if name not in found:
            yield f"{label} is missing"
        elif name not in expected:
            yield f"{label} belongs to nothing"
        elif expected[name][0] != found[name][0]:
            yield f"{label} has shape {list(found[name][0])}, the config calls for {list(expected[name][0])}"
        elif expected[name][1] != found[name][1]:
            yield f"{label} is stored as {'u8' if found[name][1] else 'floats'}, expected the other"
