from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image

from gendata import condensation
from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.artifact.sampling import frozen_key, sample_images
from gendata.artifact.storage import StorageDtype, decode, encode
from gendata.condensation import stage_training
from gendata.condensation.job import Job
from gendata.condensation.stage_training import StageTraining
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import ArtifactError, RecipeError, SpecError
from gendata.methods.encoder import Encoder
from gendata.methods.generative import _windows
from gendata.methods.quantised import StepWeights
from gendata.networks import build_network
from gendata.recipe import Choice, Recipe, load_recipe
from gendata.registry import LOSSES, METHODS
from gendata.sources.source import open_source
from gendata.spec import SampleSpec


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("networks", 1001),
        ("network_ages", list(range(1, 34))),
        ("network_ages", [10**6 + 1]),
        ("samples_per_class", 65538),
        ("real_per_class", 65537),
        ("classes_per_step", 65537),
        ("network_batch", 65537),
        ("reconstruct_batch", 65537),
        ("steps", 10**8 + 1),
        ("reconstruct_steps", 10**8 + 1),
        ("unroll", [{}] * 17),
        ("gradients", [{}] * 17),
        ("trajectories", [{}] * 17),
    ],
)
def test_an_option_beyond_any_use_is_refused_with_the_bound(option: str, value: Any) -> None:
    with pytest.raises(RecipeError, match=rf"{option} must (be|have) at most \d+"):
        METHODS.config("generative", {option: value}, where="method")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"losses": []}, "losses must hold a term"),
        ({"steps": 0, "frozen_weight": 0.5}, "need steps above 0"),
        ({"feature_weight": -1.0}, "feature_weight must not be negative"),
        ({"bits": -5.0}, "bits must not be negative"),
        ({"losses": [{"name": "cross-entropy"}]}, "losses must hold a term"),
        ({"pool": "interpolated", "networks": 0, "network_ages": []}, "needs networks"),
        ({"pool": "best"}, "Invalid enum value|invalid enum value"),
    ],
)
def test_a_matching_that_would_have_nothing_to_do_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        METHODS.config("generative", options, where="method")


def test_a_term_for_trained_networks_alone_is_enough_when_no_fresh_one_is_drawn() -> None:
    METHODS.config("generative", {"losses": [{"name": "cross-entropy"}], "fresh_share": 0.0}, where="method")


def test_a_run_with_every_term_and_a_learned_sampler_that_dies_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SEC", 0.0)
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SHARE", float("inf"))
    terms = [{"name": name} for name in LOSSES.names() if name != "characteristic"]
    learned = {"name": "characteristic", "options": {"sampler": "learned", "frequencies": 32}}
    options = {
        "network": "convnet2-w4-in", "networks": 1, "network_ages": [2], "reconstruct_steps": 0, "steps": 6,
        "samples_per_class": 4, "real_per_class": 6, "pool": "interpolated", "losses": [*terms, learned],
    }  # fmt: skip
    recipe = msgspec.structs.replace(
        load_recipe("digits/generative-16kb", overrides=("generator.options.widths=[8]", "latent.options.codes=4")),
        method=Choice(name="generative", options=options),
    )

    class Killed(BaseException):
        """Stands for a death that leaves no time to clean up."""

    def die(progress: condensation.Progress) -> None:
        if (progress.stage, progress.step) == ("match", 3):
            raise Killed

    whole = condensation.condense(recipe, out=tmp_path / "whole")
    with pytest.raises(Killed):
        condensation.condense(recipe, out=tmp_path / "halves", on_progress=die)
    halves = condensation.condense(recipe, out=tmp_path / "halves")
    assert halves.artifact_id == whole.artifact_id


REFINED = {
    "network": "convnet2-w4-in", "networks": 1, "network_ages": [2], "reconstruct_steps": 20, "refine_steps": 40,
    "codes_from": "samples", "steps": 4, "anchor_weight": 1.0, "samples_per_class": 4, "real_per_class": 6,
    "losses": [{"name": "mean"}], "reconstruct_batch": 32, "rounded_share": 0.5,
}  # fmt: skip


def refined(**options: Any) -> Recipe:
    return msgspec.structs.replace(
        load_recipe(
            "digits/generative-16kb",
            overrides=(
                "generator.options.widths=[8]",
                "generator.options.antialias=true",
                "latent.options.codes=4",
                "artifact.storage=int4",
            ),
        ),
        method=Choice(name="generative", options=REFINED | options),
    )


