"""`gendata evaluate|baseline|protocol ...`: how good an artifact is, and what real images reach."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from gendata.cli.arguments import ArtifactArgument, DataOption, DataSetArgument, JsonOption, ResizeOption
from gendata.cli.printing import clean, parse_bytes, print_facts, print_json, print_report, print_table
from gendata.errors import SpecError

if TYPE_CHECKING:
    from gendata.evaluation.recheck import Rechecked
    from gendata.evaluation.report import Report

protocol_app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Evaluation protocols: how students are trained and tested.\n\n\b\nExamples:\n"
        "  gendata protocol list\n  gendata protocol diff dsa/v1 dim-paper/v1"
    ),
)

ProtocolOption = Annotated[
    str | None, typer.Option("--protocol", help="How students are trained and tested; default: as the recipe says.")
]
RunsOption = Annotated[
    int | None,
    typer.Option(
        "--runs", min=1, help="Networks per row, 3 at least of equal-bytes-real; default: as recipe or protocol say."
    ),
]
RowsOption = Annotated[
    str | None,
    typer.Option(
        "--rows",
        metavar="A,B",
        help=(
            "Of an artifact frozen, fresh-matched, fresh@10k (10,000 steps); of real images random-real, "
            "equal-bytes-real, real-stream, real-full, herding, k-center; default: all but fresh@, herding, k-center."
        ),
    ),
]
NetworksOption = Annotated[
    str | None,
    typer.Option("--networks", metavar="A,B", help="Other students; 'transfer': those of a cross-architecture table."),
]
TeacherOption = Annotated[
    Path | None, typer.Option("--teacher", metavar="DIR", help="Whose labels a protocol with a teacher uses.")
]
CorruptionsOption = Annotated[
    str | None, typer.Option("--corruptions", metavar="A,B", help="Test on corrupted images too; 'all': every kind.")
]
JobsOption = Annotated[int, typer.Option("--jobs", min=1, help="Processes that train networks side by side.")]
AnewOption = Annotated[
    bool, typer.Option("--anew", help="Train every network, also those finished or begun here before.")
]
SplitOption = Annotated[
    str, typer.Option("--split", metavar="test|validation", help="Whose images score; validation: for choices alone.")
]
DeviceOption = Annotated[str | None, typer.Option("--device", help="cpu or cuda; default: a GPU if there is one.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")]
ReportOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Write report.json, report.md and report.html here.")
]


def evaluate_command(
    name: ArtifactArgument,
    protocol: ProtocolOption = None,
    runs: RunsOption = None,
    rows: RowsOption = None,
    ipc: Annotated[
        int | None,
        typer.Option(
            "--ipc", min=1, help="Images per class of a pass; default: the artifact's. At most max_ipc if frozen."
        ),
    ] = None,
    labels: Annotated[
        str, typer.Option("--labels", metavar="own|hard", help="own: the artifact's soft labels, if it has any.")
    ] = "own",
    networks: NetworksOption = None,
    teacher: TeacherOption = None,
    corruptions: CorruptionsOption = None,
    data: DataOption = None,
    out: ReportOption = None,
    write: Annotated[bool, typer.Option("--write", help="Seal the rows into the artifact's evaluations.json.")] = False,
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Measure the sealed rows again and compare; nothing else.")
    ] = False,
    jobs: JobsOption = 1,
    anew: AnewOption = False,
    split: SplitOption = "test",
    device: DeviceOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Train students on the artifact and on its baselines; test them on real images.

    Killed and run again, the same command goes on, also within networks that train for hours.

    \b
    Examples:
      gendata evaluate digits --protocol quick/v1 --out report
      gendata evaluate runs/fm --protocol dsa --rows frozen,random-real --networks transfer --data ~/data
    """
    from gendata.artifact.layout import EVALUATIONS
    from gendata.evaluation import evaluate
    from gendata.evaluation.record import record_report
    from gendata.fetch import open_named, own_folder
    from gendata.progress_bars import evaluation_bar

    other = (protocol, runs, rows, ipc, networks, corruptions, out, write, anew, seed, split != "test", labels != "own")
    if recheck and any(other):
        raise SpecError(
            "--recheck beside options of a new measurement",
            expected="--recheck with no more than --data, --teacher, --jobs, --device and --json",
            remedy="The sealed rows say how they are measured again; leave the others out, or leave --recheck out.",
        )
    if split != "test" and (write or out is not None):
        raise SpecError(f"--split {split} is for choices", expected="neither --write nor --out beside it")
    if out is not None:
        from gendata.evaluation.page import check_report_folder

        check_report_folder(out)  # before hours of measuring
    if write:
        own_folder(name)
    artifact = open_named(name, also=[EVALUATIONS])
    if recheck:
        _recheck(artifact.path, data=data, teacher=teacher, jobs=jobs, device=device, as_json=as_json)
        return
    with evaluation_bar() as bar:
        report = evaluate(
            artifact,
            protocol=protocol,
            runs=runs,
            rows=_listed(rows),
            ipc=ipc,
            labels=labels,  # type: ignore[arg-type]
            networks=_networks(networks),
            teacher=teacher,
            corruptions=_listed(corruptions) or (),
            data_root=data,
            device=device,
            progress=bar,
            jobs=jobs,
            resume=not anew,
            split=split,  # type: ignore[arg-type]
            seed=seed,
        )
    print_report(report, as_json=as_json)  # first: nothing that fails while writing may lose what was measured
    if write:
        for left in record_report(artifact.path, report):
            typer.echo(f"{clean(left)} stays as it is sealed: it is of more networks than --runs says", err=True)
    if out is not None:
        _write_page(report, out, artifact.path, data=data, as_json=as_json)


