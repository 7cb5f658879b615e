"""A few samples kept with the artifact, by which a machine finds out whether it reproduces it."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from gendata.artifact.layout import PROBES, read_listed
from gendata.artifact.manifest import Machine, Manifest, Probes
from gendata.artifact.sampling import draw_latents, fresh_key, frozen_key, render
from gendata.errors import ArtifactError, IntegrityError
from gendata.generators.generator import Generator
from gendata.generators.label_head import LabelHead, head_probabilities
from gendata.latents.law import LatentLaw

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact

_NUM_PROBES = 4  # of each kind
_TOLERANCE = 1  # uint8 steps: all that other vector instructions were seen to change (512-bit against 256-bit)
_LABEL_TOLERANCE = 1e-6  # of probabilities, which are float32 of a float64 head
_FRESH_SEED, _FRESH_EPOCH = 1 + 2**32, 3  # a seed of more than 32 bits, and not the first epoch

_MEANING = {
    0: "no probes, so nothing says whether this machine makes the same images",
    1: "labels, order and latents are right; there are no stored images to compare",
    2: "bit-equal images",
    3: "images within the tolerance; the last bit differs between kinds of machines",
}


class ProbeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine reproduced."""

    tier: Literal[0, 1, 2, 3]  # 0: the artifact has no probes
    max_step: int | None  # largest uint8 difference, of float32 in 255ths; None: no images to compare
    same_machine: bool  # the kind of machine that stored the probes

    @property
    def meaning(self) -> str:
        """The tier in words."""
        return _MEANING[self.tier]


def make_probes(
    manifest: Manifest, generator: Generator, law: LatentLaw, head: LabelHead | None
) -> tuple[Probes, bytes]:
    """The manifest's block and the bytes of probes.safetensors, drawn on this machine."""
    last = manifest.num_frozen - 1
    spread = tuple(sorted({last * k // (_NUM_PROBES - 1) for k in range(_NUM_PROBES)}))
    probes = Probes(
        frozen=spread,
        fresh=spread,
        fresh_seed=_FRESH_SEED,
        fresh_epoch=_FRESH_EPOCH,
        latents_sha256="",
        tolerance=_TOLERANCE,
        made_on=this_machine(),
    )
    digest, drawn = _draw(manifest, probes, generator, law, head)
    return msgspec.structs.replace(probes, latents_sha256=digest), safetensors.torch.save(drawn)


def verify_probes(artifact: CondensedArtifact) -> ProbeReport:
    """Draws the probes on this machine and compares.

    Raises:
        ArtifactError: the stored images are not what the probes call for.
        IntegrityError: the latents differ, or an image or a head's label differs by more than the tolerance.
    """
    probes, where = artifact.manifest.probes, str(artifact.path)
    if probes is None:
        return ProbeReport(tier=0, max_step=None, same_machine=False)
    digest, drawn = _draw(artifact.manifest, probes, artifact.generator, artifact.law, artifact.label_head)
    if digest != probes.latents_sha256:
        raise IntegrityError(
            f"the probes' latents have sha256 {digest}", where=where, expected=probes.latents_sha256,
            remedy="This machine draws other samples than the publisher's; please report it with `gendata env`.",
        )  # fmt: skip
    same = probes.made_on == this_machine()
    stored = _stored(artifact)
    if stored is None:
        return ProbeReport(tier=1, max_step=None, same_machine=same)
    for name, tensor in drawn.items():
        _check_kind(name, stored.get(name), tensor, where=f"{where}/{PROBES}")
    if "soft_labels" in drawn:
        _check_labels(stored["soft_labels"], drawn["soft_labels"], where=where)
    step = _largest_step(stored["images"], drawn["images"])
    if step > probes.tolerance:
        raise IntegrityError(
            f"the probes' images differ by {step} of 255", where=where, expected=f"at most {probes.tolerance}",
            remedy="This machine makes other images than the publisher's; please report it with `gendata env`.",
        )  # fmt: skip
    return ProbeReport(tier=3 if step else 2, max_step=step, same_machine=same)


def this_machine() -> Machine:
    """The kind of machine this is, as far as it decides last bits. No name, no serial."""
    return Machine(torch=str(torch.__version__), device="cpu", isa=torch.backends.cpu.get_cpu_capability())


def _draw(
    manifest: Manifest, probes: Probes, generator: Generator, law: LatentLaw, head: LabelHead | None
) -> tuple[str, dict[str, Tensor]]:
    """sha256 over latents and labels, and what probes.safetensors holds: of frozen probes, then of fresh ones."""
    ipc = manifest.frozen.ipc
    keys = (
        frozen_key(np.array(probes.frozen, dtype=np.int64), ipc=ipc, seed=manifest.frozen.seed),
        fresh_key(
            np.array(probes.fresh, dtype=np.int64),
            samples_per_class=ipc, seed=probes.fresh_seed, epoch=probes.fresh_epoch,
        ),
    )  # fmt: skip
    digest, images, labels = hashlib.sha256(), [], []
    for key in keys:
        z = draw_latents(law, **key)
        digest.update(z.contiguous().numpy().astype("<f4").tobytes() + key["y"].numpy().astype("<i8").tobytes())
        micro_batch, dtype = manifest.sampling.micro_batch, getattr(torch, manifest.sampling.dtype)
        images.append(render(generator, z, key["y"], micro_batch=micro_batch, dtype=dtype).cpu())
        if head is not None:
            labels.append(head_probabilities(head, z, key["y"], micro_batch=micro_batch))
    drawn = {"images": torch.cat(images)}
    if labels:
        drawn["soft_labels"] = torch.cat(labels)
    return digest.hexdigest(), drawn


def _check_kind(name: str, stored: Tensor | None, drawn: Tensor, *, where: str) -> None:
    if stored is None or stored.dtype != drawn.dtype:
        raise ArtifactError(
            f"holds no {str(drawn.dtype).removeprefix('torch.')} tensor called {name}",
            where=where, expected=f"one of shape {tuple(drawn.shape)}",
            remedy="The artifact was written by other code; its publisher can save it again.",
        )  # fmt: skip
    if stored.shape != drawn.shape:
        raise ArtifactError(f"{name} are {tuple(stored.shape)}", where=where, expected=str(tuple(drawn.shape)))


def _check_labels(stored: Tensor, drawn: Tensor, *, where: str) -> None:
    difference = float((stored - drawn).abs().max())
    if not difference <= _LABEL_TOLERANCE:  # NaN fails too
        raise IntegrityError(
            f"the probes' soft labels differ by {difference:.2g}", where=where, expected=f"at most {_LABEL_TOLERANCE}",
            remedy="This machine gives other labels than the publisher's; please report it with `gendata env`.",
        )  # fmt: skip


def _largest_step(stored: Tensor, drawn: Tensor) -> int:
    """Largest difference between uint8 images; between float32 ones, in 255ths and rounded up."""
    if stored.dtype == torch.uint8:
        return int((stored.int() - drawn.int()).abs().max())
    step = float((stored - drawn).abs().max()) * 255
    return math.ceil(step) if math.isfinite(step) else 2**31 - 1


def _stored(artifact: CondensedArtifact) -> dict[str, Tensor] | None:
    facts = artifact.manifest.files.get(PROBES)
    if facts is None or not (artifact.path / PROBES).exists():
        return None
    try:
        return safetensors.torch.load(read_listed(artifact.path, PROBES, facts, verify=True))
    except SafetensorError as error:
        raise ArtifactError(f"is not a safetensors file ({error})", where=str(artifact.path / PROBES)) from None
