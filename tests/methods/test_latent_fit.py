"""Codes fitted to where an encoder put real samples."""

from __future__ import annotations

import torch

from gendata.latents.codebook import Codebook, CodebookConfig
from gendata.methods.latent_fit import fit_law, k_means, nearest_members


def clustered(num_clusters: int = 6, members: int = 20) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(num_clusters, 1, 3, generator=rng)
    return (centres + 0.1 * torch.randn(num_clusters, members, 3, generator=rng)).flatten(0, 1)


def two_classes() -> tuple[torch.Tensor, torch.Tensor]:
    points = clustered()
    return torch.cat([points, points + 100]), torch.arange(2).repeat_interleave(len(points))


def test_the_nearest_members_of_clusters_are_different_points_of_their_own_cluster() -> None:
    points = clustered()
    centres, assigned = k_means(points, 6, torch.Generator().manual_seed(0))
    nearest = nearest_members(points, centres, assigned)
    assert len(set(nearest.tolist())) == 6
    for cluster, row in enumerate(nearest.tolist()):
        own = points[assigned == cluster]
        assert (points[row] - centres[cluster]).norm() == (own - centres[cluster]).norm(dim=1).min()


def test_codes_of_samples_are_encodings_of_rows_of_their_own_class() -> None:
    mean, y = two_classes()
    law = Codebook(CodebookConfig(dim=3, codes=6, neighbours=2), num_classes=2)
    rows = fit_law(law, mean, torch.full_like(mean, 0.04), y, seed=0, codes_from="samples")
    assert rows is not None
    assert torch.equal(y[rows], torch.tensor([[0] * 6, [1] * 6]))
    torch.testing.assert_close(law.codes.detach(), mean[rows])
    torch.testing.assert_close(law.scales.detach(), torch.full((2, 3), 0.2))  # the posterior's alone


def test_only_samples_that_count_become_codes() -> None:
    mean, y = two_classes()
    heavy = torch.arange(len(y)) % 20 < 3  # three of each cluster
    law = Codebook(CodebookConfig(dim=3, codes=6, neighbours=2), num_classes=2)
    rows = fit_law(law, mean, torch.full_like(mean, 0.04), y, seed=0, codes_from="samples", weights=heavy.float())
    assert rows is not None
    assert bool(heavy[rows].all())
    torch.testing.assert_close(law.codes.detach(), mean[rows])


def test_where_few_samples_count_others_fill_the_codes_up() -> None:
    mean, y = two_classes()
    heavy = torch.arange(len(y)) % 60 == 0  # two of each class, of a hundred and twenty
    law = Codebook(CodebookConfig(dim=3, codes=6, neighbours=2), num_classes=2)
    weights = torch.where(heavy, 1.0, 1e-9)
    rows = fit_law(law, mean, torch.full_like(mean, 0.04), y, seed=0, codes_from="samples", weights=weights)
    assert rows is not None
    assert all(len(set(of_class)) == 6 for of_class in rows.tolist())
    assert int(heavy[rows].sum()) == 4


def test_codes_of_centres_carry_the_spread_around_them() -> None:
    mean, y = two_classes()
    law = Codebook(CodebookConfig(dim=3, codes=6, neighbours=2), num_classes=2)
    assert fit_law(law, mean, torch.full_like(mean, 0.04), y, seed=0) is None
    assert bool((law.scales > 0.2).all())


def test_a_group_that_is_like_its_class_comes_first() -> None:
    mean, y = two_classes()
    laws = {}
    for group in (0, 3):
        laws[group] = Codebook(CodebookConfig(dim=3, codes=6, neighbours=2), num_classes=2)
        fit_law(laws[group], mean, torch.full_like(mean, 0.04), y, seed=0, group=group)
    covering, grouped = (laws[group].codes.detach() for group in (0, 3))
    assert torch.equal(covering.sort(1).values, grouped.sort(1).values)  # the same codes in another order
    for c in range(2):
        away = [(codes[c, :3].mean(0) - codes[c].mean(0)).norm() for codes in (covering, grouped)]
        assert away[1] < away[0]


def test_no_sample_is_encoded_twice_where_the_weights_would_leave_too_few() -> None:
    law = Codebook(CodebookConfig(dim=2, codes=30, neighbours=2), num_classes=1)
    mean = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    weights = torch.ones(40)
    weights[:3] = 50
    y = torch.zeros(40, dtype=torch.int64)
    rows = fit_law(law, mean, torch.full_like(mean, 0.1), y, seed=0, codes_from="samples", group=0, weights=weights)
    assert rows is not None and len(rows[0].unique()) == 30
