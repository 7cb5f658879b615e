"""`it-gan`: informative training samples from a frozen generator (Zhao, Bilen 2022, arXiv:2204.07513).

Three stages:
    adversarial  trains the generator, with latents from N(0, I), against a critic. From here on it is frozen.
    invert       moves every stored latent until the generator shows a real image of its class: image and features.
    match        moves the latents so that class-wise mean features of their images are those of real ones, under a
                 fresh network and one Siamese augmentation per step; a second term holds each image's features to
                 those of the real image that its latent was inverted from.

The latent law is `stored`: it holds what is learned. Read in the released raw code, which its authors call "neither
re-organized nor validated"; defaults are its arguments and the numbers in its file names.

Differs from it: the generator is trained here, with the critic of `dim`, where theirs is a pretrained BigGAN; there is
one latent per stored image, not one per training image; a network serves all classes of a step, and is always fresh
(theirs may have been trained to an accuracy in a given range); the inversion's code was not released, its terms are
ours; the weight of the second term is not told either, and 0 in their file names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from gendata.augmentation.dsa import Dsa
from gendata.errors import SpecError
from gendata.generators.generator import Generator
from gendata.latents.law import LatentLaw
from gendata.latents.normal import Normal, NormalConfig
from gendata.latents.stored import Stored
from gendata.losses.adversary import held
from gendata.methods.adversarial import AdversarialConfig, AdversarialMethod
from gendata.methods.draws import ClassDraws, keyed_generator
from gendata.methods.method import RealData, Stage
from gendata.networks import build_network
from gendata.networks.classifier import Classifier


class ItGanConfig(AdversarialConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `it-gan`, beside those of its adversarial stage."""

    network: str = "convnet3-w128-in"  # embedding architecture
    invert_steps: int = 5000
    invert_lr: float = 0.1  # at the first step, falling along a cosine
    feature_weight: float = 0.01  # of features beside pixels
    match_steps: int = 5000
    match_lr: float = 1.0e-3  # constant
    classes_per_step: int = 10  # drawn per step; all when there are fewer
    samples_per_class: int = 500  # latents per class and step; all when there are fewer
    real_per_class: int = 500  # real images per class and step
    pair_weight: float = 0.1  # of holding to the inverted images; the rest, up to 1, is mean matching
    augmentation: str = "color_crop_cutout_flip_scale_rotate"  # operations of the Siamese augmentation

    counts: ClassVar[tuple[str, ...]] = ("gan_batch", "classes_per_step", "samples_per_class", "real_per_class")
    steps: ClassVar[tuple[str, ...]] = ("gan_steps", "invert_steps", "match_steps")
    rates: ClassVar[tuple[str, ...]] = ("gan_lr", "invert_lr", "match_lr")
    weights: ClassVar[tuple[str, ...]] = ("feature_weight", "pair_weight")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pair_weight > 1:
            raise ValueError(f"pair_weight must be 0 to 1, got {self.pair_weight}")
        Dsa(strategy=self.augmentation)  # checks the names


