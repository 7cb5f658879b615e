"""The sum of terms a recipe lists."""

import msgspec
import pytest
import torch

from gendata.errors import RecipeError, SpecError, UnknownNameError
from gendata.losses.embedded import embed
from gendata.losses.objective import Objective, Term
from gendata.methods.embedding_pool import EmbeddingPool
from gendata.networks import build_network
from gendata.registry import METHODS
from gendata.spec import SampleSpec


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


@pytest.mark.parametrize("name", ["convnet1-w4-in", "resnet10-half-bn", "resnet10-half-ap-in", "vit-p4-d16-l1-h2"])
def test_what_terms_see_of_a_network_are_its_own_logits(name):
    spec = SampleSpec(channels=1, height=16, width=16, classes=("a", "b", "c"))
    network, x = build_network(name, spec=spec, seed=0).eval(), torch.randn(4, 1, 16, 16)
    seen = embed(network, x, torch.tensor([0, 0, 2, 2]), num_classes=2)
    assert torch.equal(seen.logits, network(x))
    pool = EmbeddingPool(name, spec=spec, num_networks=0, ages=(), seed=0)
    assert seen.features(-1).shape == (2, 2, pool.num_features)


@pytest.mark.parametrize(
    ("name", "options", "least"),
    [
        ("mean", {}, 2),
        ("mean", {"estimator": "plain"}, 1),
        ("intra-class", {}, 2),
        ("intra-class", {"form": "repulsive"}, 2),
        ("intra-class", {"form": "centralisation"}, 1),
        ("inter-class", {}, 1),
        ("inter-class", {"estimator": "unbiased"}, 2),
        ("logit", {}, 1),
    ],
)
def test_too_few_samples_for_a_term_are_told_beforehand(name, options, least):
    objective = Objective([Term(name=name, options=options)], num_features=4)
    objective.check_samples(least, where="here")
    if least > 1:
        with pytest.raises(SpecError, match=f"here: '{name}' of 1 sample per class; expected 2 or more"):
            objective.check_samples(1, where="here")
