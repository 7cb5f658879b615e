"""From a path or a name to a dataset. With `publish.py`, the only file that knows the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gendata.errors import ArtifactError, HubError

if TYPE_CHECKING:
    from gendata.dataset.generated import GeneratedDataset


def load_condensed(path_or_name: str | Path) -> GeneratedDataset:
    """The dataset of an artifact: its frozen set, map-style.

    Args:
        path_or_name: the artifact's folder. Names on the Hub come with a later release.

    Raises:
        ArtifactError: the folder is missing, is not an artifact or has been changed.
        HubError: `path_or_name` reads like a name on the Hub.
    """
    from gendata.artifact.artifact import open_artifact
    from gendata.dataset.generated import GeneratedDataset

    return GeneratedDataset(open_artifact(artifact_folder(path_or_name)))


def artifact_folder(path_or_name: str | Path) -> Path:
    """The existing folder that `path_or_name` means.

    Raises:
        ArtifactError, HubError: see `load_condensed`.
    """
    path = Path(path_or_name)
    if path.is_dir():
        return path
    if path.exists():
        raise ArtifactError("is a file", where=str(path), expected="an artifact's folder")
    if _is_hub_name(path_or_name):
        raise HubError(
            f"no folder is called {str(path_or_name)!r}, and names on the Hub are not read yet",
            where=f"looked for {path.absolute()}",
            expected="an artifact's folder",
            remedy="Make one: gendata recipe run digits/generative-demo --out runs/digits",
        )
    raise ArtifactError(
        "no such folder",
        where=str(path),
        expected="an artifact's folder",
        remedy="Make one: gendata recipe run digits/generative-demo --out runs/digits",
    )


def _is_hub_name(path_or_name: str | Path) -> bool:
    # "owner/name" as the Hub spells it: two parts, neither of them a step in a file system.
    if not isinstance(path_or_name, str):
        return False
    owner, slash, name = path_or_name.partition("@")[0].partition("/")
    return bool(slash and owner and name) and "/" not in name and owner[0] not in ".~" and name not in (".", "..")
