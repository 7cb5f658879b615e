"""Real and synthetic images as a network trained on real ones sees them, in two dimensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gendata.errors import SpecError

_BATCH = 128


@dataclass(frozen=True)
class FeatureMap:
    """Points of real and synthetic images in one plane."""

    points_real: NDArray[np.float32]  # (N, 2)
    y_real: NDArray[np.int64]  # (N,)
    points_syn: NDArray[np.float32]  # (M, 2)
    y_syn: NDArray[np.int64]  # (M,)
    how: str  # one sentence: which network, which projection, how much of the variance


@torch.inference_mode()
def feature_map(
    network: nn.Module,
    x_real: Tensor,
    y_real: Tensor,
    x_syn: Tensor,
    y_syn: Tensor,
    *,
    normalise: Callable[[Tensor], Tensor],
    trained: str = "trained on real images",
) -> FeatureMap:
    """The two principal components of the real images' features; synthetic ones are only projected.

    Args:
        network: has `embed(x) -> (N, F)`; is set to eval mode.
        x_real, x_syn: (N, C, H, W) as `normalise` takes them; some thousand at most, the components are exact.
        y_real, y_syn: labels (N,).
        trained: what the caption says of the network.

    Raises:
        SpecError: fewer than three real images span no plane.
    """
    if len(x_real) < 3:
        raise SpecError(f"{len(x_real)} real images", expected="at least 3, which span a plane")
    network.eval()
    real, synthetic = (_features(network, x, normalise) for x in (x_real, x_syn))
    centre = real.mean(0)
    plane, share = _principal_plane(real - centre)
    how = (
        f"Features of a network {trained}; plane of the real images' two principal components "
        f"({100 * share:.0f} % of their variance), onto which the synthetic images are projected."
    )
    return FeatureMap(
        ((real - centre) @ plane).float().numpy(),
        y_real.numpy(),
        ((synthetic - centre) @ plane).float().numpy(),
        y_syn.numpy(),
        how,
    )


def _features(network: nn.Module, x: Tensor, normalise: Callable[[Tensor], Tensor]) -> Tensor:
    """(N, F) float64 on the host."""
    device = next(network.parameters()).device
    parts = [network.embed(normalise(part.to(device))).flatten(1) for part in x.split(_BATCH)]  # type: ignore[operator]
    return torch.cat(parts).double().cpu()


def _principal_plane(centred: Tensor) -> tuple[Tensor, float]:
    """(F, 2) orthonormal, and the share of variance in it. Signs are fixed: the largest entry is positive."""
    _, scales, directions = torch.linalg.svd(centred, full_matrices=False)
    plane = directions[:2].T
    largest = plane.gather(0, plane.abs().argmax(0, keepdim=True))
    variances = scales.square()
    return plane * largest.sign(), float(variances[:2].sum() / variances.sum().clamp_min(1e-12))
