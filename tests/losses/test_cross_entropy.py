"""Cross entropy: as certain as real samples, or ever more."""

import pytest
import torch
from torch.nn import functional

H = torch.zeros(2, 3, 4)
SURE, UNSURE = (strength * functional.one_hot(torch.arange(2).repeat_interleave(3)).float() for strength in (9, 0.1))


def test_the_excess_is_nothing_once_synthetic_samples_are_as_certain_as_real_ones(batch, loss_of):
    loss, rng = loss_of("cross-entropy"), torch.Generator()
    assert loss(batch(H, logits=UNSURE), batch(H, logits=UNSURE), rng).item() == 0
    assert loss(batch(H, logits=SURE), batch(H, logits=UNSURE), rng).item() == 0
    assert loss(batch(H, logits=UNSURE), batch(H, logits=SURE), rng).item() > 0.5


def test_the_plain_form_goes_on_and_the_weighted_one_counts_a_network_by_its_accuracy(batch, loss_of):
    syn, right, wrong = batch(H, logits=UNSURE), batch(H, logits=SURE), batch(H, logits=-SURE)
    plain = loss_of("cross-entropy", form="plain")(syn, right, torch.Generator()).item()
    weighted = loss_of("cross-entropy", form="weighted")
    assert plain == pytest.approx(functional.cross_entropy(UNSURE, syn.y).item())
    assert weighted(syn, right, torch.Generator()).item() == pytest.approx(plain)
    assert weighted(syn, wrong, torch.Generator()).item() == 0
