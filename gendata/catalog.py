"""The catalogue: published artifacts that gendata knows by a short name (`hub/catalog.yaml`)."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import msgspec

from gendata._resources import shipped
from gendata.errors import GendataError

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")  # no slash: never a name on the Hub


class CatalogEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a short name stands for: a folder that comes with gendata, or one commit of a repository."""

    summary: str
    manifest: str  # `digest` of its config.json: what is loaded by this name is this artifact, or an error
    bytes: int  # artifact_bytes
    ipc: int
    num_classes: int
    repo: str | None = None  # data set on the Hub, "org/name"; None: shipped as hub/artifacts/NAME
    revision: str | None = None  # commit or tag; None: shipped

    def __post_init__(self) -> None:
        if (self.repo is None) != (self.revision is None):
            raise ValueError(f"repo and revision go together, got {self.repo!r} and {self.revision!r}")
        if not re.fullmatch(r"[0-9a-f]{64}", self.manifest):
            raise ValueError(f"manifest must be 64 hex digits, got {self.manifest!r}")

    @property
    def is_shipped(self) -> bool:
        """Whether it lies in the wheel and needs no network."""
        return self.repo is None


@cache
def read_catalog() -> dict[str, CatalogEntry]:
    """All entries by name, sorted."""
    return parse_catalog(shipped("hub") / "catalog.yaml")


def parse_catalog(path: Path) -> dict[str, CatalogEntry]:
    """The entries of a catalogue file.

    Raises:
        GendataError: it is not a catalogue.
    """
    import yaml

    class File(msgspec.Struct, forbid_unknown_fields=True):
        artifacts: dict[str, CatalogEntry]

    try:
        entries = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), File, strict=True).artifacts
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise GendataError(f"is not a catalogue ({' '.join(str(error).split())})", where=str(path)) from None
    for name in entries:
        if not _NAME.fullmatch(name):
            raise GendataError(f"the name {name!r} has other characters than a-z 0-9 . _ -", where=str(path))
    return dict(sorted(entries.items()))


def search_catalog(text: str) -> dict[str, CatalogEntry]:
    """Entries in whose name, repository or summary every word of `text` occurs, whatever its case."""
    words = text.lower().split()
    return {
        name: entry
        for name, entry in read_catalog().items()
        if all(word in f"{name} {entry.repo or ''} {entry.summary}".lower() for word in words)
    }


def shipped_folder(name: str) -> Path:
    """Where the shipped artifact `name` lies."""
    return shipped("hub") / "artifacts" / name
