from __future__ import annotations

import pytest
import torch

from gendata.generators.label_head import LabelHead, LabelHeadConfig, head_probabilities


def head_of(seed: int = 0) -> LabelHead:
    torch.manual_seed(seed)
    return LabelHead(LabelHeadConfig(width=5, class_dim=3), num_classes=4, code_dim=6).double()


def latents(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(1)), torch.arange(count) % 4


def test_rows_are_the_softmax_of_the_heads_logits() -> None:
    head, (z, y) = head_of(), latents(11)
    made = head_probabilities(head, z, y, micro_batch=4)
    assert made.dtype == torch.float32 and made.shape == (11, 4)
    torch.testing.assert_close(made, head(z, y).softmax(1).detach().float())
    torch.testing.assert_close(made.sum(1), torch.ones(11))


def test_a_row_depends_on_no_other() -> None:
    head, (z, y) = head_of(), latents(11)
    together = head_probabilities(head, z, y, micro_batch=4)
    alone = torch.cat([head_probabilities(head, z[i : i + 1], y[i : i + 1], micro_batch=4) for i in range(11)])
    assert torch.equal(together, alone)
    assert head_probabilities(head, z[:0], y[:0], micro_batch=4).shape == (0, 4)


def test_noise_behind_the_code_is_not_looked_at() -> None:
    head, (z, y) = head_of(), latents(3)
    noisy = torch.cat([z, torch.randn(3, 9)], dim=1)
    assert torch.equal(head_probabilities(head, noisy, y, micro_batch=4), head_probabilities(head, z, y, micro_batch=4))


@pytest.mark.parametrize("options", [{"width": 0}, {"class_dim": 5000}])
def test_sizes_beyond_any_use_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        LabelHeadConfig(**options)