def with_noise(recipe: Recipe) -> Recipe:
    generator = Choice(name=recipe.generator.name, options=recipe.generator.options | {"noise": 2})
    latent = Choice(name=recipe.latent.name, options=recipe.latent.options | {"noise": 32})
    return msgspec.structs.replace(recipe, generator=generator, latent=latent)


def test_refining_brings_the_images_of_codes_nearer_to_the_samples_they_encode(tmp_path: Path) -> None:
    def last_pixel_loss(refine_steps: int) -> float:
        losses: list[float] = []

        def keep(progress: condensation.Progress) -> None:
            if progress.stage == "match" and progress.losses:
                losses.append(progress.losses["anchor"])

        options = {"refine_steps": refine_steps, "rounded_share": 0.0}
        condensation.condense(refined(**options), out=tmp_path / f"{refine_steps}", on_progress=keep)
        return losses[-1]

    assert last_pixel_loss(300) < 0.9 * last_pixel_loss(0)


def test_codes_may_take_fewer_bits_than_the_generator_and_are_fitted_so(tmp_path: Path) -> None:
    recipe = refined()
    plan = msgspec.structs.replace(recipe.artifact, storage="int6", latent_storage="int4")
    made = condensation.condense(msgspec.structs.replace(recipe, artifact=plan), out=tmp_path / "out")
    stored = {entry.name: entry.dtype for entry in made.manifest.weights.tensors}
    assert (stored["latent.codes"], stored["generator.stem.weight"], stored["generator.head.weight"]) == (
        "int4", "int6", "int8",
    )  # fmt: skip

    job = Job(msgspec.structs.replace(recipe, artifact=plan).resolved(), data_root=None)
    with torch.no_grad():
        weights = job.method._weights(generator=True, law=True)
        for seen, exact, dtype in (
            (weights.codes, job.method.law.codes, "int4"),
            (weights._generator_weights["stem.weight"], job.method.generator.stem.weight, "int6"),
        ):
            torch.testing.assert_close(seen, decode(*encode("weight", exact, dtype)))
            assert not torch.allclose(seen, exact)


def test_refining_needs_codes_that_encode_samples() -> None:
    for options in (
        {"refine_steps": 1},
        {"anchor_weight": 1.0},
        {"hardness": 1.0},
        {"refine_steps": 1, "codes_from": "centres"},
    ):
        with pytest.raises(RecipeError, match="codes_from: samples"):
            METHODS.config("generative", options, where="method")


def test_hard_samples_are_encoded_and_drawn_oftener(tmp_path: Path) -> None:
    recipe = refined(
        hardness=1000.0,
        network="convnet2-w8-in",
        network_lr=0.02,
        network_ages=[100],
        refine_steps=0,
        anchor_weight=0.0,
        steps=1,
    )
    job = Job(recipe, data_root=None)
    even = job.method._draws.indices(torch.arange(10), 40, torch.Generator().manual_seed(0))
    plan, mean_of_drawn = job.method._draws.indices, []

    def recorded(*arguments: Any, weights: Any = None) -> Any:
        rows = plan(*arguments, weights=weights)
        if weights is not None:
            mean_of_drawn.append((float(weights[rows].mean()), float(weights[even].mean())))
        return rows

    job.method._draws.indices = recorded
    for stage in job.method.stages():
        job.method.begin(stage)
        optimiser = torch.optim.Adam(job.method.trainable(stage).parameters(), lr=stage.lr)
        for i in range(stage.num_steps):
            optimiser.zero_grad()
            sum(job.method.step(stage, i).values()).backward()
            optimiser.step()
    weights = job.method.weights_of_real
    assert 1 <= float(weights.min()) < float(weights.max()) <= 1001
    assert float(weights[job.method.encoded].mean()) > 1.2 * float(weights.mean())
    assert [drawn > 1.2 * others for drawn, others in mean_of_drawn] == [True]


@pytest.mark.parametrize(
    ("options", "told"),
    [({"hardness": -1.0}, "negative"), ({"hardness": 1001.0}, "1000"), ({"hardness": 1.0, "networks": 0}, "networks")],
)
def test_a_hardness_that_nothing_gives_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        METHODS.config("generative", {"codes_from": "samples", **options}, where="method")


