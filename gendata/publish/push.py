"""`push_to_hub`: what changes in a repository, in one commit."""

from __future__ import annotations

import difflib
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gendata.artifact.artifact import CondensedArtifact, open_artifact
from gendata.artifact.card import card_block, render_card
from gendata.artifact.front_matter import Readme
from gendata.artifact.layout import CARD, read_card
from gendata.artifact.metadata import metadata_of
from gendata.errors import ArtifactError, HubError
from gendata.fetch import hub_api
from gendata.hub_access import HubAccess, ask, root_of, status_of
from gendata.publish.checks import check_publishable
from gendata.publish.remote import Head, Remote
from gendata.publish.staging import Staged, stage

if TYPE_CHECKING:
    from gendata.exporters.exporter import OnProgress

MAX_PARQUET_BYTES = 100_000_000  # of a frozen set that goes up whole; of a larger one a preview does

_log = logging.getLogger(__name__)
_MAX_RACES = 5  # times that somebody else may commit first


class FileChange(NamedTuple):
    """What a push does to one file of the repository."""

    name: str
    size: int  # bytes; of a deleted one 0
    change: Literal["new", "changed", "same", "deleted"]


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What a push did, or would do."""

    repo: str
    url: str
    commit: str | None  # that main is now; None: a dry run, or a pull request
    pull_request: str | None  # its address
    tag: str | None
    manifest: str  # digest of config.json as published: what a catalogue promises
    parquet: str  # "full", "preview", or why there is none
    files: tuple[FileChange, ...]
    readme_diff: str  # unified; empty: the card stays as it is

    @property
    def uploaded_bytes(self) -> int:
        """Bytes of new and changed files."""
        return sum(file.size for file in self.files if file.change in ("new", "changed"))


class _Plan(NamedTuple):
    """What would change in a repository that is at `head`."""

    head: Head
    files: tuple[FileChange, ...]
    card: str

    @property
    def todo(self) -> list[FileChange]:
        return [file for file in self.files if file.change != "same"]


def push_to_hub(
    artifact: CondensedArtifact | str | Path,
    repo: str,
    *,
    private: bool = False,
    tag: str | None = None,
    create_pr: bool = False,
    dry_run: bool = False,
    parquet: bool = True,
    max_parquet_bytes: int = MAX_PARQUET_BYTES,
    contains_real_images: bool = False,
    commit_message: str | None = None,
    token: str | bool | None = None,
    endpoint: str | None = None,
    on_progress: OnProgress | None = None,
) -> Publication:
    """Publishes an artifact as a data set repository, in one commit: all of it is there, or nothing.

    The repository is made if there is none. It is read three ways: by `load_condensed`, by plain
    `datasets.load_dataset` (the frozen set as parquet), and by Croissant, which the Hub derives from that. An existing
    README keeps its own text and metadata. Called again, it changes nothing, or goes on where it failed. The artifact's
    folder stays as it is.

    Args:
        artifact: an opened one, or its folder.
        repo: "org/name".
        private: make the repository private; one that exists and is public is refused.
        tag: name for the commit: "v1.0.0". A tag is never moved.
        create_pr: propose the change to an existing repository instead of making it.
        dry_run: check everything, change nothing.
        parquet: write the frozen set as parquet too.
        max_parquet_bytes: of a larger frozen set only a preview goes up, an image per class.
        contains_real_images: said by whoever publishes real images on purpose.
        commit_message: None: one that names the artifact.
        token, endpoint: as in `huggingface_hub`.
        on_progress: called while the parquet is written.

    Raises:
        ArtifactError: the artifact is not sound, or must not be published as it is; all reasons together.
        HubError: the Hub refuses or cannot be reached, the tag exists, or the repository holds something else.
    """
    if repo.count("/") != 1 or not all(repo.split("/")):
        raise HubError("names no repository", where=repr(repo), expected="ORG/NAME")
    # As the folder is now: it may have been annotated or measured since it was opened.
    opened = open_artifact(artifact.path if isinstance(artifact, CondensedArtifact) else artifact)
    if isinstance(artifact, CondensedArtifact) and opened.artifact_id != artifact.artifact_id:
        raise ArtifactError(
            f"holds artifact {opened.artifact_id[:12]} now", where=str(opened.path), expected=artifact.artifact_id[:12],
            remedy="Open it again, if that is the one to publish.",
        )  # fmt: skip
    check_publishable(opened, contains_real_images=contains_real_images)
    if tag is not None and create_pr:
        raise HubError(f"tag is {tag!r}, and a pull request is no commit of main", expected="a tag or a pull request")
    access = HubAccess(token=token, endpoint=endpoint)
    api = hub_api(access)
    with tempfile.TemporaryDirectory(prefix="gendata-push-") as temporary:
        folder = Path(temporary)
        remote = Remote(api, access, repo, folder=folder)
        head = _head(remote, dry_run=dry_run)
        _check(head, remote, private=private, create_pr=create_pr)
        most = max_parquet_bytes if parquet else None
        staged = stage(opened, folder, max_parquet_bytes=most, on_progress=on_progress)
        plan = _plan(staged, head, remote, tag=tag)
        if dry_run:
            return _publication(staged, plan, remote, tag=tag)
        if head.commit is None:
            ask(lambda: api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True), access, where=repo)
            plan = _plan(staged, remote.head(), remote, tag=tag)
        message = commit_message or f"Publish artifact {opened.artifact_id[:12]}"
        if create_pr:
            return _propose(staged, plan, remote, message)
        return _send(staged, plan, remote, message, tag=tag)


def _head(remote: Remote, *, dry_run: bool) -> Head:
    """The repository as it is; where a dry run cannot see it, the error says what is known without it."""
    try:
        return remote.head()
    except HubError as error:
        if not dry_run:
            raise
        raise HubError(
            f"the artifact passed every check and could be published; missing is the repository, to compare it with "
            f"({error.what})",
            where=remote.url,
            expected="its files, card and tags, by which a dry run tells what would change",
            remedy="Run it with a network, without HF_HUB_OFFLINE, and logged in if the repository is private.",
        ) from None


def _check(head: Head, remote: Remote, *, private: bool, create_pr: bool) -> None:
    """Raises HubError if the repository is not one to push this to."""
    if head.commit is None and create_pr:
        raise HubError("no such repository, so there is nothing to propose a change to", where=remote.url)
    if head.commit is not None and private and not head.private:
        raise HubError(
            "exists and is public",
            where=remote.url,
            expected="a private repository",
            remedy="Make it private in its settings, or choose another name.",
        )
    if others := head.others:
        raise HubError(
            f"holds something else ({', '.join(others[:4])}{', ...' if len(others) > 4 else ''})",
            where=remote.url,
            expected="an empty repository, or one that gendata published to",
            remedy="Choose another name: nobody's files are overwritten.",
        )


def _plan(staged: Staged, head: Head, remote: Remote, *, tag: str | None) -> _Plan:
    """What would change, and that the tag is free for it."""
    card = _card(staged, head, repo=remote.repo, where=f"{remote.url}: {CARD}")
    contents: dict[str, Path | bytes] = {**staged.paths, CARD: card.encode()}
    files = []
    for name, content in sorted(contents.items()):
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        old = head.files.get(name)
        files.append(FileChange(name, size, "new" if old is None else "same" if old.holds(content) else "changed"))
    gone = sorted(name for name in head.files if name in head.listed and name not in contents)
    plan = _Plan(head, (*files, *(FileChange(name, 0, "deleted") for name in gone)), card)
    at = head.tags.get(tag or "")
    if at is not None and (plan.todo or at != head.commit):
        raise _tag_exists(tag, at, remote)
    return plan


def _card(staged: Staged, head: Head, *, repo: str, where: str) -> str:
    """README.md: our part in somebody's own text, if there is some in the repository, else in the artifact's folder."""
    rows, folder = staged.artifact.evaluations(), staged.artifact.path
    text = head.readme
    if text is None and (data := read_card(folder)) is not None:
        where = str(folder / CARD)
        text = "" if data == render_card(staged.artifact.manifest, rows) else data.decode("utf-8", errors="replace")
    readme = Readme(text or "", where=where)
    metadata = metadata_of(staged.manifest, staged.table, readme.metadata)
    return readme.with_ours(metadata, card_block(staged.manifest, rows, name=repo))


def _send(staged: Staged, plan: _Plan, remote: Remote, message: str, *, tag: str | None) -> Publication:
    """Commits, and once more on top of whoever committed first; then tags."""
    for _ in range(_MAX_RACES):
        if not plan.todo:
            commit = plan.head.commit
            break
        info = ask(lambda: _commit(staged, plan, remote, message), remote.access, where=remote.repo)  # noqa: B023
        if info is not None:
            commit = str(info.oid)
            break
        _log.info("%s: somebody committed first; trying again on top of it", remote.repo)
        head = remote.head()
        _check(head, remote, private=False, create_pr=False)
        plan = _plan(staged, head, remote, tag=tag)
    else:
        raise HubError(
            f"somebody else committed first, {_MAX_RACES} times", where=remote.url, remedy="Try again later."
        )
    if tag is not None:
        _name(str(commit), tag, remote)
    return _publication(staged, plan, remote, tag=tag, commit=commit)


def _propose(staged: Staged, plan: _Plan, remote: Remote, message: str) -> Publication:
    """A pull request; asked for once, for a second one would be another."""
    if not plan.todo:
        return _publication(staged, plan, remote, tag=None, commit=plan.head.commit)
    info = ask(
        lambda: _commit(staged, plan, remote, message, create_pr=True), remote.access, where=remote.repo, again=False
    )
    return _publication(staged, plan, remote, tag=None, pull_request=str(info.pr_url) if info else None)


def _commit(staged: Staged, plan: _Plan, remote: Remote, message: str, *, create_pr: bool = False) -> Any:
    """The client's report; None: the repository has moved on.

    It names the commit that it builds on. So one whose answer got lost is not made twice: the second attempt finds that
    the repository has moved on.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    operations: list[CommitOperationAdd | CommitOperationDelete] = []
    for file in plan.todo:
        if file.change == "deleted":
            operations.append(CommitOperationDelete(path_in_repo=file.name))
        else:
            content: str | bytes = plan.card.encode() if file.name == CARD else str(staged.paths[file.name])
            operations.append(CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=content))
    try:
        return remote.api.create_commit(
            remote.repo,
            operations,
            commit_message=message,
            repo_type="dataset",
            parent_commit=plan.head.commit,
            create_pr=create_pr,
        )
    except Exception as error:
        if status_of(root_of(error)) == 412 and not create_pr:
            return None
        raise


