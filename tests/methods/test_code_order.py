"""Which codes of a class come first."""

from __future__ import annotations

import itertools

import torch

from gendata.methods.code_order import covering_order, group_order


def clustered(num_clusters: int = 6, members: int = 20) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(num_clusters, 1, 3, generator=rng)
    return (centres + 0.1 * torch.randn(num_clusters, members, 3, generator=rng)).flatten(0, 1)


def test_the_first_points_of_a_covering_order_are_one_of_every_cluster() -> None:
    points = clustered()
    order = covering_order(points, torch.ones(len(points)))
    assert sorted((order[:6] // 20).tolist()) == [0, 1, 2, 3, 4, 5]
    assert sorted(order.tolist()) == list(range(len(points)))


def test_a_heavy_point_comes_first() -> None:
    points = torch.tensor([[0.0], [1.0], [10.0]])
    assert covering_order(points, torch.tensor([1, 1, 1000]))[0] == 2


def test_after_the_covered_ones_the_rest_keeps_its_order() -> None:
    order = covering_order(clustered(), torch.ones(120), most=6)
    assert order[6:].tolist() == sorted(order[6:].tolist())
    assert len(set(order.tolist())) == 120


def test_of_few_points_the_best_group_of_all_is_found() -> None:
    points = torch.randn(9, 1, generator=torch.Generator().manual_seed(3))
    order = group_order(points, torch.ones(9), size=8, rng=torch.Generator().manual_seed(0))
    assert sorted(order.tolist()) == list(range(9))

    def badness(chosen: torch.Tensor) -> float:
        unit = (points - points.mean()) / points.std(correction=0)
        group = unit[chosen]
        apart = group - group.mean()
        skew = (apart**3).mean() / group.std(correction=0) ** 3
        told = group.mean() ** 2 + (group.std(correction=0) - 1) ** 2 + 0.5 * (skew - (unit**3).mean()) ** 2
        return float(told)

    best = min(badness(torch.tensor(group)) for group in itertools.combinations(range(9), 8))
    assert abs(badness(order[:8]) - best) < 1e-5


def test_a_group_follows_the_weights() -> None:
    points = torch.tensor([[-1.0], [-1.1], [-0.9], [5.0], [5.1], [4.9]])
    heavy_left, heavy_right = torch.tensor([100, 100, 100, 1, 1, 1]), torch.tensor([1, 1, 1, 100, 100, 100])
    left = group_order(points, heavy_left, size=2, rng=torch.Generator().manual_seed(0))
    right = group_order(points, heavy_right, size=2, rng=torch.Generator().manual_seed(0))
    assert set(left[:2].tolist()) < {0, 1, 2} and set(right[:2].tolist()) < {3, 4, 5}