class ItGan(AdversarialMethod):
    """Adversarial training, inversion, latents matched under the frozen generator. See the module."""

    Config = ItGanConfig
    config: ItGanConfig
    law: Stored

    def __init__(self, config: ItGanConfig, *, generator: Generator, law: LatentLaw, real: RealData, seed: int) -> None:
        if not isinstance(law, Stored):
            raise SpecError(
                f"latent law is {type(law).__name__}", where="method it-gan", expected="Stored",
                remedy="Set latent.name to stored.",
            )  # fmt: skip
        super().__init__(config, generator=generator, law=law, real=real, seed=seed)
        self.prior = Normal(NormalConfig(dim=law.dim), num_classes=law.num_classes)
        self._dsa = Dsa(strategy=config.augmentation)
        self._draws = ClassDraws(real.y, real.spec.num_classes)
        self._pairs = _paired_rows(real, law.config.codes, seed).to(real.y.device)

    def stages(self) -> tuple[Stage, ...]:
        c = self.config
        stages = (
            self.adversarial_stage(),
            Stage(name="invert", num_steps=c.invert_steps, lr=c.invert_lr, betas=(0.9, 0.999), averaged=False),
            Stage(
                name="match", num_steps=c.match_steps, lr=c.match_lr, final_lr_share=1.0, betas=(0.9, 0.999),
                averaged=False,
            ),
        )  # fmt: skip
        return tuple(stage for stage in stages if stage.num_steps)

    def trainable(self, stage: Stage) -> nn.Module:
        return self.both_sides(self.prior) if stage.name == "adversarial" else self.law

    def step(self, stage: Stage, i: int, *, rank: int = 0) -> Mapping[str, Tensor]:
        rng = keyed_generator(self.seed, stage.name, i, rank)
        if stage.name == "adversarial":
            x_real, y = self.real.batch(self.config.gan_batch, rng)
            return self.duel(self.prior, x_real, y, rng, stream=f"{stage.name}-{rank}", step=i)[0]
        classes = torch.randperm(self.real.spec.num_classes, generator=rng)[: self.config.classes_per_step]
        seed = int(torch.randint(2**31, (), generator=rng))
        network = build_network(self.config.network, spec=self.real.spec, seed=seed).requires_grad_(False)
        network = network.to(self.real.y.device)
        x_syn, x_pair = self._pairs_of(classes, rng)
        if stage.name == "invert":
            return self._invert(network, x_syn, x_pair)
        return self._match(network, x_syn, x_pair, classes, rng)

    def _pairs_of(self, classes: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Class-major images of the frozen generator and the real ones they were inverted from, both in [0, 1]."""
        codes, most = self.law.codes, self.law.config.codes
        count = min(self.config.samples_per_class, most)
        y = classes.repeat_interleave(count).to(codes.device)
        number = torch.cat([torch.randperm(most, generator=rng)[:count] for _ in classes]).to(codes.device)
        x_syn = held(self.generator.eval(), codes[y, number], y).float()
        return x_syn, self.real.x_u8[self._pairs[y, number]].float() / 255

    def _invert(self, network: Classifier, x_syn: Tensor, x_pair: Tensor) -> dict[str, Tensor]:
        """Mean squares of x' - x, and of the difference of block outputs in real deviations."""
        losses = {"pixels": (x_syn - x_pair).square().mean()}
        if self.config.feature_weight:
            with torch.no_grad():
                targets = network.block_outputs(self.real.normalised(x_pair))
            outs = network.block_outputs(self.real.normalised(x_syn))
            distances = [
                ((out.float() - target.float()) / (target.float().std() + 1e-6)).square().mean()
                for out, target in zip(outs, targets, strict=True)
            ]
            losses["features"] = self.config.feature_weight * torch.stack(distances).mean()
        return losses

    def _match(
        self, network: Classifier, x_syn: Tensor, x_pair: Tensor, classes: Tensor, rng: torch.Generator
    ) -> dict[str, Tensor]:
        """(1 - w) sum_c |mean f(A x'_c) - mean f(A x_c)|^2 + w sum_c mean_i |f(A x'_ci) - f(A x_ci)|^2."""
        c, count = self.config, len(classes)
        rows = self._draws.indices(classes, c.real_per_class, rng).to(self.real.y.device)
        augment = self._dsa.draw(rng, 1, shared=True)

        def features(x: Tensor) -> Tensor:
            h = network.embed(augment(self.real.normalised(x))).float()
            return h.reshape(count, len(h) // count, -1)

        h_syn = features(x_syn)
        with torch.no_grad():
            target, h_pair = features(self.real.x_u8[rows].float() / 255).mean(1), features(x_pair)
        return {
            "mean": (1 - c.pair_weight) * (h_syn.mean(1) - target).square().sum(),
            "pairs": c.pair_weight * (h_syn - h_pair).square().sum(2).mean(1).sum(),
        }


def _paired_rows(real: RealData, count: int, seed: int) -> Tensor:
    """(classes, count) positions of different real images of each class.

    Raises:
        SpecError: a class has fewer.
    """
    rows = []
    for c, name in enumerate(real.spec.classes):
        members = (real.y.cpu() == c).nonzero()[:, 0]
        if len(members) < count:
            raise SpecError(
                f"class {name!r} has {len(members)} images", where="method it-gan",
                expected=f"at least latent.options.codes = {count}",
            )  # fmt: skip
        order = torch.randperm(len(members), generator=keyed_generator(seed, "pairs", c))
        rows.append(members[order[:count]])
    return torch.stack(rows)
