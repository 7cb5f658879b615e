"""A batch as one embedding network sees it."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from gendata.networks.classifier import Classifier


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """One side of a step: a class-major batch, which is `num_classes` runs of equally many samples."""

    y: Tensor  # (N,) int64
    maps: tuple[Tensor, ...]  # block outputs (N, C, H, W), float32
    logits: Tensor  # (N, classes of the network), float32
    num_classes: int  # in this batch
    _units: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def per_class(self) -> int:
        return len(self.y) // self.num_classes

    def by_class(self, values: Tensor) -> Tensor:
        """(N, ...) as (num_classes, per_class, ...)."""
        return values.reshape(self.num_classes, self.per_class, *values.shape[1:])

    def features(self, block: int) -> Tensor:
        """Output of a block, (num_classes, per_class, features); -1: the last."""
        return self.by_class(self.maps[block].flatten(1))

    def units(self, block: int) -> Tensor:
        """1 / deviation over the batch of each feature of a block, (features,)."""
        block %= len(self.maps)
        if block not in self._units:  # several terms ask, and it costs as much as they do
            self._units[block] = units_of(self.maps[block].flatten(1).std(0))
        return self._units[block]


def units_of(deviation: Tensor) -> Tensor:
    """1 / deviation, value by value, bounded so that one that is nearly constant does not dominate."""
    return 1 / (deviation + 0.05 * deviation.mean() + 1e-6)


def embed(network: Classifier, x: Tensor, y: Tensor, *, num_classes: int) -> Embedded:
    """One pass of a class-major batch through `network`.

    Args:
        network: all blocks and the linear layer are read.
        x: images (N, C, H, W), normalised and augmented already.
        y: labels (N,).
        num_classes: that the batch holds.
    """
    outputs, features = network.views(x)
    return Embedded(
        y=y,
        maps=tuple(map_.float() for map_ in outputs),
        logits=network.classifier(features).float(),
        num_classes=num_classes,
    )


def scaled_features(syn: Embedded, real: Embedded, block: int) -> tuple[Tensor, Tensor]:
    """Features of both, each in units of its deviation over the real batch, so that no block or channel dominates."""
    units = real.units(block)
    return syn.features(block) * units, real.features(block) * units