def test_codes_from_samples_need_a_codebook(tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(refined(), latent=Choice(name="normal", options={"dim": 8}))
    with pytest.raises(SpecError, match="codebook"):
        condensation.condense(recipe, out=tmp_path / "out")


def test_a_warm_start_without_matching_has_its_latent_law_fitted(tmp_path: Path) -> None:
    recipe = refined(refine_steps=0, anchor_weight=0.0, steps=0)
    law = condensation.condense(recipe, out=tmp_path / "out").law
    other = condensation.condense(msgspec.structs.replace(recipe, seed=1), out=tmp_path / "other").law
    assert float(law.scales.detach().std()) > 0  # 0.1 throughout before they are fitted
    assert not torch.equal(law.codes, other.codes)


def test_matching_mixes_a_code_with_the_neighbours_that_it_has_then() -> None:
    recipe = refined(steps=4, rounded_share=0.5)
    latent = Choice(name="codebook", options={**recipe.latent.options, "codes": 12, "neighbours": 2})
    method = Job(msgspec.structs.replace(recipe, latent=latent).resolved(), data_root=None).method
    stage = next(stage for stage in method.stages() if stage.name == "match")

    def neighbours(codes: torch.Tensor) -> torch.Tensor:
        distance = torch.cdist(codes.double(), codes.double()) + torch.eye(12) * 1e9
        return distance.argsort(dim=2)[:, :, :2]

    def move_codes() -> None:
        torch.nn.init.normal_(method.law.codes)

    move_codes()  # as refining does
    method.begin(stage)
    assert torch.equal(method.law.nearest, neighbours(method.law.codes.detach()))

    kept = method.law.nearest.clone()
    move_codes()
    method.step(stage, 1)
    assert torch.equal(method.law.nearest, kept)
    method.step(stage, 2)  # the first that computes with rounded codes
    stored = method._weights(generator=False, law=True).codes.detach()
    assert torch.equal(method.law.nearest, neighbours(stored))
    assert not torch.equal(method.law.nearest, neighbours(method.law.codes.detach()))


FROZEN = {
    "refine_steps": 0, "anchor_weight": 0.0, "steps": 0, "reconstruct_steps": 150, "real_per_class": 32,
    "network": "convnet2-w16-in", "pool": "random",
}  # fmt: skip


def frozen(storage: StorageDtype = "f32", **options: Any) -> Recipe:
    recipe = refined(**FROZEN | options)
    latent = Choice(name="codebook", options={**recipe.latent.options, "frozen": "codes"})
    artifact = msgspec.structs.replace(recipe.artifact, ipc=2, storage=storage)
    return msgspec.structs.replace(recipe, latent=latent, artifact=artifact)


UNROLLED = {"steps": 5, "students": 2, "window": 2, "age": 6, "real_batch": 16}
MET = {"steps": 6, "age": 5, "real_per_class": 8, "network_batch": 16}
STUDENT = {"steps": 5, "latest": 2, "span": 2, "student_steps": 3, "differentiated": 2}
EXPERTS = {"count": 2, "points": 4, "apart": 2, "batch": 16}
FOLLOWED = {"trajectories": [STUDENT], "experts": EXPERTS}


@pytest.mark.parametrize(
    ("recipe", "stage", "step"),
    [
        (with_noise(refined()), "refine", 30),
        (refined(hardness=4.0, refine_steps=4, steps=6), "match", 4),
        (frozen("int4", frozen_steps=5), "freeze", 4),
        (frozen("int4", unroll=[UNROLLED, {**UNROLLED, "ipc": 3}]), "unroll-3", 3),
        (frozen("int4", label_steps=5), "label", 3),
        (frozen(gradients=[MET, {**MET, "ipc": 3}]), "gradient-3", 3),
        (frozen(**FOLLOWED), "experts", 7),
        (frozen("int4", **FOLLOWED), "trajectory-2", 3),
    ],
)
def test_a_run_through_a_codebook_that_dies_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe, stage: str, step: int
) -> None:
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SEC", 0.0)
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SHARE", float("inf"))

    class Killed(BaseException):
        """Stands for a death that leaves no time to clean up."""

    def die(progress: condensation.Progress) -> None:
        if (progress.stage, progress.step) == (stage, step):
            raise Killed

    whole = condensation.condense(recipe, out=tmp_path / "whole")
    with pytest.raises(Killed):
        condensation.condense(recipe, out=tmp_path / "halves", on_progress=die)
    assert condensation.condense(recipe, out=tmp_path / "halves").artifact_id == whole.artifact_id


