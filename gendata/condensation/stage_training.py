"""One stage of a condensation: optimiser, schedule and moving average around `method.step`."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gendata.errors import RecipeError

if TYPE_CHECKING:
    import torch

    from gendata.checkpoint import RunFolder, Saved
    from gendata.condensation.job import Job
    from gendata.methods.method import Stage

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


class StageTraining:
    """One stage: optimiser, schedule and moving average around `method.step`."""

    def __init__(self, job: Job, stage: Stage) -> None:
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
            losses = self._losses()
            total = sum(losses.values(), start=next(iter(losses.values())) * 0)
        total.backward()  # not the accelerator's, which scales it as the environment says
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

    def _losses(self) -> Mapping[str, torch.Tensor]:
        """Of this step, dropout keyed as all other draws are."""
        from gendata.methods.draws import globally_seeded, keyed_generator

        job, rank = self.job, self.job.accelerator.process_index
        key = keyed_generator("dropout", job.recipe.seed, self.stage.name, self.done, rank)
        with globally_seeded(key.initial_seed(), job.accelerator.device):
            return job.method.step(self.stage, self.done, rank=rank)


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
