"""What must not be published: what is not sound, says too little, or holds what others may not share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.artifact.card import BANKS
from gendata.artifact.manifest import Manifest
from gendata.artifact.probes import verify_probes
from gendata.artifact.seals import broken_seals
from gendata.errors import ArtifactError
from gendata.licences import EXAMPLES, allows_sharing


class Reason(NamedTuple):
    """Something against publishing, and what to do about it."""

    what: str
    remedy: str


def check_publishable(artifact: CondensedArtifact, *, contains_real_images: bool = False) -> None:
    """Whether an artifact is sound, and says what a stranger needs to know.

    Args:
        artifact: its files are read and hashed again.
        contains_real_images: said by whoever publishes real images on purpose.

    Raises:
        IntegrityError: it was changed, or this machine does not reproduce it; ArtifactError: all other reasons at once.
    """
    opened = open_artifact(artifact.path)
    opened.check_files()
    verify_probes(opened)
    reasons = [*_untold(artifact), *_unsealed(artifact), *_unshared(artifact.manifest, contains_real_images)]
    if reasons:
        raise ArtifactError(
            f"cannot be published: {'; '.join(reason.what for reason in reasons)}",
            where=str(artifact.path),
            remedy="\n    ".join(dict.fromkeys(reason.remedy for reason in reasons)),
        )


def holds_real_images(manifest: Manifest) -> str | None:
    """Why the samples are real images, or may be; None: a method made them."""
    if manifest.imported is not None:
        pictures = manifest.imported.layout in ("folder", "parquet")
        return "pictures that were imported may be" if pictures else None
    method = (manifest.recipe or {}).get("method")
    name = method.get("name") if isinstance(method, dict) else None
    chooses = _chooses_real(name)
    if chooses is None:
        return "nobody says who made them" if manifest.generator.name in BANKS else None
    return f"the method {name} chooses such" if chooses else None


def _chooses_real(method: Any) -> bool | None:
    """Whether a method's result is a choice of real images; None: nobody knows the method."""
    from gendata.methods.real_subset import RealSubset
    from gendata.registry import METHODS

    return issubclass(METHODS.load(method), RealSubset) if method in METHODS.names() else None


def _untold(artifact: CondensedArtifact) -> Iterator[Reason]:
    if not artifact.manifest.license:
        yield Reason("it states no licence", f"gendata annotate {artifact.path} --license CC-BY-4.0")
    if artifact.manifest.source is None:
        yield Reason("it states no source", f"gendata annotate {artifact.path} --source URL")


def _unsealed(artifact: CondensedArtifact) -> Iterator[Reason]:
    for fault in broken_seals(artifact):
        yield Reason(f"of its results, {fault}", f"Measure again: gendata evaluate {artifact.path} --write")


def _unshared(manifest: Manifest, said: bool) -> Iterator[Reason]:
    why = holds_real_images(manifest)
    if why is None:
        return
    if not said:
        yield Reason(f"it holds real images ({why})", "If their licence allows it, say so: --contains-real-images")
    license = _license_of_images(manifest)
    if not allows_sharing(license):
        yield Reason(
            f"it holds real images under {license or 'an unknown licence'}",
            f"Real images go up only under a licence that lets others share them changed: {EXAMPLES}.",
        )


def _license_of_images(manifest: Manifest) -> str | None:
    """Of the real images: the source's; of somebody's own folder, what its owner states for the artifact."""
    source = manifest.source
    if source is not None and source.license is None and (source.folder is not None or source.name == "folder"):
        return manifest.license
    return source.license if source is not None else None