@pytest.mark.parametrize("storage", ["f32", "int4"])
@pytest.mark.parametrize(
    "options", [{"frozen_steps": 5, "frozen_lr": 0.3}, {"gradients": [MET]}, FOLLOWED, {"unroll": [UNROLLED]}]
)
def test_freezing_moves_the_codes_of_the_frozen_set_and_nothing_else(
    tmp_path: Path, options: dict[str, Any], storage: StorageDtype
) -> None:
    before = condensation.condense(frozen(storage), out=tmp_path / "before")
    after = condensation.condense(frozen(storage, **options), out=tmp_path / "after")

    same = torch.isclose(after.law.codes[:, :2], before.law.codes[:, :2])
    assert not same.all() if storage == "int4" else not same.all(dim=2).any()
    assert torch.equal(after.law.codes[:, 2:], before.law.codes[:, 2:])
    for name, weight in before.generator.state_dict().items():
        assert torch.equal(after.generator.state_dict()[name], weight), name


def test_freezing_brings_the_frozen_set_to_the_features_of_its_classes(tmp_path: Path) -> None:
    train = open_source(Choice(name="digits")).split("train")

    def distance(artifact: CondensedArtifact) -> float:
        """Between class means of features, over networks that no step has seen."""
        images, labels = artifact.frozen_images()
        total = 0.0
        for seed in range(1000, 1008):
            network = build_network("convnet2-w16-in", spec=artifact.spec, seed=seed)
            with torch.no_grad():
                real, frozen = (network.embed(x.float() / 127.5 - 1) for x in (train.x, images))
            for c in range(10):
                total += float((real[train.y == c].mean(0) - frozen[labels == c].mean(0)).square().sum())
        return total

    before = condensation.condense(frozen(), out=tmp_path / "before")
    after = condensation.condense(frozen(frozen_steps=150), out=tmp_path / "after")
    assert distance(after) < 0.9 * distance(before)


@pytest.mark.parametrize("frozen_noise", [False, True])
def test_the_set_that_freezing_matches_is_the_one_that_is_stored(frozen_noise: bool) -> None:
    recipe = with_noise(frozen())
    latent = Choice(name="codebook", options={**recipe.latent.options, "frozen_noise": frozen_noise})
    method = Job(msgspec.structs.replace(recipe, latent=latent).resolved(), data_root=None).method
    torch.nn.init.normal_(method.generator.texture.kernels.weight)
    with torch.no_grad():
        seen, labels = method._frozen_set(method._weights(generator=False, law=False), torch.tensor([3, 7]))
        key = frozen_key(np.array([6, 7, 14, 15]), ipc=2, seed=recipe.artifact.frozen_seed)
        stored = sample_images(method.generator, method.law, **key, micro_batch=4, dtype=torch.float32)
    assert labels.tolist() == [3, 3, 7, 7]
    torch.testing.assert_close(seen, stored)


@pytest.mark.parametrize("options", [{"frozen_steps": 1}, {"gradients": [MET]}, FOLLOWED, {"unroll": [UNROLLED]}])
def test_freezing_needs_a_frozen_set_of_codes(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match="frozen: codes"):
        condensation.condense(refined(**options), out=tmp_path / "out")


def test_codes_are_fitted_with_at_least_the_noise_that_storing_will_bring() -> None:
    job = Job(refined(code_noise=0.3).resolved(), data_root=None)
    x, y = job.method.real.x_u8[:64].float() / 255, job.method.real.y[:64]
    with torch.no_grad():
        for parameter in job.method.encoder.parameters():
            parameter.mul_(3)  # as certain of its codes as a trained one
        variance = job.method._posterior(x, y)[1].exp()
        told = job.method.encoder(x, y)[1].exp()
    assert told.min() < 0.01
    torch.testing.assert_close(variance, told.clamp_min(0.09))
    with pytest.raises(RecipeError, match="code_noise must be 0 or more and below 1"):
        METHODS.config("generative", {"code_noise": 1.0}, where="method")


