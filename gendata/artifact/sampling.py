"""From (seed, epoch, index) to images, whatever the batch.

Convolutions give other last bits for other batch sizes (pytorch/pytorch#134908), so the generator only ever sees
micro-batches of one fixed shape, padded at the end. Within such a batch a sample depends on no position and no
neighbour (see `gendata.generators.placeless`), so image i is bit-equal alone, in any subset, order, worker or thread
count of one machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gendata.artifact.arithmetic import full_float32
from gendata.errors import SpecError
from gendata.generators.generator import Generator
from gendata.latents import philox
from gendata.latents.law import LatentLaw

_DRAWN_AT_ONCE = 2**22  # random numbers, which take about 30 bytes each on the way


class SampleKey(TypedDict):
    """What names samples: the arguments of `draw_latents` besides the law."""

    y: Tensor
    index: NDArray[np.int64]
    slot: Tensor
    seed: int
    epoch: int
    stream: str


def frozen_key(index: NDArray[np.int64], *, ipc: int, seed: int) -> SampleKey:
    """Images `index` of the frozen set: class-major, label index // ipc, slot index % ipc."""
    y, slot = torch.from_numpy(index // ipc), torch.from_numpy(index % ipc)
    return SampleKey(y=y, index=index, slot=slot, seed=seed, epoch=0, stream="frozen")


def fresh_key(index: NDArray[np.int64], *, samples_per_class: int, seed: int, epoch: int) -> SampleKey:
    """Images `index` of a fresh epoch: class-major, label index // samples_per_class, no slot."""
    y = torch.from_numpy(index // samples_per_class)
    return SampleKey(y=y, index=index, slot=torch.full_like(y, -1), seed=seed, epoch=epoch, stream="fresh")


def sample_images(
    generator: Generator,
    law: LatentLaw,
    y: Tensor,
    index: NDArray[np.int64],
    slot: Tensor,
    *,
    seed: int,
    epoch: int,
    stream: str,
    micro_batch: int,
    dtype: torch.dtype = torch.uint8,
) -> Tensor:
    """Images (N, C, H, W) of the samples `index`, on the generator's device.

    Args:
        generator: any device; run in eval mode and float32, left as it was.
        law: on the host.
        y: labels (N,) int64.
        index: sample numbers (N,), the key of the randomness.
        slot: (N,) int64, position inside the class in the frozen set; -1 for fresh samples.
        seed, epoch, stream: the rest of the key; see `gendata.latents.philox`.
        micro_batch: images per generator call; another value may change a pixel by one step.
        dtype: uint8, or float32: the generator's values as they are.

    Raises:
        SpecError: lengths differ, a number of the key is out of range, or the law is not on the host.
    """
    key = SampleKey(y=y, index=index, slot=slot, seed=seed, epoch=epoch, stream=stream)
    parts = [
        render(generator, z, labels, micro_batch=micro_batch, dtype=dtype)
        for z, labels in latent_pieces(law, key, micro_batch=micro_batch)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def latent_pieces(law: LatentLaw, key: SampleKey, *, micro_batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Latents and labels of the samples `key` names, in order, in whole micro-batches that take bounded memory."""
    values = max(1, law.num_uniforms + law.num_normals)
    at_once = micro_batch * max(1, _DRAWN_AT_ONCE // (micro_batch * values))
    y, index, slot = key["y"], key["index"], key["slot"]
    for rows in (slice(start, start + at_once) for start in range(0, max(1, len(y)), at_once)):
        z = draw_latents(
            law, y[rows], index[rows], slot[rows], seed=key["seed"], epoch=key["epoch"], stream=key["stream"]
        )
        yield z, y[rows]


@torch.inference_mode()
def draw_latents(
    law: LatentLaw, y: Tensor, index: NDArray[np.int64], slot: Tensor, *, seed: int, epoch: int, stream: str
) -> Tensor:
    """Latents (N, dim) float32 on the host: the same bits on every machine."""
    if not len(y) == len(index) == len(slot):
        raise SpecError(f"{len(y)} labels, {len(index)} indices and {len(slot)} slots", expected="equally many")
    if any(tensor.device.type != "cpu" for tensor in law.state_dict().values()):
        raise SpecError(
            "the latent law is on an accelerator", expected="the host, where its bits are the same everywhere"
        )
    uniforms = torch.from_numpy(philox.uniforms(index, law.num_uniforms, seed=seed, epoch=epoch, stream=stream))
    normals = torch.from_numpy(philox.normals(index, law.num_normals, seed=seed, epoch=epoch, stream=stream))
    return law(uniforms, normals, y.cpu(), slot.cpu())


def render(generator: Generator, z: Tensor, y: Tensor, *, micro_batch: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    """Images (N, C, H, W) of latents `z` and labels `y`: uint8, rounded half to even, or float32 as they are."""
    state = generator.state_dict()
    device = next(iter(state.values())).device if state else torch.device("cpu")
    images = torch.empty((len(z), *generator.spec.shape), dtype=dtype, device=device)
    # Made outside inference mode, so that the caller may do with it what any tensor allows.
    with torch.inference_mode(), _exact(generator, device):
        for start in range(0, len(z), micro_batch):
            stop = min(start + micro_batch, len(z))
            z_padded, y_padded = z.new_zeros(micro_batch, z.shape[1]), y.new_zeros(micro_batch)
            z_padded[: stop - start], y_padded[: stop - start] = z[start:stop], y[start:stop]
            x = generator(z_padded.to(device), y_padded.to(device))[: stop - start]
            images[start:stop] = x.mul(255).round_().clamp_(0, 255) if dtype == torch.uint8 else x
    return images


@contextmanager
def _exact(generator: Generator, device: torch.device) -> Iterator[None]:
    """Eval mode, full float32, and on CUDA the algorithms that give the same bits twice."""
    training = generator.training
    generator.eval()
    try:
        with torch.autocast(device.type, enabled=False), full_float32(device):
            yield
    finally:
        generator.train(training)
