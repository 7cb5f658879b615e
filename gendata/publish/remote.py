"""The repository as it is: its files, tags and card, and whether gendata published to it before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gendata.artifact.canonical import parse_json
from gendata.artifact.layout import CARD, MANIFEST
from gendata.artifact.manifest import FORMAT, MAX_MANIFEST_BYTES
from gendata.errors import ArtifactError, HubError
from gendata.hub_access import HubAccess, ask, is_missing

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_MAX_README_BYTES = 1 << 20
_NEUTRAL = ("README.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "CITATION.cff")  # say nothing about whose place it is


class RemoteFile(NamedTuple):
    """One file as the Hub lists it."""

    size: int
    git_oid: str
    sha256: str | None  # None: kept in git itself

    def holds(self, content: Path | bytes) -> bool:
        """Whether it has these bytes."""
        data = content.read_bytes() if isinstance(content, Path) else content
        if self.sha256 is not None:
            return hashlib.sha256(data).hexdigest() == self.sha256
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == self.git_oid


@dataclass(frozen=True)
class Head:
    """A repository at one moment."""

    commit: str | None = None  # None: there is no repository
    private: bool = False
    files: dict[str, RemoteFile] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)  # name to commit
    readme: str | None = None
    listed: frozenset[str] = frozenset()  # what its manifest lists
    is_ours: bool = False  # it holds an artifact's manifest

    @property
    def others(self) -> list[str]:
        """Names that show it to be somebody's place for something else."""
        if self.is_ours:
            return []
        return [name for name in self.files if not name.startswith(".") and name not in _NEUTRAL]


class Remote:
    """A data set repository on the Hub.

    Args:
        api: the client.
        access: how the Hub is reached.
        repo: "org/name".
        folder: for what is read.
    """

    def __init__(self, api: HfApi, access: HubAccess, repo: str, *, folder: Path) -> None:
        self.api, self.access, self.repo, self.folder = api, access, repo, folder

    @property
    def url(self) -> str:
        return f"{self.api.endpoint}/datasets/{self.repo}"

    def head(self) -> Head:
        """As it is now.

        Raises:
            HubError: it cannot be read.
        """
        info = ask(self._info, self.access, where=self.repo)
        if info is None:
            return Head()
        commit = str(info.sha)
        files = ask(lambda: self._files(commit), self.access, where=self.repo)
        manifest = self._manifest(commit, files)
        readme = self._read(commit, files, CARD, most=_MAX_README_BYTES)
        return Head(
            commit=commit,
            private=bool(info.private),
            files=files,
            tags=self.tags(),
            readme=None if readme is None else _text(readme, where=f"{self.url}: {CARD}"),
            listed=frozenset(manifest or ()),
            is_ours=manifest is not None,
        )

    def tags(self) -> dict[str, str]:
        """Commits by tag."""
        refs = ask(lambda: self.api.list_repo_refs(self.repo, repo_type="dataset"), self.access, where=self.repo)
        return {ref.name: ref.target_commit for ref in refs.tags}

    def _info(self) -> Any:
        try:
            return self.api.repo_info(self.repo, repo_type="dataset")
        except Exception as error:
            if is_missing(error):
                return None
            raise

    def _files(self, commit: str) -> dict[str, RemoteFile]:
        from huggingface_hub.hf_api import RepoFile

        tree = self.api.list_repo_tree(self.repo, repo_type="dataset", revision=commit, recursive=True)
        return {
            entry.path: RemoteFile(entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None)
            for entry in tree
            if isinstance(entry, RepoFile)
        }

    def _manifest(self, commit: str, files: dict[str, RemoteFile]) -> list[str] | None:
        """What the repository's manifest lists; None: it holds none of ours."""
        data = self._read(commit, files, MANIFEST, most=MAX_MANIFEST_BYTES)
        try:
            fields = parse_json(data or b"null", where=MANIFEST)
        except ArtifactError:
            return None
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            return None
        listed = fields.get("files")
        return list(listed) if isinstance(listed, dict) else []

    def _read(self, commit: str, files: dict[str, RemoteFile], name: str, *, most: int) -> bytes | None:
        """Bytes of a file, which are compared with its hash; None: no such file, or one larger than `most`."""
        if name not in files or files[name].size > most:
            return None
        cache = str(self.folder / "cache")
        path = ask(
            lambda: self.api.hf_hub_download(self.repo, name, repo_type="dataset", revision=commit, cache_dir=cache),
            self.access,
            where=f"{self.repo}: {name}",
        )
        data = Path(path).read_bytes()
        if not files[name].holds(data):
            raise HubError("was damaged on the way", where=f"{self.url}: {name}", remedy="Run the command again.")
        return data


def _text(data: bytes, *, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HubError(f"is not UTF-8 ({error.reason} at byte {error.start})", where=where) from None
