"""`import_artifact`: other tools' files to an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gendata.artifact.artifact import CondensedArtifact, save_artifact
from gendata.dataset.grid import draft_preview
from gendata.errors import SourceError, SpecError
from gendata.importers.drafts import bank_draft, generator_draft
from gendata.importers.layout import Files, ImageSet, Layout
from gendata.importers.wanted import Wanted
from gendata.registry import Registry

LAYOUTS = Registry("layout", "gendata.importers")


def import_artifact(
    path: str | Path, *, out: str | Path, layout: str | None = None, **wanted: Any
) -> CondensedArtifact:
    """Makes an artifact of images or a generator that another tool published; nothing of theirs is run.

    Values are kept as they are: floats outside [0, 1] and whitened images stay so, and the artifact says how real
    images are brought into the same space. Normalisation, class names and labels are taken from the files, else from
    `wanted`, else from what is published about the data set; where none of them says, the import is refused.

    Args:
        path: a file, or a folder that holds the files.
        out: the artifact's folder; a name that does not exist yet.
        layout: how the files are laid out, a name in `LAYOUTS`; None: guessed, and said.
        wanted: what the files do not say, and `say`; see `gendata.importers.wanted.Wanted`.

    Raises:
        SourceError: the files are missing, damaged, of another layout, or need code to be read.
        SpecError: something has to be said; names what and the option that says it.
    """
    said = Wanted(**wanted)
    files = Files(Path(path))
    if not files.path.exists():
        raise SourceError("no such file or folder", where=str(path), expected="what another tool published")
    chosen = _chosen(files, layout, said)
    found = chosen.read(files, said)
    if isinstance(found, ImageSet):
        draft = bank_draft(found, layout=chosen.name, wanted=said, where=str(path))
    else:
        draft = generator_draft(found, layout=chosen.name, wanted=said, where=str(path))
    return save_artifact(out, draft, preview=draft_preview(draft))


def _chosen(files: Files, name: str | None, wanted: Wanted) -> Layout:
    if name is not None:
        chosen: Layout = LAYOUTS.load(name, where="--layout")()
        return chosen
    from gendata.importers import TABLE

    for known in TABLE:
        candidate: Layout = LAYOUTS.load(known)()
        if candidate.claims(files):
            wanted.say(f"layout {known} ({candidate.summary}), by what the files look like (--layout)")
            return candidate
    raise SpecError(
        "is of no layout known here", where=str(files.path), expected=", ".join(TABLE),
        remedy="Name the layout: --layout NAME; or write the images as a folder per class.",
    )  # fmt: skip
