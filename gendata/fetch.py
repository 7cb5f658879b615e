"""From a path or a name to a dataset. With `publish.py`, the only file that knows the Hub."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import gendata
from gendata.catalog import read_catalog, shipped_folder
from gendata.errors import ArtifactError, HubError, IntegrityError, MissingExtraError, UnsupportedVersionError
from gendata.hub_access import HubAccess, ask, is_missing

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from gendata.artifact.artifact import CondensedArtifact
    from gendata.dataset.generated import GeneratedDataset

Verify = Literal["hash", "none", "probe"]

TAG = "gendata"  # of every data set that `push` publishes

_log = logging.getLogger(__name__)
_MAKE_ONE = "Make one: gendata recipe run digits/generative-demo --out runs/digits"


class Location(NamedTuple):
    """What a path or a name means."""

    folder: Path | None  # None: on the Hub
    repo: str | None = None  # "org/name"
    revision: str | None = None  # None: the default branch
    manifest: str | None = None  # digest that the catalogue promises

    def __str__(self) -> str:
        if self.folder is not None:
            return str(self.folder)
        return f"{self.repo}@{self.revision}" if self.revision else str(self.repo)


class Snapshot(NamedTuple):
    """Files of one commit in the client's cache."""

    folder: Path
    commit: str


def load_condensed(
    path_or_name: str | Path,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
    endpoint: str | None = None,
    verify: Verify = "hash",
) -> GeneratedDataset:
    """The dataset of an artifact: its frozen set, map-style.

    A folder is read without asking the network. A short name is looked up in the catalogue (`gendata hub list`). A name
    "org/name" is a data set repository on the Hub, of which only what sampling needs is fetched; loaded once, it opens
    without a network too.

    Args:
        path_or_name: an existing folder, "digits", "org/name" or "org/name@revision". A `Path` is only ever a folder.
        revision: commit, tag or branch on the Hub. None: the default branch.
        cache_dir, token, local_files_only, force_download, endpoint: as in `huggingface_hub`; see `HubAccess`.
        verify: as in `open_artifact`; the client compares no hashes, this does.

    Raises:
        ArtifactError: nothing of that name, or not an artifact; IntegrityError: bytes differ from the manifest;
            UnsupportedVersionError: needs a newer gendata.
        HubError: the Hub has no such repository, revision or artifact, or cannot be reached.
    """
    from gendata.dataset.generated import GeneratedDataset

    access = HubAccess(
        cache_dir=cache_dir,
        token=token,
        local_files_only=local_files_only,
        force_download=force_download,
        endpoint=endpoint,
    )
    return GeneratedDataset(open_located(locate(path_or_name, revision=revision), access, verify=verify))


def pull_artifact(
    name: str, *, out: str | Path | None = None, revision: str | None = None, access: HubAccess | None = None
) -> CondensedArtifact:
    """Fetches everything that belongs to a published artifact, verified.

    Args:
        name: as in `load_condensed`, but no folder.
        out: the folder it becomes, complete or not at all. None: it stays in the client's cache, where
            `load_condensed` finds it. With `access.force_download` an artifact that is there gives way.
        revision: commit, tag or branch. None: the default branch.
        access: None: the client's defaults.

    Raises:
        ArtifactError, HubError: see `load_condensed`; or `out` holds something else.
    """
    from gendata.artifact.copying import copy_artifact

    access = access or HubAccess()
    if os.path.isdir(name):
        raise ArtifactError("is a folder already", where=name, expected="a name: digits, or org/name on the Hub")
    artifact = open_located(locate(name, revision=revision), access, verify="hash", whole=True)
    return artifact if out is None else copy_artifact(artifact, Path(out), replace=access.force_download)


def search_hub(text: str = "", *, access: HubAccess | None = None, limit: int = 30) -> list[str]:
    """Names of data sets on the Hub that carry our tag and that `text` finds, most downloaded first.

    Raises:
        HubError: the Hub cannot be reached.
    """
    access = access or HubAccess()
    api = hub_api(access)

    def found() -> list[str]:
        return [info.id for info in api.list_datasets(filter=TAG, search=text or None, sort="downloads", limit=limit)]

    return ask(found, access, where=str(api.endpoint))


