"""What a pool gives to embed with."""

from __future__ import annotations

import pytest
import torch

from gendata.methods.draws import keyed_seed
from gendata.methods.embedding_pool import EmbeddingPool, PoolKind
from gendata.networks import build_network
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=8, width=8, classes=("a", "b"))
NAME = "convnet1-w4-in"


def pool(kind: PoolKind) -> EmbeddingPool:
    made = EmbeddingPool(NAME, spec=SPEC, num_networks=2, ages=(1, 3), seed=5, kind=kind)
    for number, snapshot in enumerate(made.snapshots):
        for weight in snapshot.parameters():
            weight.data.fill_(10.0 + number)
    return made


def drawn(made: EmbeddingPool, seed: int, fresh_share: float = 0.0) -> tuple[torch.Tensor, bool]:
    rng = torch.Generator().manual_seed(seed)
    network, is_trained = made.draw(rng, fresh_share=fresh_share, device=torch.device("cpu"))
    assert not network.training
    return network.classifier.weight.detach(), is_trained


def test_a_trained_pool_gives_snapshots_and_its_share_of_fresh_networks() -> None:
    weight, is_trained = drawn(pool("trained"), seed=0)
    assert is_trained and weight.mean().item() in (10, 11, 12, 13)
    weight, is_trained = drawn(pool("trained"), seed=0, fresh_share=1.0)
    assert not is_trained and weight.abs().max() < 5


def test_a_random_pool_gives_fresh_networks_only() -> None:
    assert not any(drawn(pool("random"), seed)[1] for seed in range(8))


def test_an_interpolated_pool_gives_weights_on_the_line_from_a_networks_first_to_its_later_ones() -> None:
    made = pool("interpolated")
    starts = [
        build_network(NAME, spec=SPEC, seed=keyed_seed(5, "pool", k)).classifier.weight.detach() for k in range(2)
    ]
    shares = []
    for seed in range(8):
        weight, is_trained = drawn(made, seed)
        assert is_trained
        fits = []
        for number in range(4):
            start = starts[number // 2]
            share = (weight - start) / (10.0 + number - start)
            fits.append((share.std().item(), share.mean().item()))
        spread, share_of_later = min(fits)
        assert spread < 1e-5
        shares.append(share_of_later)
    assert 0 <= min(shares) < 0.5 < max(shares) <= 1


def test_pools_of_other_seeds_share_no_network() -> None:
    firsts = [
        network.classifier.weight.sum().item()
        for seed in range(3)
        for network in EmbeddingPool(NAME, spec=SPEC, num_networks=3, ages=(1,), seed=seed).networks
    ]
    assert len(set(firsts)) == 9


@pytest.mark.parametrize("kind", ["random", "trained", "interpolated"])
def test_the_same_draw_gives_the_same_network(kind: PoolKind) -> None:
    assert torch.equal(drawn(pool(kind), seed=3)[0], drawn(pool(kind), seed=3)[0])


def test_it_knows_the_width_of_its_networks_also_when_it_holds_none() -> None:
    none = EmbeddingPool(NAME, spec=SPEC, num_networks=0, ages=(), seed=0)
    assert none.num_features == pool("random").num_features == build_network(NAME, spec=SPEC).classifier.in_features


def test_the_mean_answer_is_of_the_oldest_networks_at_the_temperature() -> None:
    made = EmbeddingPool(NAME, spec=SPEC, num_networks=2, ages=(1, 3), seed=5)
    for number, snapshot in enumerate(made.snapshots):
        snapshot.load_state_dict(build_network(NAME, spec=SPEC, seed=40 + number).state_dict())
    x = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    oldest = [build_network(NAME, spec=SPEC, seed=seed).eval() for seed in (41, 43)]
    with torch.no_grad():
        wanted = torch.stack([(network(x) / 2.0).softmax(1) for network in oldest]).mean(0)
    torch.testing.assert_close(made.mean_answer(x, temperature=2.0), wanted)
    assert not torch.allclose(made.mean_answer(x, temperature=1.0), wanted)
