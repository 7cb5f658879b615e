"""Spatial attention."""

import pytest
import torch

from gendata.errors import SpecError
from gendata.losses.attention import attention_maps


def test_a_map_is_of_norm_one_whatever_the_strength_and_sharper_for_a_higher_power():
    f = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for strength in (1e-5, 1.0, 1e4):
        maps = attention_maps(strength * f, 4.0)
        assert maps.shape == (2, 16)
        assert maps.norm(dim=1).tolist() == pytest.approx([1, 1])
        assert torch.allclose(maps, attention_maps(f, 4.0), atol=1e-5)
    assert (attention_maps(f, 8.0).amax(1) > attention_maps(f, 1.0).amax(1)).all()


def test_descent_makes_free_maps_look_where_the_real_ones_do(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    real = torch.rand(1, 8, 3, 4, 4, generator=rng)
    real[..., 1, 2] += 2
    h = torch.rand(1, 4, 3, 4, 4, generator=rng).requires_grad_()
    loss, optimiser = loss_of("attention", estimator="plain"), torch.optim.Adam([h], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        loss(batch(h), batch(real), rng).backward()
        optimiser.step()
    looks = attention_maps(h.detach()[0], 4.0).mean(0)
    assert looks.argmax() == 1 * 4 + 2
    assert looks.max() > 0.9


def test_the_last_block_is_left_to_the_mean_unless_it_is_asked_for(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    first = torch.rand(1, 4, 2, 4, 4, generator=rng)
    last = [torch.rand(1, 4, 2, 2, 2, generator=rng) for _ in range(2)]
    syn, real = (batch(first, h) for h in last)
    assert loss_of("attention", estimator="plain")(syn, real, rng).item() == 0
    assert loss_of("attention", estimator="plain", blocks="all")(syn, real, rng).item() > 0


def test_maps_of_one_pixel_have_no_attention(batch, loss_of):
    rng = torch.Generator().manual_seed(0)
    large, small = ([torch.rand(1, 4, 2, side, side, generator=rng) for _ in range(2)] for side in (4, 1))
    loss = loss_of("attention", estimator="plain", blocks="all")
    assert loss(batch(large[0], small[0]), batch(large[1], small[1]), rng) == loss(
        batch(large[0]), batch(large[1]), rng
    )
    with pytest.raises(SpecError, match="maps of one pixel"):
        loss(batch(small[0]), batch(small[1]), rng)