def open_named(
    path_or_name: str | Path,
    *,
    also: Collection[str] = (),
    verify: Verify = "hash",
    access: HubAccess | None = None,
) -> CondensedArtifact:
    """The artifact that a path or a name means, as `load_condensed` understands it, opened where it lies.

    Args:
        path_or_name: an existing folder, a name of the catalogue, "org/name" or "org/name@revision".
        also: files that are fetched from the Hub besides those that sampling needs, as far as the artifact has them.
        verify: as in `open_artifact`.
        access: None: the client's defaults.

    Raises:
        ArtifactError, HubError: see `load_condensed`.
    """
    return open_located(locate(path_or_name), access or HubAccess(), verify=verify, also=also)


def own_folder(path_or_name: str | Path) -> Path:
    """The existing folder that `path_or_name` means, for whoever is going to change what is in it.

    Raises:
        ArtifactError: there is none. HubError: it is a name of what comes with gendata, or is on the Hub.
    """
    location = locate(path_or_name)
    if location.folder is None or not os.path.isdir(path_or_name):
        raise HubError(
            f"no folder is called {str(path_or_name)!r}, and what is published stays as it is",
            where=f"looked for {Path(path_or_name).absolute()}",
            expected="an artifact's folder",
            remedy=f"Make a copy of your own first: gendata pull {path_or_name} --out DIR",
        )
    return location.folder


def locate(path_or_name: str | Path, *, revision: str | None = None) -> Location:
    """What a path or a name means. Asks nothing of the network; an existing folder wins over every name.

    Raises:
        ArtifactError: it means nothing, or has no revisions.
    """
    path = Path(path_or_name)
    if os.path.isdir(path):  # which holds of no name that is too long for a file; path.is_dir() raises
        return _without_revision(Location(path), revision, why=f"{path} is a local folder")
    if os.path.exists(path):
        raise ArtifactError("is a file", where=str(path), expected="an artifact's folder")
    if path.name and os.path.isdir(path.with_name(f"{path.name}.run")):
        raise ArtifactError(
            "is not made yet", where=str(path), expected="an artifact's folder",
            remedy=f"{path}.run is of the run that makes it: give its command again.",
        )  # fmt: skip
    name, at, said = str(path_or_name).partition("@") if isinstance(path_or_name, str) else ("", "", "")
    if at and (not said or revision not in (None, said)):
        raise ArtifactError(f"revision is {revision or said!r}", where=str(path_or_name), expected="one, after the @")
    revision = said or revision
    entry = read_catalog().get(name)
    if entry is not None and entry.is_shipped:
        shipped = Location(shipped_folder(name), manifest=entry.manifest)
        return _without_revision(shipped, revision, why=f"{name} comes with gendata")
    if entry is not None:
        pinned = entry.manifest if revision in (None, entry.revision) else None
        return Location(None, entry.repo, revision or entry.revision, pinned)
    if _is_hub_name(name):
        return Location(None, name, revision)
    near = difflib.get_close_matches(name, read_catalog(), n=1)
    raise ArtifactError(
        "no such folder",
        where=str(path),
        expected="an artifact's folder, org/name on the Hub, or a name of `gendata hub list`",
        remedy=f"Did you mean {near[0]!r}?" if near else _MAKE_ONE,
    )


def open_located(
    location: Location, access: HubAccess, *, verify: Verify, also: Collection[str] = (), whole: bool = False
) -> CondensedArtifact:
    """The artifact at a location, fetched if it is on the Hub.

    Args:
        location: see `locate`.
        access: how the Hub is reached.
        verify: as in `open_artifact`.
        also: see `open_named`.
        whole: fetch everything that belongs to it, not only what sampling needs.
    """
    from gendata.artifact.artifact import open_artifact
    from gendata.artifact.layout import PROBES

    if location.repo is None:
        assert location.folder is not None
        artifact = open_artifact(location.folder, verify=verify)
        _check_digest(artifact, location, where=str(location))
        return artifact
    try:
        snapshot = fetch(location, access, also=(*also, PROBES) if verify == "probe" else also, whole=whole)
    except HubError as error:
        is_of_runs = Path(location.repo).parent.name == "runs"  # as README and --help call what recipes make
        if not is_of_runs and not Path(location.repo).parent.is_dir():
            raise
        raise HubError(  # a folder's name, mistyped or not made yet
            f"no such folder here, and on the Hub: {error.what}", where=error.where, expected=error.expected,
            remedy=_MAKE_ONE if is_of_runs else error.remedy,
        ) from None  # fmt: skip
    with _told_as_fetched(location, snapshot.commit):
        artifact = open_artifact(snapshot.folder, verify=verify)
    _check_digest(artifact, location, where=f"{location.repo} at {snapshot.commit[:12]}")
    return artifact


