"""A network as a function of all its weights in one vector, for whoever differentiates through training."""

from __future__ import annotations

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.dropout import _DropoutNd

from gendata.errors import SpecError
from gendata.methods.gradient_distance import refuse_once_differentiable
from gendata.networks import build_network
from gendata.networks.outline import outline
from gendata.spec import SampleSpec

_DROPPING = ("StochasticDepth", "DropPath")  # of torchvision and timm


class VectorNetwork:
    """An architecture whose weights come with every call; it holds none.

    Args:
        name: of the architecture.
        spec: what the network sees and tells apart.
        where: what a message names.

    Raises:
        SpecError: the architecture is more than its weights, see `refuse_unfit`, or has no second derivatives.
    """

    def __init__(self, name: str, *, spec: SampleSpec, where: str) -> None:
        self._name, self._spec = name, spec
        with outline():
            self._network = build_network(name, spec=spec)
        refuse_unfit(self._network, name, where=where)
        refuse_once_differentiable(build_network(name, spec=spec, seed=0), name, spec=spec, where=where)
        self._shapes = {key: weight.shape for key, weight in self._network.named_parameters()}

    @property
    def num_weights(self) -> int:
        return sum(shape.numel() for shape in self._shapes.values())

    def drawn(self, seed: int) -> Tensor:
        """Weights (num_weights,) of a network without any training."""
        network = build_network(self._name, spec=self._spec, seed=seed)
        return nn.utils.parameters_to_vector(network.parameters()).detach()

    def __call__(self, weights: Tensor, x: Tensor) -> Tensor:
        """Logits (N, K) float32 of images (N, C, H, W), differentiable with respect to both."""
        parts = weights.split([shape.numel() for shape in self._shapes.values()])
        named = {key: part.view(shape) for (key, shape), part in zip(self._shapes.items(), parts, strict=True)}
        out: Tensor = functional_call(self._network, named, (x,))
        return out.float()


def refuse_unfit(network: nn.Module, name: str, *, where: str) -> None:
    """Raises SpecError unless what an architecture says in training follows from weights and images alone.

    Running statistics are no weights, and images of one class spoil them; dropout would not be the same when a step is
    computed again.
    """
    reason = None
    if next(network.buffers(), None) is not None:
        reason = "keeps running statistics"
    elif any(_drops(module) for module in network.modules()):
        reason = "drops out at random"
    if reason:
        raise SpecError(
            f"network {name} {reason}", where=where,
            expected="one without dropout, of instance, group, layer or no norm, such as convnet3-w32-in",
        )  # fmt: skip


def _drops(module: nn.Module) -> bool:
    return (isinstance(module, _DropoutNd) and module.p > 0) or type(module).__name__ in _DROPPING