def baseline(
    data_set: DataSetArgument,
    ipc: Annotated[int, typer.Option("--ipc", min=1, help="Images per class of a pass.")] = 10,
    max_bytes: Annotated[
        str | None,
        typer.Option("--bytes", metavar="SIZE", help="Of equal-bytes-real: 100kB; default: without that row."),
    ] = None,
    protocol: Annotated[str, typer.Option("--protocol", help="How students are trained and tested.")] = "quick/v1",
    runs: Annotated[
        int | None,
        typer.Option(
            "--runs", min=1, help="Networks per row, 3 at least of equal-bytes-real; default: as protocol says."
        ),
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(
            "--rows",
            metavar="A,B",
            help="random-real, equal-bytes-real (with --bytes), real-stream, real-full, herding, k-center; default: "
            "all but the last two.",
        ),
    ] = None,
    networks: NetworksOption = None,
    teacher: TeacherOption = None,
    corruptions: CorruptionsOption = None,
    resize: ResizeOption = None,
    data: DataOption = None,
    jobs: JobsOption = 1,
    anew: AnewOption = False,
    split: SplitOption = "test",
    device: DeviceOption = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """What real images reach at a budget: the rows that stand beside an artifact, without one.

    \b
    Examples:
      gendata baseline fashion-mnist --ipc 10 --protocol dsa/v1 --rows random-real,herding
      gendata baseline photos --resize 32 --ipc 1 --bytes 20kB
    """
    from gendata.evaluation import evaluate_real
    from gendata.progress_bars import evaluation_bar
    from gendata.proposal import named_source

    source = named_source(data_set, resize=resize, data_root=data)
    with evaluation_bar() as bar:
        report = evaluate_real(
            source,
            ipc=ipc,
            num_bytes=0 if max_bytes is None else parse_bytes(max_bytes),
            protocol=protocol,
            runs=runs,
            rows=_listed(rows),
            networks=_networks(networks),
            teacher=teacher,
            corruptions=_listed(corruptions) or (),
            device=device,
            progress=bar,
            jobs=jobs,
            resume=not anew,
            split=split,  # type: ignore[arg-type]
            seed=seed,
        )
    print_report(report, as_json=as_json)


@protocol_app.command("list")
def _protocol_list(as_json: JsonOption = False) -> None:
    """List the protocols and whether each was shown equal to its published loop.

    \b
    Examples:
      gendata protocol list
      gendata protocol list --json
    """
    from gendata.evaluation.protocols import PROTOCOLS, SUITES

    if as_json:
        shown = [{**msgspec.to_builtins(p), "selects_on_test": p.selects_on_test} for p in PROTOCOLS.values()]
        print_json(protocols=[*shown, *(msgspec.to_builtins(suite) for suite in SUITES.values())])
        return
    lines = [[p.name, p.status, "picks on test" if p.selects_on_test else "", p.summary] for p in PROTOCOLS.values()]
    lines += [[suite.name, "suite", "", suite.summary] for suite in SUITES.values()]
    print_table(["protocol", "status", "", "summary"], lines)


@protocol_app.command("show")
def _protocol_show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="dsa/v1; dsa: its newest version.")],
    as_json: JsonOption = False,
) -> None:
    """Every setting of a protocol, in words.

    \b
    Examples:
      gendata protocol show dsa/v1
      gendata protocol show rded --json
    """
    from gendata.evaluation.protocol_text import settings
    from gendata.evaluation.protocols import members_of

    members = members_of(name)
    if as_json:
        print_json(protocols=[msgspec.to_builtins(member) for member in members])
        return
    for member in members:
        print_facts({"protocol": f"{member.name} ({member.status})", "": member.summary, **settings(member)})