def fetch(location: Location, access: HubAccess, *, also: Collection[str] = (), whole: bool = False) -> Snapshot:
    """Files of a repository in the client's cache: what sampling needs, those `also` wanted, or the `whole` artifact.

    The manifest comes first and says how large the others may be.

    Raises:
        ArtifactError, HubError: see `load_condensed`.
    """
    from gendata.artifact.layout import CARD, MANIFEST, MAX_CARD_BYTES, NEEDED_TO_SAMPLE
    from gendata.artifact.manifest import MAX_MANIFEST_BYTES, read_manifest

    api, repo = hub_api(access), str(location.repo)
    commit = _commit(api, location, access)
    _log.info("%s is commit %s", location, commit)
    folder = _download(api, repo, commit, {MANIFEST: MAX_MANIFEST_BYTES}, access)
    _check_ours(api, folder, repo, commit, access)
    with _told_as_fetched(location, commit):
        listed = {name: facts.size for name, facts in read_manifest(folder).files.items()}
    wanted = {name: size for name, size in listed.items() if whole or name in (*NEEDED_TO_SAMPLE, *also)}
    _download(api, repo, commit, wanted | ({CARD: MAX_CARD_BYTES} if whole else {}), access)
    return Snapshot(folder, commit)


@contextmanager
def _told_as_fetched(location: Location, commit: str) -> Iterator[None]:
    """What is wrong with an artifact, told with where it came from and how to fetch it again."""
    where = f"{location.repo} at {commit[:12]}"
    try:
        yield
    except UnsupportedVersionError as error:
        raise UnsupportedVersionError(error.what, where=where, remedy=error.remedy) from None
    except ArtifactError as error:
        raise type(error)(
            f"{error.what} ({error.where})",
            where=where,
            expected=error.expected,
            remedy=f"If what was fetched is damaged, fetch it again: gendata pull {location} --force",
        ) from None


def hub_api(access: HubAccess) -> HfApi:
    """The client.

    Raises:
        HubError: the token cannot be one. MissingExtraError: huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MissingExtraError("huggingface_hub is not installed", remedy="pip install huggingface_hub") from error
    access.check()
    return HfApi(
        endpoint=access.endpoint, token=access.token, library_name="gendata", library_version=gendata.__version__
    )


def _without_revision(location: Location, revision: str | None, *, why: str) -> Location:
    if revision is not None:
        raise ArtifactError(f"revision is {revision!r}, and {why}", expected="no revision")
    return location


def _is_hub_name(name: str) -> bool:
    # "owner/name" as the Hub spells it: two parts, neither of them a step in a file system.
    owner, slash, rest = name.partition("/")
    return bool(slash and owner and rest) and "/" not in rest and owner[0] not in ".~" and rest not in (".", "..")


def _commit(api: HfApi, location: Location, access: HubAccess) -> str:
    """The commit that the location's revision is now; without a network, the one it was when it was last asked for."""
    repo = str(location.repo)

    def resolve() -> str:
        try:
            return api.resolve_revision(
                repo,
                repo_type="dataset",
                revision=location.revision,
                cache_dir=access.cache_dir,
                local_files_only=access.local_files_only,
            ).resolved
        except Exception as error:
            if is_missing(error) and api.repo_exists(repo, repo_type="model"):
                raise HubError("is a model, and gendata reads data sets", where=repo) from None
            raise

    return ask(resolve, access, where=str(location))


