"""The sum of terms a recipe lists."""

import msgspec
import pytest
import torch

from gendata.errors import RecipeError, UnknownNameError
from gendata.losses.objective import Objective, Term
from gendata.registry import METHODS


def test_a_term_is_completed_with_the_defaults_of_its_options():
    assert Term(name="intra-class", options={"ratio": 1.2}).options == {
        "form": "ratio", "ratio": 1.2, "temperature": 0.2, "margin": 1.0
    }  # fmt: skip


def test_a_wrong_name_or_option_is_told_with_its_place():
    with pytest.raises(UnknownNameError, match="mean"):
        METHODS.config("generative", {"losses": [{"name": "meen"}]}, where="method")
    with pytest.raises(RecipeError, match=r"losses\[1\].*intra-class.*ratio must be above 0"):
        options = [{"name": "mean"}, {"name": "intra-class", "options": {"ratio": -1}}]
        METHODS.config("generative", {"losses": options}, where="method")
    with pytest.raises(RecipeError, match="weight of 'mean' must be finite"):
        METHODS.config("generative", {"losses": [{"name": "mean", "weight": float("nan")}]}, where="method")


def test_terms_are_weighted_and_told_by_name_and_those_of_weight_zero_left_out(batch):
    terms = (Term(name="mean", weight=2.0), Term(name="moment", weight=0.0), Term(name="mean"))
    objective = Objective(terms, num_features=4)
    h = torch.randn(2, 4, 4)
    losses = objective(batch(h), batch(h + 1), torch.Generator(), trained=True)
    assert list(losses) == ["mean", "mean 1"]
    assert losses["mean"].item() == pytest.approx(2 * losses["mean 1"].item())


def test_a_term_that_reads_logits_is_left_out_under_a_fresh_network(batch):
    objective = Objective((Term(name="mean"), Term(name="cross-entropy")), num_features=4)
    h = torch.randn(2, 4, 4)
    assert set(objective(batch(h), batch(h), torch.Generator(), trained=False)) == {"mean"}
    assert set(objective(batch(h), batch(h), torch.Generator(), trained=True)) == {"mean", "cross-entropy"}


def test_terms_survive_the_way_through_plain_data():
    term = Term(name="mean", weight=0.5, options={"blocks": "last"})
    assert msgspec.convert(msgspec.to_builtins(term), Term) == term
