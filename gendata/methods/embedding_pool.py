"""The embedding networks of feature matching: freshly drawn ones, and snapshots of ones trained for a while."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from gendata.methods.bounds import check_kept
from gendata.methods.draws import keyed_seed
from gendata.networks import build_network, count_parameters
from gendata.networks.classifier import Classifier
from gendata.spec import SampleSpec

PoolKind: TypeAlias = Literal["random", "trained", "interpolated"]


class EmbeddingPool(nn.Module):
    """`num_networks` networks of one architecture and their snapshots after given numbers of training steps.

    Partially trained embedders (IDM, Zhao et al. 2023; DANCE, Zhang et al. 2024) see classes where untrained ones see
    textures; networks of several ages together keep a generator from pleasing only one of them.

    Args:
        name: of the architecture.
        spec: what the networks see and tell apart.
        num_networks: that are trained.
        ages: training steps after which snapshots are kept.
        seed: of the initial weights.
        kind: what `draw` gives beside fresh networks. "trained": a snapshot. "interpolated": weights u a + (1 - u) b
            between the initial ones a and a snapshot b, u uniform (DANCE, arXiv:2406.01063; also NCFM's code).
            "random": nothing, fresh networks only (DM).

    Raises:
        SpecError: more of them than memory has room for.
    """

    def __init__(
        self,
        name: str,
        *,
        spec: SampleSpec,
        num_networks: int,
        ages: tuple[int, ...],
        seed: int,
        kind: PoolKind = "trained",
    ) -> None:
        super().__init__()
        check_kept(num_networks * (1 + len(ages)), count_parameters(name, spec=spec), where="networks of the pool")
        self.kind = kind
        self.name, self.spec, self.ages, self.seed = name, spec, ages, seed
        self.networks = nn.ModuleList(self._untrained(k) for k in range(num_networks))
        self.snapshots = nn.ModuleList(
            build_network(name, spec=spec, seed=0) for _ in range(num_networks * len(ages))
        ).requires_grad_(False)

    def _untrained(self, number: int) -> Classifier:
        """The network as its training begins; of another seed none of them is the same."""
        return build_network(self.name, spec=self.spec, seed=keyed_seed(self.seed, "pool", number))

    @property
    def num_features(self) -> int:
        """Of every network's last block, flattened."""
        network = build_network(self.name, spec=self.spec, seed=0).eval()
        with torch.no_grad():
            return network.block_outputs(torch.zeros(1, *self.spec.shape))[-1].numel()

    @property
    def steps_per_network(self) -> int:
        return max(self.ages, default=0)

    def training_network(self, step: int) -> Classifier:
        """The network that training step `step` moves; each in turn trains for `steps_per_network` steps."""
        network: Classifier = self.networks[step // self.steps_per_network]  # type: ignore[assignment]
        return network

    @torch.no_grad()
    def record(self, step: int) -> None:
        """Keeps the snapshots that are due once `step` steps are done; call before taking step `step`."""
        for age_number, age in enumerate(self.ages):
            # The step that completes a network's last age is the first step of the next network.
            network, remainder = divmod(step - age, self.steps_per_network)
            if remainder == 0 and 0 <= network < len(self.networks):
                kept = self.snapshots[network * len(self.ages) + age_number]
                kept.load_state_dict(self.networks[network].state_dict())

    def draw(self, rng: torch.Generator, *, fresh_share: float, device: torch.device) -> tuple[Classifier, bool]:
        """A network to embed with, in evaluation mode, and whether it has been trained."""
        coin, seed = torch.rand((), generator=rng).item(), int(torch.randint(2**31, (), generator=rng))
        if len(self.snapshots) and self.kind != "random" and coin >= fresh_share:
            return (self._interpolated(rng, device) if self.kind == "interpolated" else self.trained(rng)), True
        return build_network(self.name, spec=self.spec, seed=seed).requires_grad_(False).to(device).eval(), False

    def trained(self, rng: torch.Generator) -> Classifier:
        """One of the snapshots, at random."""
        pick = int(torch.randint(len(self.snapshots), (), generator=rng))
        network: Classifier = self.snapshots[pick].eval()  # type: ignore[assignment]
        return network

    @torch.no_grad()
    def mean_answer(self, x: Tensor, *, temperature: float) -> Tensor:
        """Probabilities (N, K) of normalised images: the mean over networks, each at its last age."""
        oldest = self.snapshots[len(self.ages) - 1 :: len(self.ages)]
        answers = [(network.eval()(x).float() / temperature).softmax(1) for network in oldest]
        return torch.stack(answers).mean(0)

    @torch.no_grad()
    def _interpolated(self, rng: torch.Generator, device: torch.device) -> Classifier:
        """Between the initial weights of a network, which its seed gives again, and one of its snapshots."""
        share = torch.rand((), generator=rng).item()
        pick = int(torch.randint(len(self.snapshots), (), generator=rng))
        between = self._untrained(pick // len(self.ages))
        between.requires_grad_(False).to(device).eval()
        for mixed, trained in zip(
            between.state_dict().values(), self.snapshots[pick].state_dict().values(), strict=True
        ):
            if mixed.is_floating_point():  # not the counters of batch norm
                mixed.lerp_(trained, 1 - share)
        return between
