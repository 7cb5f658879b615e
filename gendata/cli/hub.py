"""`gendata push|pull` and `gendata hub list|search`: artifacts on the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from gendata.cli.arguments import FolderArgument, JsonOption
from gendata.cli.printing import clean, parse_bytes, print_facts, print_json, print_table

if TYPE_CHECKING:
    from gendata.publish.push import Publication

RepoArgument = Annotated[str, typer.Argument(metavar="ORG/NAME", help="A data set repository on the Hub.")]
EndpointOption = Annotated[
    str | None, typer.Option("--endpoint", metavar="URL", help="Another Hub; else $HF_ENDPOINT, else the public one.")
]

hub_app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Published artifacts.\n\n\b\nExamples:\n"
        "  gendata hub list\n"
        "  gendata hub search digits\n"
        "  gendata hub search flowers --online"
    ),
)


def push(
    path: FolderArgument,
    repo: RepoArgument,
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    tag: Annotated[
        str | None, typer.Option("--tag", metavar="V", help="Name the commit: v1.0.0. A tag is never moved.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, tell what would change.")] = False,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Propose the change to an existing one.")] = False,
    parquet: Annotated[
        bool, typer.Option("--parquet/--no-parquet", help="The frozen set for plain datasets.load_dataset.")
    ] = True,
    max_parquet: Annotated[
        str, typer.Option("--max-parquet", metavar="SIZE", help="Of a larger frozen set only a preview goes up.")
    ] = "100MB",
    contains_real_images: Annotated[
        bool, typer.Option("--contains-real-images", help="Say that real images go up, as their licence allows.")
    ] = False,
    message: Annotated[str | None, typer.Option("--message", help="Of the commit.")] = None,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish an artifact on the Hub, in one commit. Log in first: hf auth login.

    \b
    Examples:
      gendata push runs/digits org/digits-ipc1 --dry-run
      gendata push runs/digits org/digits-ipc1 --tag v1.0.0
    """
    from gendata.progress_bars import condensation_bar
    from gendata.publish.push import push_to_hub

    with condensation_bar() as bar:
        done = push_to_hub(
            path,
            repo,
            private=private,
            tag=tag,
            create_pr=create_pr,
            dry_run=dry_run,
            parquet=parquet,
            max_parquet_bytes=parse_bytes(max_parquet),
            contains_real_images=contains_real_images,
            commit_message=message,
            endpoint=endpoint,
            on_progress=bar,
        )
    if as_json:
        print_json(**_facts(done), dry_run=dry_run)
    else:
        _print(done, dry_run=dry_run)


def pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="digits, org/name or org/name@revision.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder it becomes; default: into the cache.")
    ] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Commit, tag or branch; default: newest.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again, and replace an artifact that is there.")] = False,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch all of a published artifact, and compare every byte with its manifest.

    \b
    Examples:
      gendata pull org/digits-ipc1 --out runs/digits
      gendata pull org/digits-ipc1@v1.0.0 --force
    """
    from gendata.fetch import pull_artifact
    from gendata.hub_access import HubAccess

    access = HubAccess(force_download=force, endpoint=endpoint)
    artifact = pull_artifact(name, out=out, revision=revision, access=access)
    facts = {
        "path": str(artifact.path),
        "artifact_id": artifact.artifact_id,
        "manifest": artifact.manifest.digest,
        "folder_bytes": artifact.folder_bytes,
    }
    if as_json:
        print_json(**facts)
    else:
        print_facts(facts)


@hub_app.command("list")
def _list(as_json: JsonOption = False) -> None:
    """Artifacts that gendata knows by a short name.

    \b
    Examples:
      gendata hub list
      gendata hub list --json
    """
    _print_catalog("", as_json=as_json)


@hub_app.command("search")
def _search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Words, all of which occur.")],
    online: Annotated[bool, typer.Option("--online", help="Ask the Hub for all that gendata published.")] = False,
    endpoint: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find artifacts by what they are called and made of.

    \b
    Examples:
      gendata hub search digits
      gendata hub search flowers --online
    """
    if not online:
        _print_catalog(text, as_json=as_json)
        return
    from gendata.fetch import search_hub
    from gendata.hub_access import HubAccess

    names = search_hub(text, access=HubAccess(endpoint=endpoint))
    if as_json:
        print_json(repositories=names)
        return
    for name in names:
        typer.echo(clean(name))
    if not names:
        typer.echo("Nothing of that name on the Hub.", err=True)


def _print_catalog(text: str, *, as_json: bool) -> None:
    from gendata.catalog import search_catalog

    found = search_catalog(text)
    if as_json:
        print_json(artifacts=[{"name": name, **msgspec.to_builtins(entry)} for name, entry in found.items()])
        return
    rows = [
        [
            name,
            "shipped" if entry.is_shipped else f"{entry.repo}@{entry.revision}",
            str(entry.num_classes),
            str(entry.ipc),
            f"{entry.bytes:,}",
            entry.summary,
        ]
        for name, entry in found.items()
    ]
    if rows:
        print_table(["name", "where", "classes", "ipc", "bytes", "what"], rows)
        typer.echo(f'Next: gendata.load_condensed("{rows[0][0]}")')
    else:
        typer.echo("Nothing of that name in the catalogue; ask the Hub: --online", err=True)


def _facts(done: Publication) -> dict[str, Any]:
    return {
        "repo": done.repo,
        "url": done.url,
        "commit": done.commit,
        "pull_request": done.pull_request,
        "tag": done.tag,
        "manifest": done.manifest,
        "parquet": done.parquet,
        "uploaded_bytes": done.uploaded_bytes,
        "files": [file._asdict() for file in done.files],
    }


def _print(done: Publication, *, dry_run: bool) -> None:
    facts = _facts(done)
    print_table(["file", "bytes", ""], [[file.name, f"{file.size:,}", file.change] for file in done.files])
    if dry_run and done.readme_diff:
        typer.echo()
        typer.echo(clean(done.readme_diff.rstrip("\n"), keep="\n"))
    typer.echo()
    print_facts({name: facts[name] for name in facts if name != "files"})
    if dry_run:
        typer.echo("Nothing was published: --dry-run.")
    elif done.pull_request is None:
        at = f"@{done.tag}" if done.tag else ""
        typer.echo(f'Next: gendata.load_condensed("{clean(done.repo)}{clean(at)}")')
