"""An artifact copied into a folder of its own, which appears complete or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.artifact.layout import CARD, MANIFEST, is_listable, listed_path, new_folder, read_card, replace_file
from gendata.errors import ArtifactError


def copy_artifact(artifact: CondensedArtifact, out: Path, *, replace: bool = False) -> CondensedArtifact:
    """Copies what belongs to the artifact, and nothing else, to the folder `out`.

    Args:
        artifact: an opened one.
        out: a name that does not exist yet, an empty folder, or the same artifact, which is left as it is.
        replace: an artifact that is there, sound or not, gives way.

    Raises:
        ArtifactError: something else is there, nothing can be made there, or the card is a link to elsewhere.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        if not replace:
            return _same_artifact(out, artifact)
        _check_replaceable(out)
    card = read_card(artifact.path)
    with new_folder(out) as partial:
        if card is not None:
            replace_file(partial / CARD, card)
        _copy(artifact.path / MANIFEST, partial / MANIFEST)
        for name, facts in artifact.manifest.files.items():
            path = listed_path(artifact.path, name, facts)
            if path.is_file():
                _copy(path, partial / name)
        partial.chmod(0o755)
        open_artifact(partial)
        _put(partial, out)
    return open_artifact(out, verify="none")


def _put(partial: Path, out: Path) -> None:
    """Renames `partial` to `out`; what is there goes once that is done."""
    replaced = partial / ".replaced"
    if out.exists():
        out.rename(replaced)
    try:
        partial.rename(out)
    except OSError:
        if replaced.exists():
            replaced.rename(out)
        raise
    shutil.rmtree(out / ".replaced", ignore_errors=True)


def _copy(path: Path, copy: Path) -> None:
    copy.parent.mkdir(exist_ok=True)
    with path.open("rb") as source, copy.open("xb") as target:  # a cache holds links; their targets are copied
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())


def _same_artifact(out: Path, artifact: CondensedArtifact) -> CondensedArtifact:
    """What is at `out`, if it is this artifact and sound."""
    remedy = "Choose another folder; or replace what is there: --force."
    try:
        found = open_artifact(out)
    except ArtifactError as error:
        raise ArtifactError(f"holds no sound artifact ({error.what})", where=str(out), remedy=remedy) from None
    if found.manifest.digest != artifact.manifest.digest:
        raise ArtifactError(
            f"holds another artifact, {found.artifact_id[:12]}, or other facts about the same one",
            where=str(out),
            expected=f"nothing, or {artifact.artifact_id[:12]}",
            remedy=remedy,
        )
    return found


def _check_replaceable(out: Path) -> None:
    """Raises ArtifactError unless everything in `out` could belong to an artifact: nobody's own files are removed."""
    inside = out.rglob("*") if out.is_dir() else [out]
    names = [path.relative_to(out).as_posix() for path in inside if not path.is_dir()]
    others = [name for name in names if not _could_belong(name)]
    if others:
        raise ArtifactError(
            f"holds {others[0][:80]!r}, which belongs to no artifact",
            where=str(out),
            remedy="--force replaces an artifact and nothing else; choose another folder.",
        )


def _could_belong(name: str) -> bool:
    return name in (MANIFEST, CARD, ".gitattributes") or name.startswith(".cache/huggingface/") or is_listable(name)