@protocol_app.command("diff")
def _protocol_diff(
    first: Annotated[str, typer.Argument(metavar="A")],
    second: Annotated[str, typer.Argument(metavar="B")],
    as_json: JsonOption = False,
) -> None:
    """What is different between two protocols, in words.

    \b
    Examples:
      gendata protocol diff dsa/v1 dim-paper/v1
      gendata protocol diff dc dsa --json
    """
    from gendata.evaluation.protocol_text import differences
    from gendata.evaluation.protocols import get_protocol

    one, other = get_protocol(first), get_protocol(second)
    found = differences(one, other)
    if as_json:
        print_json(first=one.name, second=other.name, differences=[d._asdict() for d in found])
        return
    width = max(len(one.name), len(other.name))
    for difference in found:
        typer.echo(f"{difference.setting}\n  {one.name:<{width}}  {difference.first}")
        typer.echo(f"  {other.name:<{width}}  {difference.second}")
    typer.echo(f"\n{len(found)} settings differ; all others are the same." if found else "They do the same.")


def _listed(text: str | None) -> tuple[str, ...] | None:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if text else None


def _networks(text: str | None) -> tuple[str, ...] | None:
    if text != "transfer":
        return _listed(text)
    from gendata.networks import TRANSFER

    return tuple(TRANSFER)


def _recheck(
    path: Path, *, data: Path | None, teacher: Path | None, jobs: int, device: str | None, as_json: bool
) -> None:
    from gendata.evaluation.recheck import recheck
    from gendata.progress_bars import evaluation_bar

    with evaluation_bar() as bar:
        found = recheck(path, data_root=data, teacher=teacher, progress=bar, jobs=jobs, device=device)
    if as_json:
        print_json(path=str(path), rows=msgspec.to_builtins(found))
    else:
        lines = [
            [r.row, r.mode, r.protocol, r.network, _percent(r.sealed), _percent(r.again), _remark(r)] for r in found
        ]
        print_table(["row", "mode", "protocol", "network", "sealed", "again", ""], lines)
    if any(row.verdict == "differs" for row in found):
        raise SpecError(
            "a sealed row could not be reproduced", where=str(path), expected="the accuracies that it holds"
        )


def _remark(row: Rechecked) -> str:
    picked = "picked on test data" if row.selects_on_test else ""
    return ", ".join(filter(None, (row.verdict, row.reason, picked)))


def _percent(mean: float | None) -> str:
    return "-" if mean is None else f"{100 * mean:.1f}"


def _write_page(report: Report, out: Path, path: Path, *, data: Path | None, as_json: bool) -> None:
    from gendata.evaluation.page import write_report

    written = write_report(report, out, artifact=path, data_root=data, features="learn")
    if not as_json:
        typer.echo(f"Written: {', '.join(clean(str(file)) for file in written)}")
