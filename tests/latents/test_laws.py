"""Latent laws: their distributions, and that arithmetic is elementwise."""

import msgspec
import pytest
import torch

from gendata.errors import RecipeError, SpecError
from gendata.latents.codebook import Codebook, CodebookConfig
from gendata.latents.mixture import Mixture, MixtureConfig
from gendata.latents.normal import Normal, NormalConfig
from gendata.registry import LATENTS


def draw(law, y, seed=0):
    rng = torch.Generator().manual_seed(seed)
    uniforms = torch.rand(len(y), law.num_uniforms, generator=rng)
    normals = torch.randn(len(y), law.num_normals, generator=rng)
    return law(uniforms, normals, y, torch.full_like(y, -1))


def codebook(**options):
    law = Codebook(CodebookConfig(**{"dim": 2, "codes": 5, "neighbours": 2, **options}), num_classes=3)
    law.prepare()
    return law


LAWS = [
    Normal(NormalConfig(dim=4), num_classes=3),
    Mixture(MixtureConfig(dim=4, components=5), num_classes=3),
    codebook(dim=4),
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_a_latent_depends_on_its_own_row_alone(law):
    y = torch.tensor([0, 1, 2, 1])
    rng = torch.Generator().manual_seed(0)
    uniforms, normals = (torch.rand(4, n, generator=rng) for n in (law.num_uniforms, law.num_normals))
    slot = torch.full_like(y, -1)
    together = law(uniforms, normals, y, slot)
    alone = torch.cat([law(uniforms[i : i + 1], normals[i : i + 1], y[i : i + 1], slot[:1]) for i in range(4)])
    assert together.shape == (4, law.dim)
    assert torch.equal(together, alone)


def test_normal_stores_nothing():
    assert not list(LAWS[0].parameters())


def test_mixture_draws_every_component_of_its_own_class():
    law = Mixture(MixtureConfig(dim=1, components=3), num_classes=2)
    with torch.no_grad():
        law.means.copy_(torch.tensor([[[0.0], [10], [20]], [[100.0], [110], [120]]]))
        law.scales.fill_(0.1)
    z = draw(law, torch.ones(300, dtype=torch.int64))
    counts = torch.bincount(((z[:, 0] - 95) / 10).long())
    assert counts.tolist() == pytest.approx([100, 100, 100], abs=35)


def test_codebook_without_blur_or_reach_yields_codes_of_the_class():
    law = codebook(reach=0.0)
    with torch.no_grad():
        law.scales.zero_()
    z = draw(law, torch.full((50,), 2))
    assert all((law.codes[2] == row).all(1).any() for row in z)


def test_codebook_mixes_only_with_nearest_codes():
    law = codebook(codes=4, neighbours=1, dim=1, reach=1.0)
    with torch.no_grad():
        law.codes.copy_(torch.tensor([0.0, 1, 10, 11]).view(1, 4, 1).expand(3, 4, 1))
        law.scales.zero_()
    law.prepare()
    assert law.nearest[0, :, 0].tolist() == [1, 0, 3, 2]
    z = draw(law, torch.zeros(500, dtype=torch.int64))
    assert not ((z > 1) & (z < 10)).any()
    assert ((z > 0.3) & (z < 0.7)).any()


def test_codebook_neighbours_never_include_the_code_itself():
    law = codebook(codes=6, neighbours=5)
    for i in range(6):
        assert sorted(law.nearest[1, i].tolist()) == [j for j in range(6) if j != i]


def test_codebook_neighbours_do_not_depend_on_the_blocks_they_are_found_in(monkeypatch):
    law = codebook(codes=40, neighbours=7, dim=3)
    whole = law.nearest.clone()
    monkeypatch.setattr("gendata.latents.codebook._BLOCK_DISTANCES", 3 * 40)
    law.prepare()
    assert torch.equal(law.nearest, whole)
    exact = law.codes.detach().double()
    for i in (0, 1, 39):
        distance = torch.zeros(40, dtype=torch.float64)
        for d in range(3):
            distance = distance + (exact[2, :, d] - exact[2, i, d]).square()
        distance[i] = torch.inf
        assert law.nearest[2, i].tolist() == distance.argsort(stable=True)[:7].tolist()


def test_more_codes_and_classes_than_neighbours_can_be_found_for_are_refused():
    with pytest.raises(SpecError, match="4096 codes for each of 1000 classes"), torch.device("meta"):
        Codebook(CodebookConfig(codes=4096), num_classes=1000)


@pytest.mark.parametrize(
    "options",
    [
        {"codes": 4, "neighbours": 4},
        {"neighbours": 17},
        {"dim": 0},
        {"reach": 1.5},
        {"codes": 0},
        {"codes": 4097},
        {"noise": -1},
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(RecipeError, match="latent.options"):
        LATENTS.config("codebook", options, where="latent")


def test_a_frozen_set_of_codes_is_the_codes_in_their_order_and_goes_on_with_draws():
    law = codebook(frozen="codes")
    y, slot = torch.tensor([0, 2, 1, 1]), torch.tensor([0, 4, 5, -1])
    uniforms, normals = torch.rand(4, law.num_uniforms), torch.randn(4, law.num_normals)
    z = law(uniforms, normals, y, slot)
    assert torch.equal(z[:2], torch.stack([law.codes[0, 0], law.codes[2, 4]]))
    assert torch.equal(z[2:], codebook_like(law)(uniforms, normals, y, slot)[2:])


def codebook_like(law):
    """The same codes, with a frozen set that is drawn."""
    drawn = codebook()
    drawn.load_state_dict(law.state_dict())
    drawn.prepare()
    return drawn


def test_noise_follows_the_code_with_mean_0_and_variance_1():
    quiet, noisy = codebook(), codebook(noise=50)
    noisy.load_state_dict(quiet.state_dict())
    noisy.prepare()
    y = torch.arange(3).repeat(400)
    uniforms, normals = torch.rand(1200, noisy.num_uniforms), torch.randn(1200, noisy.num_normals)
    z, slot = noisy(uniforms, normals, y, torch.full_like(y, -1)), torch.full_like(y, -1)
    assert (noisy.dim, noisy.num_noise) == (52, 50)
    assert torch.equal(z[:, :2], quiet(uniforms[:, : quiet.num_uniforms], normals, y, slot))
    assert abs(z[:, 2:].mean()) < 0.02 and abs(z[:, 2:].var() - 1) < 0.02


def test_codes_of_the_frozen_set_have_no_noise():
    law = codebook(frozen="codes", noise=7)
    y, slot = torch.tensor([0, 2, 1]), torch.tensor([0, 4, 5])
    z = law(torch.rand(3, law.num_uniforms), torch.randn(3, law.num_normals), y, slot)
    assert torch.equal(z[:2, :2], torch.stack([law.codes[0, 0], law.codes[2, 4]]))
    assert z[:2, 2:].abs().max() == 0 and z[2, 2:].abs().min() > 0, "beyond the codes the frozen set is drawn"


def test_codes_of_the_frozen_set_may_have_noise_of_their_own():
    law, bare = codebook(frozen="codes", noise=7, frozen_noise=True), codebook(frozen="codes", noise=7)
    bare.load_state_dict(law.state_dict())
    law.prepare()
    bare.prepare()
    y, slot = torch.tensor([0, 2, 1, 2]), torch.tensor([0, 4, 5, 3])
    first, again = [
        law(torch.rand(4, law.num_uniforms), torch.randn(4, law.num_normals), y, slot) for _ in range(2)
    ]  # fmt: skip
    held = torch.tensor([0, 1, 3])
    assert torch.equal(first[held], again[held]), "whatever is drawn"
    assert len(first[held, 2:].unique(dim=0)) == 3 and first[held, 2:].abs().min() > 0
    assert torch.equal(law.noise_of_codes(y[held], slot[held]), first[held, 2:])
    uniforms, normals = torch.rand(4, law.num_uniforms), torch.randn(4, law.num_normals)
    drawn = torch.full_like(slot, -1)
    assert torch.equal(law(uniforms, normals, y, drawn), bare(uniforms, normals, y, drawn)), "fresh samples stay"


def test_noise_of_codes_is_as_random_as_that_of_samples():
    law = codebook(frozen="codes", codes=400, noise=50, frozen_noise=True)
    noise = law.noise_of_codes(torch.arange(3).repeat(400), torch.arange(400).repeat_interleave(3))
    assert abs(noise.mean()) < 0.02 and abs(noise.var() - 1) < 0.02


@pytest.mark.parametrize("options", [{"noise": 7}, {"frozen": "codes"}])
def test_noise_of_codes_needs_noise_and_codes(options):
    with pytest.raises(RecipeError, match="frozen_noise needs"):
        LATENTS.config("codebook", {**options, "frozen_noise": True}, where="latent")


def test_a_codebook_that_says_nothing_of_an_option_writes_nothing_of_it():
    assert not {"frozen", "noise", "frozen_noise"} & msgspec.to_builtins(CodebookConfig()).keys()
