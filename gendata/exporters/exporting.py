"""`export_artifact`: an artifact's samples as files that other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError
from gendata.exporters.exporter import Exporter, OnProgress
from gendata.registry import EXPORTERS


def export_artifact(
    artifact: CondensedArtifact | str | Path,
    *,
    format: str,
    out: str | Path,
    ipc: int | None = None,
    fresh: int | None = None,
    seed: int = 0,
    epoch: int = 0,
    labels: Literal["hard", "soft"] | None = None,
    num_shards: int | None = None,
    num_proc: int = 1,
    on_progress: OnProgress | None = None,
) -> list[Path]:
    """Writes an artifact's samples as the folder `out`; see `Exporter` for what it promises.

    Args:
        artifact: an opened one, or its folder.
        format: a layout, a name in `EXPORTERS`: parquet, webdataset, image-folder, numpy, ddranking, onnx.
        out: a name that does not exist yet, or this very export, killed or finished.
        ipc: so many stored samples per class, up to `artifact.max_ipc`. None: `artifact.ipc`.
        fresh: so many new samples per class. None: the frozen set.
        seed, epoch: of fresh samples.
        labels: None: soft ones where the artifact has them for these samples, else classes. A head's are left out
            where the layout has no place for them: they can be made again, stored ones would be lost.
        num_shards, num_proc, on_progress: see `Exporter`.

    Returns:
        The files, `export.json` last.

    Raises:
        UnknownNameError: no such layout.
        SpecError: the layout cannot hold these samples or labels, or something else is at `out`.
        IntegrityError: what was read back is not what was written, or a finished export was changed.
        MissingExtraError: the layout needs a package that is not installed.
    """
    kind: type[Exporter] = EXPORTERS.load(format, where="format")
    exporter = kind(num_shards=num_shards, num_proc=num_proc, on_progress=on_progress)
    opened = artifact if isinstance(artifact, CondensedArtifact) else open_artifact(artifact)
    if fresh is not None and ipc is not None:
        raise SpecError(f"ipc is {ipc} and fresh is {fresh}", expected="one of both: stored samples, or new ones")
    dataset = GeneratedDataset(opened).frozen(ipc=ipc)
    if fresh is not None:
        dataset = dataset.fresh(samples_per_class=fresh, seed=seed)
        dataset.set_epoch(epoch)
    elif seed or epoch:
        raise SpecError(f"seed is {seed} and epoch is {epoch}, and the frozen set has neither", expected="fresh=N too")
    if labels is None and _wants_soft(opened, exporter, fresh=fresh is not None):
        labels = "soft"
    return exporter.write(dataset if labels is None else dataset.with_labels(labels), out)


def _wants_soft(artifact: CondensedArtifact, exporter: Exporter, *, fresh: bool) -> bool:
    if artifact.has_fresh_soft_labels:
        return exporter.holds_soft
    return artifact.manifest.labels.kind == "soft" and not fresh