def _download(api: HfApi, repo: str, commit: str, most: Mapping[str, int], access: HubAccess) -> Path:
    """Brings files, as far as the commit has them, into the cache; gives the folder of the first one there.

    Args:
        most: names, and how many bytes each may have.

    Raises:
        ArtifactError: the Hub lists one as larger.
    """
    from huggingface_hub import try_to_load_from_cache

    if not access.force_download:
        cached = [
            try_to_load_from_cache(repo, name, cache_dir=access.cache_dir, revision=commit, repo_type="dataset")
            for name in most
        ]
        if all(isinstance(path, str) for path in cached):
            return Path(str(cached[0])).parent
    if not access.local_files_only:
        _check_sizes(api, repo, commit, most, access)
    folder = ask(
        lambda: api.snapshot_download(
            repo,
            repo_type="dataset",
            revision=commit,
            cache_dir=access.cache_dir,
            local_files_only=access.local_files_only,
            force_download=access.force_download,
            allow_patterns=list(most),
        ),
        access,
        where=f"{repo} at {commit[:12]}",
    )
    return Path(folder)


def _check_sizes(api: HfApi, repo: str, commit: str, most: Mapping[str, int], access: HubAccess) -> None:
    where, deep = f"{repo} at {commit[:12]}", any("/" in name for name in most)

    def listed() -> dict[str, int]:
        tree = api.list_repo_tree(repo, repo_type="dataset", revision=commit, recursive=deep)
        return {entry.path: getattr(entry, "size", 0) for entry in tree}  # a folder has none

    for name, size in ask(listed, access, where=where).items():
        if size > most.get(name, size):
            raise ArtifactError(
                f"{name} has {size} bytes", where=where, expected=f"at most {most[name]}",
                remedy="It was not fetched: the repository was changed, or is not to be trusted. Tell its owner.",
            )  # fmt: skip


def _check_digest(artifact: CondensedArtifact, location: Location, *, where: str) -> None:
    if location.manifest not in (None, artifact.manifest.digest):
        raise IntegrityError(
            f"the manifest's digest is {artifact.manifest.digest}",
            where=where,
            expected=f"{location.manifest}, which the catalogue of gendata promises",
            remedy="The artifact was changed after it was listed. If you trust it, load it by its path or org/name.",
        )


def _check_ours(api: HfApi, folder: Path, repo: str, commit: str, access: HubAccess) -> None:
    """Raises HubError, saying what the repository is, unless it holds an artifact's manifest."""
    from gendata.artifact.canonical import parse_json
    from gendata.artifact.layout import MANIFEST, read_file
    from gendata.artifact.manifest import FORMAT, MAX_MANIFEST_BYTES

    fields: Any = None
    if (folder / MANIFEST).is_file():
        data = read_file(folder / MANIFEST, max_bytes=MAX_MANIFEST_BYTES)
        if FORMAT.encode() in data:
            return  # ours; if it is damaged, opening it says how
        try:
            fields = parse_json(data, where=MANIFEST)
        except ArtifactError:
            fields = None
    where = f"{repo} at {commit[:12]}"
    names: list[str] = []
    if not access.local_files_only:
        names = ask(lambda: api.list_repo_files(repo, repo_type="dataset", revision=commit), access, where=where)
    raise HubError(
        f"is not a repository of gendata: {_what_it_is(names, fields)}",
        where=where,
        expected=f'{MANIFEST} with "format": "{FORMAT}"',
        remedy=_otherwise(names, repo),
    )


_PICKLED = (".pt", ".pth", ".pkl", ".ckpt")
_DATA = (".parquet", ".arrow", ".csv", ".json", ".jsonl", ".tar", ".zip", ".png", ".jpg", ".jpeg")


def _what_it_is(names: Sequence[str], config: Any) -> str:
    """A repository, in words, from the names of its files and what its config.json holds."""
    shown = [name for name in names if not name.startswith(".")]
    listed = ", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else "")
    if isinstance(config, dict) and (config.get("model_type") or config.get("architectures")):
        return f"it looks like a model ({listed})"
    if any(name.endswith(_PICKLED) for name in shown):
        return f"it holds pickled files ({listed})"
    if any(name.endswith(_DATA) for name in shown):
        return f"it looks like an ordinary data set ({listed})"
    return f"it holds {listed}" if listed else "it is empty"


def _otherwise(names: Sequence[str], repo: str) -> str | None:
    if any(name.endswith(_PICKLED) for name in names):
        return "If it is somebody's condensed set, download it and make it an artifact: gendata import FILE --out DIR"
    if any(name.endswith(_DATA) for name in names):
        return f"To read it: datasets.load_dataset({repo!r}). To condense it: gendata condense {repo} --out DIR"
    return None
