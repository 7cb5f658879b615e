"""Walks between two samples: the latents in between, through the generator, and the class in between where it can."""

from __future__ import annotations

import copy
import html
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gendata.artifact.artifact import CondensedArtifact
from gendata.artifact.sampling import draw_latents, fresh_key, render
from gendata.generators.generator import Generator
from gendata.viewing.pictures import class_names, data_uri

NUM_FRAMES = 17  # both ends included
_BIG_PX = 512
_REMEMBERED = 16


class End(NamedTuple):
    """One end of a walk: the sample of a class under a seed."""

    label: int
    seed: int


def can_walk(artifact: CondensedArtifact) -> bool:
    """Whether there is anything between two latents: not where they number stored images."""
    return artifact.law.num_distinct_per_class is None


class Walker:
    """Makes walks; remembers the last ones, so that moving along one costs nothing."""

    def __init__(self, artifact: CondensedArtifact) -> None:
        self.artifact, self._lock = artifact, Lock()
        self._generator = copy.deepcopy(artifact.generator)
        self._tables = [
            module
            for module in self._generator.modules()
            if isinstance(module, nn.Embedding) and module.num_embeddings == artifact.spec.num_classes
        ]
        self.frames = lru_cache(_REMEMBERED)(self._frames)

    @property
    def blends_classes(self) -> bool:
        """Whether the class can be mixed; else the label changes half way."""
        return bool(self._tables)

    def _frames(self, start: End, stop: End) -> Tensor:
        """Pictures (NUM_FRAMES, C, H, W) uint8 from one end to the other."""
        shares = torch.linspace(0, 1, NUM_FRAMES)
        ends = torch.cat([_latent(self.artifact, end) for end in (start, stop)])
        spherical = self.artifact.manifest.latent.name == "normal"
        num_noise = self.artifact.law.num_noise
        z = between(ends[0], ends[1], shares, spherical=spherical)
        if num_noise:  # a mean of two noises is less of it, and texture would fade half way
            z[:, -num_noise:] = ends[0, -num_noise:]
        y = torch.where(shares < 0.5, start.label, stop.label)
        size, dtype = min(NUM_FRAMES, self.artifact.manifest.sampling.micro_batch), self.artifact.sample_dtype
        frames = []
        # As many at once as were found to have room in memory.
        for some in torch.arange(NUM_FRAMES).split(size):
            with self._lock, self._blended(start.label, stop.label, shares[some]):
                frames.append(render(self._generator, z[some], y[some], micro_batch=size, dtype=dtype))
        return self.artifact.to_pictures(torch.cat(frames))

    @contextmanager
    def _blended(self, start: int, stop: int, shares: Tensor) -> Iterator[Generator]:
        def blend(table: nn.Module, _: object, output: Tensor) -> Tensor:
            assert isinstance(table, nn.Embedding)
            padding = shares[-1:].expand(len(output) - len(shares))  # as `render` fills up a batch
            mixed = torch.lerp(table.weight[start], table.weight[stop], torch.cat([shares, padding])[:, None])
            return mixed.to(output.dtype)

        hooks = [table.register_forward_hook(blend) for table in self._tables]
        try:
            yield self._generator
        finally:
            for hook in hooks:
                hook.remove()


def between(start: Tensor, stop: Tensor, shares: Tensor, *, spherical: bool) -> Tensor:
    """Latents (len(shares), D) on the way from `start` to `stop`, both (D,).

    Args:
        start, stop: where shares of 0 and 1 are.
        shares: (N,) in [0, 1].
        spherical: along the great circle, lengths in proportion: half way between two normal draws a straight line is
            shorter than any draw. Else straight.
    """
    t = shares[:, None]
    straight = start + t * (stop - start)
    lengths = start.norm(), stop.norm()
    if not spherical or min(lengths) < 1e-6:
        return straight
    cosine = (start @ stop / (lengths[0] * lengths[1])).clamp(-1, 1)
    angle = cosine.arccos()
    if angle.sin() < 1e-4:
        return straight
    direction = (((1 - t) * angle).sin() * start / lengths[0] + (t * angle).sin() * stop / lengths[1]) / angle.sin()
    walked: Tensor = direction * (lengths[0] + t * (lengths[1] - lengths[0]))
    return walked


def walk_html(walker: Walker, start: End, stop: End, position: int) -> str:
    """The frame at `position` (0 .. NUM_FRAMES - 1), large, above all frames of the walk."""
    frames, names = walker.frames(start, stop), class_names(walker.artifact.spec.classes)
    position = min(max(position, 0), NUM_FRAMES - 1)
    sharp = " gd-sharp" if max(frames.shape[2:]) <= 64 else ""
    share = round(100 * position / (NUM_FRAMES - 1))
    told = html.escape(_told(names[start.label], names[stop.label], share))
    film = "".join(
        f'<img alt="" src="{data_uri(x)}"{" class=gd-here" if number == position else ""}>'
        for number, x in enumerate(frames)
    )
    big = data_uri(frames[position], max_side=_BIG_PX)
    return (
        f'<figure class="gd-walk{sharp}"><img class="gd-big" alt="{told}" src="{big}">'
        f'<figcaption>{told}</figcaption><div class="gd-film">{film}</div></figure>'
    )


def _told(start: str, stop: str, share: int) -> str:
    return f"“{start}”, {share} % of the way" if start == stop else f"“{start}” {100 - share} %, “{stop}” {share} %"


def _latent(artifact: CondensedArtifact, end: End) -> Tensor:
    """(1, D): the latent that a fresh sample of this class has under this seed."""
    key = fresh_key(np.array([end.label]), samples_per_class=1, seed=end.seed, epoch=0)
    return draw_latents(artifact.law, **key)