@pytest.mark.parametrize("storage", ["f32", "int4"])
@pytest.mark.parametrize(("name", "entry"), [("gradients", MET), ("trajectories", STUDENT), ("unroll", UNROLLED)])
def test_a_larger_set_is_moved_after_the_frozen_one_and_leaves_it_alone(
    tmp_path: Path, name: str, entry: dict[str, Any], storage: StorageDtype
) -> None:
    def made(out: str, *entries: dict[str, Any]) -> CondensedArtifact:
        return condensation.condense(frozen(storage, **{name: entries}, experts=EXPERTS), out=tmp_path / out)

    first, both = made("first", entry), made("both", entry, {**entry, "ipc": 3, "lr": 0.3})

    assert torch.equal(both.law.codes[:, :2], first.law.codes[:, :2])
    assert not torch.isclose(both.law.codes[:, 2], first.law.codes[:, 2]).all(dim=1).any()
    assert torch.equal(both.law.codes[:, 3:], first.law.codes[:, 3:])


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("freeze", {"frozen_steps": 1}),
        ("gradient", {"gradients": [MET]}),
        ("unroll", {"unroll": [UNROLLED]}),
        ("trajectory", FOLLOWED),
    ],
)
def test_moved_codes_see_the_stored_generator_and_are_rounded_in_the_last_share(
    monkeypatch: pytest.MonkeyPatch, name: str, options: dict[str, Any], share: float
) -> None:
    entries = [{**STUDENT, "rounded_share": share}]
    of_its_own = {"trajectories": entries, "rounded_share": 1 - share} if name == "trajectory" else {}
    recipe = frozen("int4", **({"rounded_share": share} | options | of_its_own))
    method = Job(recipe.resolved(), data_root=None).method
    stage = next(stage for stage in method.stages() if stage.name.startswith(name))
    seen: list[torch.Tensor] = []

    def keep(images: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        seen.append(images.detach())
        return images.sum()

    def keep_side(sides: Any, *_: Any) -> list[dict[str, torch.Tensor]]:
        return [{"kept": keep(sides[0][1])}]

    def images(*storage: str | None) -> torch.Tensor:
        weights = StepWeights(method.generator, method.law, storage=storage)
        return method._frozen_set(weights, torch.arange(10))[0].detach()

    for moved in method.stored_sets.sets(ipc=method.ipc, num_codes=4):
        monkeypatch.setattr(moved.judge, "loss", keep)
    monkeypatch.setattr(method, "_matched", keep_side)
    monkeypatch.setattr(method, "_classes", lambda _: torch.arange(10))
    method.step(stage, 0)
    expected = {0.0: images("int4", None), 1.0: images("int4", "int4"), "exact": images(None, None)}
    torch.testing.assert_close(seen[0], expected.pop(share))
    assert not any(torch.allclose(seen[0], other) for other in expected.values())


def test_students_that_would_go_on_beyond_the_experts_are_refused() -> None:
    options = {"trajectories": [{"latest": 20, "span": 5}], "experts": {"points": 24}}
    with pytest.raises(RecipeError, match="latest 20 and span 5 .* 24 points"):
        METHODS.config("generative", options, where="method")


@pytest.mark.parametrize("name", ["gradients", "trajectories", "unroll"])
@pytest.mark.parametrize("sizes", [[3, 2], [2, 2], [5]])
def test_sets_that_do_not_rise_or_that_no_codes_make_are_refused(tmp_path: Path, name: str, sizes: list[int]) -> None:
    with pytest.raises(SpecError, match=f"{name}: sets .* sizes that rise, up to the 4 codes"):
        condensation.condense(frozen(**{name: [{"ipc": ipc} for ipc in sizes]}), out=tmp_path / "out")


def test_a_law_without_the_noise_that_the_generator_takes_is_refused_before_training() -> None:
    recipe = load_recipe("digits/generative-16kb", overrides=("generator.options.noise=2", "latent.options.noise=30"))
    with pytest.raises(ArtifactError, match="draws 30 values of noise, the generator takes 32"):
        condensation.plan(recipe)


def test_an_artifact_with_noise_gives_the_same_samples_when_it_is_opened_again(tmp_path: Path) -> None:
    made = condensation.condense(with_noise(refined(steps=30)), out=tmp_path / "out")
    again = open_artifact(made.path, verify="probe")
    samples = [GeneratedDataset(artifact).fresh(samples_per_class=3, seed=1) for artifact in (made, again)]
    images = [torch.stack([x for x, _ in dataset]) for dataset in samples]
    assert torch.equal(*images)
    assert made.generator.texture.kernels.weight.abs().max() > 0, "matching asked for texture"


def test_pictures_are_drawn_of_more_noise_than_a_normal_law_has(tmp_path: Path) -> None:
    """The first stages' pictures show N(0, I), which has at most 4,096 numbers: noise is none of them."""
    images = torch.rand(40, 64, 64, generator=torch.Generator().manual_seed(0))
    for number, image in enumerate(images):
        path = tmp_path / "data" / ("train" if number < 20 else "test") / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255).to(torch.uint8).numpy()).save(path)
    recipe = msgspec.structs.replace(
        with_noise(refined(reconstruct_steps=4, refine_steps=1, steps=0, anchor_weight=0.0, network="convnet3-w4-in")),
        source=Choice(name="folder", options={"path": str(tmp_path / "data")}),
    )
    generator = Choice(name="conv-decoder", options={**recipe.generator.options, "noise": 4})
    latent = Choice(
        name="codebook", options={**recipe.latent.options, "noise": 4 * 32 * 32, "neighbours": 1, "codes": 2}
    )
    artifact = condensation.condense(
        msgspec.structs.replace(recipe, generator=generator, latent=latent), out=tmp_path / "out"
    )
    assert artifact.law.dim > 4096
    plain, textured = (artifact.generator(z, torch.tensor([0])) for z in (torch.zeros(1, 10), torch.ones(1, 4106)))
    assert plain.shape == textured.shape


