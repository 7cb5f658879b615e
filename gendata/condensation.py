"""Recipe to artifact: the one loop. Owns accelerate, averaging, checkpoints and progress; methods own none of them.

Run state lives beside the artifact, in `DIR.run/`; the artifact appears at `DIR` by a rename at the very end. Every
draw is keyed by (seed, stage, step), so the loop may be killed at any moment: the same command goes on from the last
checkpoint, with as many threads as it began with, and on a CPU ends with the same bytes. How many threads share a sum
decides its last bits, so the artifact says how many did. On CUDA some gradients (of bilinear sampling, for one) are
summed in no fixed order: a run there is repeatable in what it draws, not to the last bit.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gendata.errors import ArtifactError, RecipeError
from gendata.recipe import Recipe, load_recipe
from gendata.registry import GENERATORS, LATENTS, METHODS

if TYPE_CHECKING:
    import torch

    from gendata.artifact.artifact import CondensedArtifact
    from gendata.checkpoint import RunFolder, Saved
    from gendata.methods.method import Method, Stage
    from gendata.sources.source import Source

_EMA_DECAY = 0.999  # of the weights, per step; less over the first steps
_CHECKPOINT_SEC = 2.0  # between checkpoints, at least: about as much work is lost by a kill
_CHECKPOINT_SHARE = 0.02  # of the time may go into writing them; neither influences the result
_STATS_EVERY = 20  # steps per line of stats.jsonl
_PICTURES = 4  # sample sheets per stage
_PICTURE_CLASSES, _PICTURE_COLUMNS = 20, 10

ProgressHook = Callable[["Progress"], None]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a condensation stands; given to the caller's hook after every step."""

    stage: str
    step: int  # steps done in this stage
    num_steps: int
    losses: Mapping[str, float] | None = None  # weighted terms, on the steps that are written to stats.jsonl


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a condensation would do (`dry_run`)."""

    recipe: Recipe  # resolved
    num_train: int
    num_validation: int  # held out of train, for choices
    num_test: int  # the source's own, or held out by it
    num_parameters: int
    macs_per_image: int
    stages: tuple[tuple[str, int], ...]  # name, steps


def condense(
    recipe: str | Path | Recipe,
    *,
    out: str | Path,
    overrides: tuple[str, ...] = (),
    data_root: str | Path | None = None,
    on_progress: ProgressHook | None = None,
) -> CondensedArtifact:
    """Makes the artifact that `recipe` describes, or goes on making it.

    Args:
        recipe: a shipped recipe's name, a YAML file, or a Recipe.
        out: the artifact's folder. Run state is kept in `<out>.run/`.
        overrides: "method.options.steps=500", applied to a recipe that is read from its name or file.
        data_root: where local copies of the source are looked for; None: $GENDATA_DATA.
        on_progress: called after every step.

    Returns:
        The opened artifact. If `out` already holds what this resolved recipe makes, nothing is changed.

    Raises:
        RecipeError, UnknownNameError, SourceError: the recipe or its data are not acceptable.
        ArtifactError: `out`, or its run folder, belongs to another recipe.
    """
    import torch

    from gendata.checkpoint import RunFolder

    out = Path(out)
    made = _made(out)
    job = _Job(_resolved(recipe, overrides), data_root=Path(data_root) if data_root else None)
    if made:
        _check_same(job, made, where=str(out))
        return made
    run = RunFolder(
        out.with_name(out.name + ".run"), recipe=job.recipe, claim=job.claim(), threads=torch.get_num_threads()
    )
    with run as folder, _threads(folder.threads):
        job.run(folder, on_progress)
        return job.save(out, folder)


def plan(
    recipe: str | Path | Recipe,
    *,
    out: str | Path | None = None,
    overrides: tuple[str, ...] = (),
    data_root: str | Path | None = None,
) -> Plan:
    """What `condense` would do, without doing it: opens the source, builds everything, takes no step.

    Raises:
        GendataError: as `condense`, of `out` too where it is given, but for what its run folder holds.
    """
    made = _made(Path(out)) if out is not None else None
    job = _Job(_resolved(recipe, overrides), data_root=Path(data_root) if data_root else None)
    if made:
        _check_same(job, made, where=str(out))
    return Plan(
        recipe=job.recipe,
        num_train=len(job.method.real.y),
        num_validation=job.num_validation,
        num_test=len(job.source.split("test").y),
        num_parameters=sum(p.numel() for p in job.method.generator.parameters()),
        macs_per_image=job.method.generator.macs_per_image(),
        stages=tuple((stage.name, stage.num_steps) for stage in job.method.stages()),
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads of torch while this lasts."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _made(out: Path) -> CondensedArtifact | None:
    """What is at `out`, which only an artifact may be."""
    from gendata.artifact.artifact import open_artifact
    from gendata.artifact.layout import MANIFEST

    if not out.exists() or _is_empty(out):
        return None
    if out.is_dir() and not (out / MANIFEST).exists():
        raise ArtifactError(
            "is not empty and holds no artifact", where=str(out), remedy="Name another folder: --out DIR."
        )
    return open_artifact(out)


def _is_empty(out: Path) -> bool:
    """Whether `out` is a folder without anything in it, which the artifact may replace."""
    return out.is_dir() and next(out.iterdir(), None) is None


def _resolved(recipe: str | Path | Recipe, overrides: tuple[str, ...]) -> Recipe:
    if isinstance(recipe, Recipe):
        if overrides:
            raise RecipeError("overrides apply to a recipe's name or file", remedy="Change the Recipe object instead.")
        return recipe.resolved()
    return load_recipe(recipe, overrides=overrides).resolved(where=str(recipe))


def _check_same(job: _Job, made: CondensedArtifact, *, where: str) -> None:
    source, manifest = made.manifest.source, made.manifest
    pairs = {
        "recipe digest": (job.recipe.digest(), manifest.recipe_digest),
        "source fingerprint": (job.source.fingerprint, source.fingerprint if source else None),
    }
    if job.recipe.made(manifest.recipe, manifest.recipe_digest):
        del pairs["recipe digest"]
    for what, (wanted, found) in pairs.items():
        if wanted != found:
            raise ArtifactError(
                f"holds an artifact of another {what} ({str(found)[:12]})",
                where=where,
                expected=wanted[:12],
                remedy="Choose another --out, or remove the old one.",
            )


class _Job:
    """One condensation: its data, method and loop."""

    def __init__(self, recipe: Recipe, *, data_root: Path | None) -> None:
        import torch
        from accelerate import Accelerator

        from gendata.artifact.modules import check_noise, check_work
        from gendata.methods.method import RealData
        from gendata.sources.balance import hold_out
        from gendata.sources.source import open_source
        from gendata.sources.statistics import pixel_statistics

        self.recipe = recipe
        self.source: Source = open_source(recipe.source, data_root=data_root)
        spec = self.source.spec
        self.accelerator = Accelerator()  # its own mixed precision is one setting per process; ours is per recipe
        _use_deterministic_kernels()
        device = self.accelerator.device
        fit, validation = hold_out(self.source.split("train"))
        self.num_validation = len(validation.y)
        self.mean, self.std = pixel_statistics(fit)
        real = RealData(x_u8=fit.x.to(device), y=fit.y.to(device), spec=spec, mean=self.mean, std=self.std)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(recipe.seed)
            law = LATENTS.load(recipe.latent.name)(_config(LATENTS, recipe.latent), num_classes=spec.num_classes)
            generator = GENERATORS.load(recipe.generator.name)(
                _config(GENERATORS, recipe.generator), spec=spec, latent_dim=law.dim
            )
        # Found now, before hours of training, not when the artifact is saved.
        check_noise(generator, law, where="latent.options.noise")
        check_work(generator, law, micro_batch=recipe.artifact.micro_batch, where="artifact.micro_batch")
        self.method: Method = METHODS.load(recipe.method.name)(
            _config(METHODS, recipe.method), generator=generator, law=law, real=real, seed=recipe.seed
        ).to(device)
        self.method.storage, self.method.ipc = recipe.artifact.storage, recipe.artifact.ipc
        self.method.latent_storage = recipe.artifact.latent_storage or recipe.artifact.storage
        if recipe.precision == "bf16":  # its convolutions are several times faster this way on a CPU with AMX
            _to_channels_last(generator)

    def claim(self) -> dict[str, str]:
        """What must be the same when a run is taken up again."""
        import torch

        import gendata

        processes = self.accelerator.num_processes
        return {
            "recipe digest": self.recipe.digest(),
            "source fingerprint": self.source.fingerprint,
            "gendata version": gendata.__version__,
            "torch version": str(torch.__version__),
            "device": f"{self.accelerator.device.type} x {processes}",
        }

    def run(self, folder: RunFolder, on_progress: ProgressHook | None) -> None:
        """All stages, from the last checkpoint on."""
        from gendata.training_state import restore

        self.method.begin(None)
        stages = self.method.stages()
        saved = folder.load()
        first = saved.stage if saved else 0
        for number in range(first, len(stages)):
            stage = stages[number]
            resumed = saved if saved and number == first else None
            if resumed is None:
                self.method.begin(stage)
            else:
                restore(self.method, resumed.tensors, prefix="method")
            training = _Training(self, stage)
            if resumed:
                training.load(resumed)
            training.run(number, folder, on_progress)
            training.finish()
        self.method.finish()

    def save(self, out: Path, folder: RunFolder) -> CondensedArtifact:
        """The artifact at `out`; then the run state is no longer needed."""
        import torch

        from gendata.artifact.artifact import Draft, Normalisation, open_artifact, save_artifact
        from gendata.artifact.manifest import CondensedOn
        from gendata.dataset.grid import draft_preview

        if not self.accelerator.is_main_process:
            self.accelerator.wait_for_everyone()
            return open_artifact(out)
        facts, plan = self.source.facts(), self.recipe.artifact
        draft = Draft(
            generator_name=self.recipe.generator.name,
            generator=self.method.generator.cpu().to(memory_format=torch.contiguous_format),
            latent_name=self.recipe.latent.name,
            law=self.method.law.cpu(),
            spec=self.source.spec,
            ipc=plan.ipc,
            frozen_seed=plan.frozen_seed,
            micro_batch=plan.micro_batch,
            storage=plan.storage,
            latent_storage=plan.latent_storage,
            normalisation=Normalisation(mean=self.mean, std=self.std),
            recipe=self.recipe.portable(),
            source=facts,
            license=facts.license,
            citation=facts.citation,
            condensed_on=CondensedOn(
                device=self.claim()["device"], isa=torch.backends.cpu.get_cpu_capability(), threads=folder.threads
            ),
            label_head=self.method.label_head.cpu() if self.method.label_head else None,
            dtype="float32" if self.method.space else "uint8",
            space=self.method.space,
        )
        artifact = save_artifact(out, draft, preview=draft_preview(draft))
        folder.forget()
        self.accelerator.wait_for_everyone()
        return artifact


class _Training:
    """One stage: optimiser, schedule and moving average around `method.step`."""

    def __init__(self, job: _Job, stage: Stage) -> None:
        from torch.optim.swa_utils import AveragedModel

        from gendata.generators.generator import Generator
        from gendata.latents.law import LatentLaw

        self.job, self.stage, self.done = job, stage, 0
        self.module = job.method.trainable(stage)
        self.optimiser = _optimiser(stage, self.module, job.method.opponent(stage))
        self.average = AveragedModel(self.module, multi_avg_fn=_moving_average) if stage.averaged else None
        drawing = any(isinstance(part, Generator | LatentLaw) for part in self.module.modules())
        self.is_pictured = stage.averaged and drawing

    def load(self, saved: Saved) -> None:
        from gendata.training_state import restore, restore_optimiser

        self.done = saved.step
        restore_optimiser(self.optimiser, saved.tensors)
        if self.average:
            restore(self.average, saved.tensors, prefix="average")

    def state(self) -> dict[str, torch.Tensor]:
        """Everything the rest of the run depends on."""
        from gendata.training_state import named_tensors, optimiser_tensors

        tensors = named_tensors(self.job.method, prefix="method") | optimiser_tensors(self.optimiser)
        return tensors | (named_tensors(self.average, prefix="average") if self.average else {})

    def run(self, number: int, folder: RunFolder, on_progress: ProgressHook | None) -> None:
        main = self.job.accelerator.is_main_process
        saved_at, saving_sec = time.monotonic(), 0.0
        while self.done < self.stage.num_steps:
            losses = self._step()
            told = None
            if self.done % _STATS_EVERY == 0 or self.done == self.stage.num_steps:
                told = {name: float(value.detach()) for name, value in losses.items()}
                _check_finite(told, self.stage, self.done)
                if main:
                    folder.write_stats({"stage": self.stage.name, "step": self.done, **told})
            if main and self.is_pictured and self.done % max(1, self.stage.num_steps // _PICTURES) == 0:
                folder.write_picture(f"{self.stage.name}-{self.done:06d}.png", self._picture())
            begun = time.monotonic()
            if main and begun - saved_at > max(_CHECKPOINT_SEC, saving_sec / _CHECKPOINT_SHARE):
                folder.save(stage=number, step=self.done, tensors=self.state())
                saved_at = time.monotonic()
                saving_sec = saved_at - begun
            if on_progress and main:
                on_progress(
                    Progress(stage=self.stage.name, step=self.done, num_steps=self.stage.num_steps, losses=told)
                )

    def finish(self) -> None:
        """The stage's result: the average where one was kept."""
        import torch

        if self.average:
            with torch.no_grad():
                for kept, averaged in zip(self.module.parameters(), self.average.parameters(), strict=True):
                    kept.copy_(averaged)

    def _picture(self) -> bytes:
        """Samples of the averaged weights, a row per class, under the law that is being fitted or N(0, I) before."""
        import numpy as np

        from gendata.artifact.sampling import fresh_key, sample_images
        from gendata.dataset.grid import grid_png
        from gendata.generators.generator import Generator
        from gendata.latents.law import LatentLaw
        from gendata.latents.normal import Normal, NormalConfig

        spec, generator = self.job.source.spec, self.job.method.generator
        code_dim = generator.latent_dim - generator.num_noise
        law: LatentLaw = Normal(NormalConfig(dim=code_dim), num_classes=spec.num_classes)
        for part in self.average.modules() if self.average else ():
            if isinstance(part, Generator):
                generator = part
            elif isinstance(part, LatentLaw):
                law = copy.deepcopy(part).cpu()
        law.prepare()
        rows = min(_PICTURE_CLASSES, spec.num_classes)
        key = fresh_key(np.arange(rows * _PICTURE_COLUMNS), samples_per_class=_PICTURE_COLUMNS, seed=0, epoch=0)
        x_u8 = sample_images(generator, law, micro_batch=32, **key)
        return grid_png(x_u8.cpu().reshape(rows, _PICTURE_COLUMNS, *spec.shape))

    def _step(self) -> Mapping[str, torch.Tensor]:
        import torch

        accelerator, stage = self.job.accelerator, self.stage
        cosine = 0.5 * (1 + math.cos(math.pi * self.done / stage.num_steps))
        warm = min(1.0, (self.done + 1) / max(1, stage.warmup_steps))
        for group in self.optimiser.param_groups:
            group["lr"] = warm * group["first_lr"] * (stage.final_lr_share + (1 - stage.final_lr_share) * cosine)
        self.optimiser.zero_grad(set_to_none=True)
        bf16 = self.job.recipe.precision == "bf16"
        with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=bf16):
            losses = self.job.method.step(stage, self.done, rank=accelerator.process_index)
            total = sum(losses.values(), start=next(iter(losses.values())) * 0)
        accelerator.backward(total)
        if accelerator.num_processes > 1:
            for group in self.optimiser.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        parameter.grad = accelerator.reduce(parameter.grad, "mean")
        self.optimiser.step()
        if self.average:
            self.average.update_parameters(self.module)
        self.done += 1
        return losses


