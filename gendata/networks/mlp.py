"""MLP: flattened pixels, hidden layers of one width with ReLU, linear."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gendata.networks.classifier import Classifier
from gendata.spec import SampleSpec


class Mlp(Classifier):
    """`depth` hidden layers of `width`; block outputs are (N, width, 1, 1)."""

    def __init__(self, *, spec: SampleSpec, depth: int, width: int) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(width if i else spec.num_pixels, width) for i in range(depth))
        self.classifier = nn.Linear(width, spec.num_classes)

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        h, outputs = x.flatten(1), []
        for layer in self.hidden:
            h = torch.relu(layer(h))
            outputs.append(h[:, :, None, None])
        return outputs
