"""DiM: its networks, its logit loss, and that a run that dies ends with the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from gendata import condensation
from gendata.condensation import stage_training
from gendata.errors import RecipeError
from gendata.generators.dim_conv_gan import DimConvGan
from gendata.latents.normal import Normal, NormalConfig
from gendata.losses.adversarial_relativistic import RelativisticConfig
from gendata.losses.adversarial_wgan_gp import WganGpConfig
from gendata.methods.adversarial import _adversary_config
from gendata.methods.dim import Dim, DimConfig
from gendata.methods.method import RealData
from gendata.methods.passing_network import PassingNetworks
from gendata.networks import build_network
from gendata.registry import METHODS
from gendata.spec import SampleSpec

SPEC = SampleSpec(channels=1, height=8, width=8, classes=("a", "b"))
NETWORKS = ("convnet1-w4-in", "convnet2-w4-in")
TINY = (
    "generator.options.width=4",
    "method.options.critic_width=4",
    "method.options.gan_steps=4",
    "method.options.gan_batch=8",
    "method.options.match_steps=6",
    "method.options.match_batch=8",
    f"method.options.networks=[{', '.join(NETWORKS)}]",
    "method.options.network_life=2",
)


def dim(**options: Any) -> Dim:
    x = torch.randint(0, 256, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    real = RealData(x_u8=x, y=torch.arange(40) % 2, spec=SPEC, mean=(0.5,), std=(0.3,))
    law = Normal(NormalConfig(dim=6), num_classes=2)
    generator = DimConvGan(DimConvGan.Config(width=4), spec=SPEC, latent_dim=6)
    sizes = {"critic_width": 4, "gan_batch": 8, "match_batch": 8, "networks": NETWORKS, "network_life": 3}
    return Dim(DimConfig(**sizes | options), generator=generator, law=law, real=real, seed=0)


def passing(**options: Any) -> PassingNetworks:
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01} | options
    return PassingNetworks(NETWORKS, spec=SPEC, seed=0, **settings)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Killed(BaseException):
    """Stands for a death that leaves no time to clean up."""


def test_reduced_precision_asks_the_network_that_has_learned() -> None:
    """Autocast keeps copies of the weights it has seen: real images would be shown to the network of before."""
    networks, x, y = passing(), torch.randn(8, *SPEC.shape), torch.arange(8) % 2
    networks.begin(0)
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(4):
            networks.train_step(0, x, y)
        network = networks.of_turn(0)
        copies = {name: weight.detach() for name, weight in network.named_parameters()}
        assert torch.equal(network(x), functional_call(network, copies, (x,)))


@pytest.mark.parametrize(("stage", "step"), [("adversarial", 3), ("match", 3)])
@pytest.mark.parametrize("adversary", ["wgan-gp", "relativistic"])
def test_a_run_that_dies_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adversary: str, stage: str, step: int
) -> None:
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SEC", 0.0)
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SHARE", float("inf"))
    overrides = (*TINY, f"method.options.adversary={adversary}")
    steps_done = []

    def die(progress: condensation.Progress) -> None:
        if (progress.stage, progress.step) == (stage, step):
            raise Killed

    condensation.condense("digits/dim", out=tmp_path / "undisturbed", overrides=overrides)
    with pytest.raises(Killed):
        condensation.condense("digits/dim", out=tmp_path / "died", overrides=overrides, on_progress=die)
    condensation.condense("digits/dim", out=tmp_path / "died", overrides=overrides, on_progress=steps_done.append)
    assert files_of(tmp_path / "died") == files_of(tmp_path / "undisturbed")
    assert 0 < len(steps_done) < 10  # it went on, it did not start again


def test_matched_pairs_with_equal_logits_cost_nothing_and_others_what_the_formula_says() -> None:
    method, rng = dim(augmentation="flip"), torch.Generator()
    x = method.real.x_u8[:6].float() / 255
    other = method.real.x_u8[6:12].float() / 255
    assert method._logit_distance(x, x, rng.manual_seed(0), 0).item() == 0
    found = method._logit_distance(x, other, rng.manual_seed(0), 0)
    augment = method._augment_pair.draw(rng.manual_seed(0), 1, shared=True)
    network = method.passing.of_turn(0)
    logs = [F.log_softmax(network(augment(method.real.normalised(part))), 1) for part in (x, other)]
    assert found.item() == pytest.approx((logs[0] - logs[1]).square().mean().item(), rel=1e-5)


def test_matching_moves_the_generator_and_leaves_the_passing_network_to_its_own_training() -> None:
    method = dim(network_steps=0)
    stage = method.stages()[1]
    sum(method.step(stage, 0).values()).backward()  # type: ignore[union-attr]
    assert all(weight.grad is None for weight in method.passing.parameters())
    assert any(weight.grad is not None for weight in method.generator.parameters())


def test_a_passing_network_trains_as_torch_s_sgd_does() -> None:
    networks, rng = passing(), torch.Generator().manual_seed(0)
    networks.begin(5)
    network = networks.of_turn(5)
    own = build_network(networks.names[networks._drawn(5)[0]], spec=SPEC)
    own.load_state_dict(network.state_dict())
    optimiser = torch.optim.SGD(own.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    for _ in range(3):
        x, y = torch.randn(8, 1, 8, 8, generator=rng), torch.arange(8) % 2
        networks.train_step(5, x, y)
        optimiser.zero_grad()
        F.cross_entropy(own(x), y).backward()
        optimiser.step()
    for weight, expected in zip(network.parameters(), own.parameters(), strict=True):
        assert torch.allclose(weight, expected, atol=1e-6)


def test_every_turn_begins_with_other_weights_and_all_architectures_come_up() -> None:
    networks, seen, firsts = passing(), set(), []
    for turn in range(12):
        networks.begin(turn)
        seen.add(networks._drawn(turn)[0])
        firsts.append(next(networks.of_turn(turn).parameters()).flatten()[0].item())
    assert seen == {0, 1} and len(set(firsts)) == 12


def test_published_settings_are_the_defaults() -> None:
    stages = {stage.name: stage for stage in dim().stages()}
    assert (stages["adversarial"].lr, stages["match"].lr) == (1e-4, 5e-6)
    assert {stage.betas for stage in stages.values()} == {(0.0, 0.9)}
    c = DimConfig()
    assert (c.gan_batch, c.match_batch, c.network_steps) == (128, 64, 16)
    assert _adversary_config(c) == WganGpConfig(width=196, penalty=10.0)
    assert _adversary_config(DimConfig(adversary="relativistic")) == RelativisticConfig(width=64, penalty=1.0)
    assert _adversary_config(DimConfig(critic_width=8)) == WganGpConfig(width=8, penalty=10.0)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("gan_steps", -1, "gan_steps must be 0 to"),
        ("match_batch", 0, "match_batch must be 1 to"),
        ("gan_lr", 0.0, "gan_lr must be above 0"),
        ("momentum", 1.0, "momentum must be below 1"),
        ("logit_weight", -0.1, "logit_weight must not be negative"),
        ("network_life", 0, "network_life must be at least 1"),
        ("networks", [], "networks must be 1 to 32 names"),
        ("critic_width", 0, "width must be 1 to 4096"),
        ("augmentation", "colour", "strategy names 'colour'"),
        ("adversary", "hinge", "adversary"),
    ],
)
def test_an_option_without_use_is_refused_by_name(option: str, value: Any, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        METHODS.config("dim", {option: value}, where="method")
