"""The small vision transformer of DC-BENCH (Cui, Wang, Si, Hsieh 2022), after Dosovitskiy et al. (2021).

Patches, a class token, learned positions of unit deviation, pre-norm layers whose hidden width is that of the tokens,
dropout 0.1 after positions, attention and both linear layers; the class token goes through a norm to a linear layer.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendata.errors import SpecError
from gendata.networks.classifier import Classifier
from gendata.spec import SampleSpec

_HEAD_DIM = 64  # per head, whatever the tokens' width
_DROPOUT = 0.1  # drawn from torch's global generator, as everywhere in torch


class VisionTransformer(Classifier):
    """`depth` layers over (height / patch) x (width / patch) tokens of width `dim`.

    Block outputs are the image tokens after each layer, (N, dim, height / patch, width / patch).

    Raises:
        SpecError: the patches do not tile the image.
    """

    def __init__(self, *, spec: SampleSpec, patch: int, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        if spec.height % patch or spec.width % patch:
            raise SpecError(
                f"patches of {patch} x {patch} do not tile a {spec.height} x {spec.width} image",
                expected=f"sides that are multiples of {patch}",
            )
        self.grid = (spec.height // patch, spec.width // patch)
        self.patches = nn.Conv2d(spec.channels, dim, patch, stride=patch)
        self.positions = nn.Parameter(torch.empty(1, self.grid[0] * self.grid[1] + 1, dim))
        self.class_token = nn.Parameter(torch.empty(1, 1, dim))
        for drawn in (self.positions, self.class_token):
            nn.init.normal_(drawn)
        self.dropout = nn.Dropout(_DROPOUT)
        self.layers = nn.ModuleList(_Layer(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)
        self.classifier = nn.Linear(dim, spec.num_classes)

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        return self.views(x)[0]

    def views(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        tokens = self._tokens(x)
        maps = [t[:, 1:].transpose(1, 2).unflatten(2, self.grid) for t in tokens]
        return maps, self.norm(tokens[-1][:, 0])

    def _tokens(self, x: Tensor) -> list[Tensor]:
        """Tokens after each layer, (N, 1 + height * width of the grid, dim); the first is the class token."""
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat((self.class_token.expand(len(x), -1, -1), tokens), dim=1)
        outputs = [self.dropout(tokens + self.positions)]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        return outputs[1:]


class _Layer(nn.Module):
    """Self-attention and two linear layers, each beside a shortcut and behind a norm: (N, T, dim) -> the same."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * heads * _HEAD_DIM, bias=False)
        self.out = nn.Sequential(nn.Linear(heads * _HEAD_DIM, dim), nn.Dropout(_DROPOUT))
        self.norm2 = nn.LayerNorm(dim)
        self.hidden = nn.Sequential(
            nn.Linear(dim, dim), nn.GELU(), nn.Dropout(_DROPOUT), nn.Linear(dim, dim), nn.Dropout(_DROPOUT)
        )

    def forward(self, t: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm1(t)).unflatten(2, (3, self.heads, _HEAD_DIM)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v)
        t = t + self.out(attended.transpose(1, 2).flatten(2))
        hidden: Tensor = self.hidden(self.norm2(t))
        return t + hidden