def _name(commit: str, tag: str, remote: Remote) -> None:
    """Gives the commit its tag, if it has not got it yet."""
    ask(
        lambda: remote.api.create_tag(remote.repo, tag=tag, revision=commit, repo_type="dataset", exist_ok=True),
        remote.access,
        where=f"{remote.repo}: tag {tag}",
    )
    at = remote.tags().get(tag)
    if at != commit:
        raise _tag_exists(tag, at, remote)


def _tag_exists(tag: str | None, at: str | None, remote: Remote) -> HubError:
    return HubError(
        f"the tag {tag} exists already, at commit {str(at)[:12]}",
        where=remote.url,
        expected="a tag that is free: what a tag names never changes",
        remedy="Choose the next one.",
    )


def _publication(
    staged: Staged,
    plan: _Plan,
    remote: Remote,
    *,
    tag: str | None,
    commit: str | None = None,
    pull_request: str | None = None,
) -> Publication:
    old = (plan.head.readme or "").splitlines(keepends=True)
    diff = difflib.unified_diff(old, plan.card.splitlines(keepends=True), f"{CARD} (now)", f"{CARD} (then)")
    return Publication(
        repo=remote.repo,
        url=remote.url,
        commit=commit,
        pull_request=pull_request,
        tag=tag,
        manifest=staged.manifest.digest,
        parquet=staged.parquet,
        files=plan.files,
        readme_diff="".join(diff),
    )
