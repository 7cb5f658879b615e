"""Class-balanced draws of real samples."""

from __future__ import annotations

import torch

from gendata.methods.draws import ClassDraws

Y = torch.tensor([1, 0, 1, 0, 1])


def test_draws_are_class_major_and_of_the_class_asked_for() -> None:
    for weights in (None, torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])):
        rows = ClassDraws(Y, 2, weights=weights).indices(torch.tensor([1, 0]), 50, torch.Generator().manual_seed(0))
        assert Y[rows].tolist() == [1] * 50 + [0] * 50


def test_a_sample_is_drawn_as_often_as_its_weight_says_within_its_class() -> None:
    weights = torch.tensor([1.0, 1.0, 2.0, 4.0, 5.0])
    rows = ClassDraws(Y, 2, weights=weights).indices(torch.arange(2), 4000, torch.Generator().manual_seed(0))
    shares = torch.bincount(rows, minlength=5) / 4000
    torch.testing.assert_close(shares, torch.tensor([1 / 8, 1 / 5, 2 / 8, 4 / 5, 5 / 8]), atol=0.03, rtol=0)