LABELLED = {"networks": 1, "network_ages": [120], "label_steps": 150, "label_batch": 64}


def test_a_label_head_answers_as_the_networks_do_and_leaves_the_images_alone(tmp_path: Path) -> None:
    losses: list[float] = []

    def told(progress: condensation.Progress) -> None:
        if progress.stage == "label" and progress.losses:
            losses.append(progress.losses["labels"])

    quick = {"refine_steps": 0, "anchor_weight": 0.0, "reconstruct_steps": 40}
    hard = condensation.condense(refined(**quick, **{**LABELLED, "label_steps": 0}), out=tmp_path / "hard")
    soft = condensation.condense(refined(**quick, **LABELLED), out=tmp_path / "soft", on_progress=told)
    assert torch.equal(hard.frozen_images()[0], soft.frozen_images()[0])
    assert hard.soft_labels is None and soft.has_fresh_soft_labels
    assert losses[-1] < 0.5 * losses[0]


def test_a_label_head_needs_networks_that_answer() -> None:
    options = {"label_steps": 5, "networks": 0, "network_ages": []}
    with pytest.raises(RecipeError, match="label_steps needs networks"):
        METHODS.config("generative", options, where="method")


def test_a_chosen_group_is_the_frozen_set_and_a_drawn_one_is_none() -> None:
    quick = {"refine_steps": 0, "anchor_weight": 0.0, "reconstruct_steps": 4, "steps": 1}
    by_choice = {}
    for choice in ("covering", "group"):
        recipe = refined(**quick, frozen_choice=choice)
        latent = Choice(name="codebook", options=recipe.latent.options | {"frozen": "codes", "codes": 8})
        job = Job(msgspec.structs.replace(recipe, latent=latent).resolved(), data_root=None)
        job.method.begin(None)
        job.method.begin(next(stage for stage in job.method.stages() if stage.name == "match"))
        by_choice[choice] = job.method.law.codes.detach().clone()
    covering, group = by_choice["covering"], by_choice["group"]
    assert not torch.equal(covering, group)
    assert torch.equal(covering.flatten(1).sort().values, group.flatten(1).sort().values)  # in another order
    with pytest.raises(SpecError, match="frozen_choice"):
        Job(refined(**quick, frozen_choice="group").resolved(), data_root=None)


def test_a_choice_without_codes_to_choose_from_is_refused() -> None:
    options = {"frozen_choice": "group", "reconstruct_steps": 0}
    with pytest.raises(RecipeError, match="frozen_choice needs reconstruct_steps"):
        METHODS.config("generative", options, where="method")


def test_a_generator_that_went_black_is_told_while_it_happens(tmp_path: Path) -> None:
    dead = refined(reconstruct_steps=400, reconstruct_lr=0.3, feature_weight=0.0)
    seen: list[int] = []
    with pytest.raises(RecipeError, match="one image of every code") as error:
        condensation.condense(dead, out=tmp_path / "dead", on_progress=lambda told: seen.append(told.step))
    assert "reconstruct_warmup" in str(error.value) and max(seen) < 400
    assert not (tmp_path / "dead").exists()


def test_a_warm_up_reaches_the_rate_step_by_step() -> None:
    job = Job(refined(reconstruct_steps=40, reconstruct_warmup=4, networks=0, network_ages=[],
                       feature_weight=0.0, fresh_share=1.0).resolved(), data_root=None)  # fmt: skip
    stage = next(stage for stage in job.method.stages() if stage.name == "reconstruct")
    job.method.begin(stage)
    training = StageTraining(job, stage)
    rates = []
    for _ in range(6):
        training._step()
        rates.append(training.optimiser.param_groups[0]["lr"] / stage.lr)
    assert rates[:3] == pytest.approx([0.25, 0.5, 0.75], abs=0.01) and min(rates[3:]) > 0.9