def _optimiser(stage: Stage, module: torch.nn.Module, opponent: torch.nn.Module | None) -> torch.optim.Optimizer:
    """Minimises over `module`; over `opponent` it maximises."""
    import torch

    groups: list[dict[str, Any]] = [{"params": list(module.parameters()), "first_lr": stage.lr}]
    if opponent is not None:
        groups.append({"params": list(opponent.parameters()), "first_lr": stage.opponent_lr, "maximize": True})
    if stage.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=stage.lr, momentum=stage.momentum)
    return torch.optim.Adam(groups, lr=stage.lr, betas=stage.betas)


def _moving_average(averaged: Any, current: Any, num_averaged: Any) -> None:
    """Exponential, with a shorter memory over the first steps: a run of 300 steps must not average its start."""
    import torch

    steps = int(num_averaged)
    torch._foreach_lerp_(list(averaged), list(current), 1 - min(_EMA_DECAY, (1 + steps) / (10 + steps)))


def _check_finite(losses: Mapping[str, float], stage: Stage, step: int) -> None:
    bad = {name: value for name, value in losses.items() if not math.isfinite(value)}
    if bad:
        raise RecipeError(
            f"the condensation diverged: {bad} at step {step} of stage {stage.name!r}",
            remedy="Lower the learning rate of that stage, or the weight of the term named.",
        )


def _to_channels_last(module: torch.nn.Module) -> None:
    """Lays out weights of convolutions so that an image's channels lie together; a bank of images stays as it is."""
    import torch

    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)


def _config(registry: Any, choice: Any) -> Any:
    return registry.config(choice.name, choice.options, where=choice.name)


def _use_deterministic_kernels() -> None:
    import torch

    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
