"""`characteristic`: characteristic functions of the features' distributions."""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from gendata.errors import SpecError
from gendata.losses.embedded import Embedded
from gendata.losses.estimators import Estimator, squared_errors
from gendata.losses.loss import Loss

_PER_COMPONENT = 16  # frequencies
_MOST_WEIGHTS = 2**30  # 4.3 GB, thrice that while they are trained


class CharacteristicConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of `characteristic`. NCFM: these with `sampler: learned`, weight 300, summed over classes."""

    frequencies: int = 1024  # per step
    sampler: Literal["gaussian", "learned"] = "gaussian"  # learned: trained to find where the distributions differ
    amplitude: float = 0.5  # weight of the difference in |phi|: diversity, says the paper
    phase: float = 0.5  # weight of the difference in direction: realism, says the paper
    estimator: Estimator = "plain"  # unbiased: squared distances without root, where amplitude and phase must be equal

    def __post_init__(self) -> None:
        if not _PER_COMPONENT <= self.frequencies <= 65536 or self.frequencies % _PER_COMPONENT:
            raise ValueError(f"frequencies must be a multiple of {_PER_COMPONENT} up to 65536, got {self.frequencies}")
        if not (self.amplitude >= 0 and self.phase >= 0 and 0 < self.amplitude + self.phase < math.inf):
            raise ValueError(
                f"amplitude and phase must not be negative, and not both 0, got {self.amplitude} and {self.phase}"
            )
        if self.estimator == "unbiased" and self.amplitude != self.phase:
            raise ValueError("the unbiased estimator needs amplitude equal to phase")


class Characteristic(Loss):
    """mean_t sqrt(a (|phi| - |phi'|)^2 + 2 b (|phi||phi'| - Re phi Re phi' - Im phi Im phi')), mean over classes.

    phi(t) = mean_i exp(i t . u_i) of normalised last-block features u, at random frequencies t; a, b: the weights of
    amplitude and phase. Source: NCFM (Wang et al. 2025, "Dataset Distillation with Neural Characteristic Function",
    arXiv:2502.20653). The second term is b (|phi - phi'|^2 - (|phi| - |phi'|)^2), which is how it is computed here.

    Its learned sampler maximises this: t = s * e with e ~ N(0, I) and s one of `frequencies` / 16 vectors of scales
    that a network of three layers makes of noise.

    Differs from the paper: the sampler's layers have layer norm instead of batch norm; the mean over classes stands for
    their sum.
    """

    Config = CharacteristicConfig
    config: CharacteristicConfig

    def __init__(self, config: CharacteristicConfig, *, num_features: int) -> None:
        super().__init__(config, num_features=num_features)
        if config.sampler == "learned":
            if (num_weights := 3 * num_features**2) > _MOST_WEIGHTS:
                raise SpecError(
                    f"a learned sampler of {num_weights:,} weights, for {num_features:,} features",
                    where="loss 'characteristic'", expected=f"at most {_MOST_WEIGHTS:,}: a network of fewer features",
                    remedy="Or take `sampler: gaussian`.",
                )  # fmt: skip
            self.learned = FrequencyScales(num_features)

    def forward(self, syn: Embedded, real: Embedded, rng: torch.Generator) -> Tensor:
        """The term; see `Loss`."""
        # In bfloat16 the difference of two nearly equal means of cosines is mostly rounding.
        with torch.autocast(syn.logits.device.type, enabled=False):
            t = self._frequencies(rng, syn.logits.device)
            angles = [functional.normalize(batch.features(-1), dim=2, eps=1e-6) @ t.T for batch in (syn, real)]
            waves = [torch.stack((angle.cos(), angle.sin())) for angle in angles]  # (2, classes, samples, frequencies)
            if self.config.estimator == "unbiased":
                return self.config.phase * _unbiased_distances(*waves).mean()
            return self._distances(*(wave.mean(2) for wave in waves)).mean()

    def _distances(self, phi_syn: Tensor, phi_real: Tensor) -> Tensor:
        """(classes, frequencies) of real and imaginary parts (2, classes, frequencies)."""
        c = self.config
        squared = c.phase * (phi_syn - phi_real).square().sum(0)
        if c.amplitude != c.phase:
            amplitudes = [(phi.square().sum(0) + 1e-12).sqrt() for phi in (phi_syn, phi_real)]
            squared = squared + (c.amplitude - c.phase) * (amplitudes[0] - amplitudes[1]).square()
        return (squared.clamp_min(0) + 1e-12).sqrt()

    def _frequencies(self, rng: torch.Generator, device: torch.device) -> Tensor:
        """(frequencies, features)."""
        t = torch.randn(self.config.frequencies, self.num_features, generator=rng).to(device)
        if self.learned is None:
            return t
        noise = torch.randn(self.config.frequencies // _PER_COMPONENT, self.num_features, generator=rng).to(device)
        scales: Tensor = self.learned(noise)
        return t * scales.repeat_interleave(_PER_COMPONENT, 0)


def _unbiased_distances(wave_syn: Tensor, wave_real: Tensor) -> Tensor:
    """|phi - phi'|^2, (classes, frequencies), of waves (2, classes, samples, frequencies)."""
    real_part, imaginary_part = (
        squared_errors(w_syn, w_real, "unbiased") for w_syn, w_real in zip(wave_syn, wave_real, strict=True)
    )
    return real_part + imaginary_part


class FrequencyScales(nn.Sequential):
    """From noise (components, features) to scales of frequencies, (components, features) in (-1, 1)."""

    def __init__(self, num_features: int) -> None:
        layers: list[nn.Module] = []
        for activation in (nn.LeakyReLU(0.2), nn.LeakyReLU(0.2), nn.Tanh()):
            layers += [nn.Linear(num_features, num_features), nn.LayerNorm(num_features), activation]
        super().__init__(*layers)