def test_windows_show_the_same_place_of_both_images_and_every_pixel_as_often() -> None:
    place = torch.arange(32 * 48, dtype=torch.float32).reshape(1, 1, 32, 48)
    rng, seen = torch.Generator().manual_seed(0), torch.zeros(32 * 48)
    for _ in range(2000):
        a, b = _windows([place, place + 0.5], 0.5, rng)
        assert a.shape == (1, 1, 16, 24) and torch.equal(a + 0.5, b)
        assert torch.equal(torch.diff(a[0, 0], dim=1).remainder(48), torch.ones(16, 23))
        seen[a.long().flatten()] += 1
    assert seen.min() > 0.7 * seen.mean() and seen.max() < 1.3 * seen.mean()
    assert _windows([place], 0.01, rng)[0].shape[2:] == (16, 16)  # what a network can still pool
    assert _windows([place[:, :, :8, :8]], 0.5, rng)[0].shape[2:] == (8, 8)


def test_features_are_compared_in_windows_where_a_recipe_says_so(tmp_path: Path) -> None:
    def weights(**options: Any) -> bytes:
        out = tmp_path / "-".join(map(str, options.values()))
        condensation.condense(refined(feature_weight=0.3, **options), out=out)
        return (out / "generator.safetensors").read_bytes()

    # Digits have 8 x 8 pixels, the least a window has: it is the whole image, another part of it first each time.
    assert weights(feature_window=0.5) != weights(feature_window=1.0)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_a_window_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(RecipeError, match="feature_window must be above 0"):
        METHODS.config("generative", {"feature_window": share}, where="method")


def test_a_generator_without_anything_to_train_is_refused() -> None:
    recipe = load_recipe("digits/random-real", overrides=("method.name=generative", "method.options={}"))
    with pytest.raises(SpecError, match="PixelBank has nothing to train"):
        condensation.plan(recipe)


@pytest.mark.parametrize("network", ["mlp2-w8", "lenet", "vit-p4-d16-l1-h2"])
def test_a_network_that_cannot_see_windows_is_refused_before_its_training(tmp_path: Path, network: str) -> None:
    generator = torch.Generator().manual_seed(0)
    for number in range(8):
        path = tmp_path / "data" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((torch.rand(32, 32, generator=generator) * 255).to(torch.uint8).numpy()).save(path)
    recipe = msgspec.structs.replace(
        refined(network=network, feature_window=0.5),
        source=Choice(name="folder", options={"path": str(tmp_path / "data")}),
    )
    with pytest.raises(SpecError, match="cannot see 16 x 16 pixels"):
        condensation.plan(recipe)


@pytest.mark.parametrize("options", [{"frozen_steps": 1}, {"label_steps": 1}])
def test_running_statistics_of_a_generator_that_is_done_stay(options: dict[str, Any]) -> None:
    recipe = frozen(networks=1, **options)
    generator = Choice(name="dim-conv-gan", options={})
    method = Job(msgspec.structs.replace(recipe, generator=generator).resolved(), data_root=None).method
    before = {name: buffer.clone() for name, buffer in method.generator.named_buffers()}
    assert before
    method.step(method.stages()[-1], 0)
    for name, buffer in method.generator.named_buffers():
        assert torch.equal(buffer, before[name]), name


def test_one_real_image_of_a_class_is_too_few_to_match() -> None:
    with pytest.raises(RecipeError, match="real_per_class must be at least 2"):
        METHODS.config("generative", {"real_per_class": 1}, where="method")


@pytest.mark.parametrize(
    "options",
    [
        {"trajectories": [{}], "experts": {"network": "convnet2-w256-in", "count": 100, "points": 100}},
        {"unroll": [{"students": 1000}], "network": "convnet3-w512-in"},
        {"networks": 500, "network_ages": [1, 2, 3, 4], "network": "convnet2-w512-in"},
    ],
)
def test_more_kept_networks_than_memory_has_room_for_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"networks of [\d,]+ weights would be kept, \d+ GB"):
        condensation.plan(frozen(**options))


