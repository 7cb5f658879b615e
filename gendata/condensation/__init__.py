"""Recipe to artifact: the one loop. Owns accelerate, averaging, checkpoints and progress; methods own none of them.

Run state lives beside the artifact, in `DIR.run/`; the artifact appears at `DIR` by a rename at the very end. Every
draw is keyed by (seed, stage, step), so the loop may be killed at any moment: the same command goes on from the last
checkpoint, with as many threads as it began with, and on a CPU ends with the same bytes. How many threads share a sum
decides its last bits, so the artifact says how many did. On CUDA some gradients (of bilinear sampling, for one) are
summed in no fixed order: a run there is repeatable in what it draws, not to the last bit.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gendata._threads import torch_threads
from gendata.condensation.job import Job
from gendata.condensation.stage_training import Progress, ProgressHook
from gendata.errors import ArtifactError, RecipeError
from gendata.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact
    from gendata.sources.source import Source

_LONGEST_NAME = 200  # bytes; most file systems take 255, and DIR.run and temporary names are longer

__all__ = ["Plan", "Progress", "ProgressHook", "condense", "plan"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a condensation would do (`dry_run`)."""

    recipe: Recipe  # resolved
    classes: tuple[str, ...]  # in the order of their labels
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
    source: Source | None = None,
) -> CondensedArtifact:
    """Makes the artifact that `recipe` describes, or goes on making it.

    Args:
        recipe: a shipped recipe's name, a YAML file, or a Recipe.
        out: the artifact's folder. Run state is kept in `<out>.run/`.
        overrides: "method.options.steps=500", applied to a recipe that is read from its name or file.
        data_root: where local copies of the source are looked for; None: $GENDATA_DATA.
        on_progress: called after every step.
        source: the recipe's, where it is open already.

    Returns:
        The opened artifact. If `out` already holds what this resolved recipe makes, nothing is changed.

    Raises:
        RecipeError, UnknownNameError, SourceError: the recipe or its data are not acceptable.
        ArtifactError: `out`, or its run folder, belongs to another recipe.
    """
    import torch

    from gendata.checkpoint import RunFolder

    out = Path(out)
    _check_name(out)
    made = _made(out)
    job = _job(_resolved(recipe, overrides), out, data_root, source)
    if made:
        _check_same(job, made, where=str(out))
        return made
    run = RunFolder(
        out.with_name(out.name + ".run"),
        recipe=job.recipe,
        claim=job.claim(),
        threads=torch.get_num_threads(),
        is_first=job.accelerator.is_main_process,
    )
    with run as folder, torch_threads(folder.threads):
        job.run(folder, on_progress)
        return job.save(out, folder)


def plan(
    recipe: str | Path | Recipe,
    *,
    out: str | Path | None = None,
    overrides: tuple[str, ...] = (),
    data_root: str | Path | None = None,
    source: Source | None = None,
) -> Plan:
    """What `condense` would do, without doing it: opens the source, builds everything, takes no step.

    Raises:
        GendataError: as `condense`, of `out` too where it is given, but for what its run folder holds.
    """
    if out is not None:
        _check_name(Path(out))
    made = _made(Path(out)) if out is not None else None
    job = _job(_resolved(recipe, overrides), Path(out) if out is not None else None, data_root, source)
    if made:
        _check_same(job, made, where=str(out))
    return Plan(
        recipe=job.recipe,
        classes=job.source.spec.classes,
        num_train=len(job.method.real.y),
        num_validation=job.num_validation,
        num_test=len(job.source.split("test").y),
        num_parameters=sum(p.numel() for p in job.method.generator.parameters()),
        macs_per_image=job.method.generator.macs_per_image(),
        stages=tuple((stage.name, stage.num_steps) for stage in job.method.stages()),
    )


def _job(recipe: Recipe, out: Path | None, data_root: str | Path | None, source: Source | None) -> Job:
    """Raises SourceError if the run would lie among the images that it reads."""
    from gendata.sources.source import open_source

    root = Path(data_root) if data_root else None
    source = source or open_source(recipe.source, data_root=root)
    if out is not None:
        source.check_apart(out)
    return Job(recipe, data_root=root, source=source)


def _check_name(out: Path) -> None:
    """Raises ArtifactError unless a folder of that name can appear: the one somebody stands in would be replaced."""
    if out.name in ("", ".."):
        raise ArtifactError(
            "is no name of a folder to be made", where=str(out), expected="a new name", remedy="Take one: --out mine."
        )
    if len(os.fsencode(out.name)) > _LONGEST_NAME:
        raise ArtifactError(
            f"a name of {len(os.fsencode(out.name))} bytes", where=str(out), expected=f"at most {_LONGEST_NAME}",
            remedy="Take a shorter one: --out mine.",
        )  # fmt: skip


def _made(out: Path) -> CondensedArtifact | None:
    """What is at `out`, which only an artifact may be."""
    from gendata.artifact.artifact import open_artifact
    from gendata.artifact.layout import MANIFEST

    if not os.path.exists(out) or _is_empty(out):
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


def _check_same(job: Job, made: CondensedArtifact, *, where: str) -> None:
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