@pytest.mark.parametrize(
    ("options", "ipc", "told"),
    [
        ({"losses": [{"name": "attention"}], "network": "mlp2-w8", "feature_weight": 0.0, "steps": 1}, 2, "one pixel"),
        ({"frozen_losses": [{"name": "mean"}], "frozen_steps": 1}, 1, "frozen_losses: 'mean' of 1 sample"),
        ({"frozen_losses": [{"name": "intra-class"}], "frozen_steps": 1}, 1, "'intra-class' of 1 sample"),
        ({"losses": [{"name": "inter-class"}], "classes_per_step": 1, "steps": 1}, 2, "'inter-class' is 0 whatever"),
    ],
)
def test_a_term_that_cannot_be_had_is_refused_before_anything_is_trained(
    options: dict[str, Any], ipc: int, told: str
) -> None:
    recipe = frozen(**options)
    with pytest.raises(SpecError, match=told):
        condensation.plan(msgspec.structs.replace(recipe, artifact=msgspec.structs.replace(recipe.artifact, ipc=ipc)))


@pytest.mark.parametrize(
    ("options", "trained"),
    [({"pool": "random", "feature_weight": 0.0}, False), ({"pool": "random"}, True), ({"feature_weight": 0.0}, True)],
)
def test_networks_that_nobody_asks_are_not_trained(options: dict[str, Any], trained: bool) -> None:
    stages = condensation.plan(refined(steps=1, **options)).stages
    assert ("pool" in dict(stages)) == trained


@pytest.mark.parametrize("latent", [Choice(name="slot", options={"slots": 4}), Choice(name="stored", options={})])
def test_a_law_without_new_samples_is_refused(latent: Choice) -> None:
    recipe = load_recipe("digits/generative-16kb", overrides=("artifact.ipc=1",))
    with pytest.raises(SpecError, match="which has no new samples to match; expected codebook, mixture or normal"):
        condensation.plan(msgspec.structs.replace(recipe, latent=latent))


def test_of_a_frozen_set_larger_than_the_codebook_the_codes_must_be_enough() -> None:
    recipe = frozen(frozen_losses=[{"name": "mean"}], frozen_steps=1)
    latent = Choice(name="codebook", options={**recipe.latent.options, "codes": 1, "neighbours": 0})
    with pytest.raises(SpecError, match="frozen_losses: 'mean' of 1 sample"):
        condensation.plan(msgspec.structs.replace(recipe, latent=latent))


@pytest.mark.parametrize("network", ["resnet10-half-bn", "vit-p4-d16-l1-h2"])
def test_a_network_that_pools_its_last_maps_embeds_too(tmp_path: Path, network: str) -> None:
    recipe = refined(network=network, feature_weight=0.0, reconstruct_steps=2, refine_steps=1, steps=2)
    assert condensation.condense(recipe, out=tmp_path / "made").spec.num_classes == 10


@pytest.mark.parametrize(("height", "width"), [(4, 64), (32, 320), (80, 8), (28, 28)])
def test_the_encoder_takes_images_of_any_shape(height: int, width: int) -> None:
    spec = SampleSpec(channels=1, height=height, width=width, classes=("a", "b"))
    mean, log_var = Encoder(spec=spec, dim=3, width=4)(torch.zeros(2, 1, height, width), torch.tensor([0, 1]))
    assert mean.shape == log_var.shape == (2, 3)


def test_a_step_of_a_network_with_dropout_is_the_same_whenever_it_is_taken(tmp_path: Path) -> None:
    options = {"network": "vit-p4-d16-l1-h1", "feature_weight": 0.0, "networks": 1, "network_ages": [3]}
    recipe = refined(**options, reconstruct_steps=2, refine_steps=1, steps=1)
    first = condensation.condense(recipe, out=tmp_path / "first")
    torch.rand(3)  # whatever else drew from the global generator
    before = torch.get_rng_state()
    again = condensation.condense(recipe, out=tmp_path / "again")
    assert again.artifact_id == first.artifact_id
    assert torch.equal(torch.get_rng_state(), before)


def test_what_is_planned_leaves_the_callers_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    condensation.plan("digits/generative-16kb")
    assert torch.equal(torch.get_rng_state(), before)


def test_terms_that_no_stage_uses_are_not_asked_for() -> None:
    options = {"losses": [{"name": "attention"}], "network": "mlp2-w8", "feature_weight": 0.0}
    assert condensation.plan(refined(**options, steps=0, anchor_weight=0.0))
    with pytest.raises(SpecError, match="maps of one pixel"):
        condensation.plan(refined(**options))
