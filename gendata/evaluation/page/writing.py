"""report.json for programs, report.md for a README, report.html for people."""

from __future__ import annotations

from pathlib import Path

from gendata.artifact.layout import replace_file
from gendata.errors import SpecError
from gendata.evaluation.page.drawing import require_charts
from gendata.evaluation.page.markdown import markdown
from gendata.evaluation.page.materials import Materials
from gendata.evaluation.page.view import missing, page
from gendata.evaluation.report import Report

JSON, MARKDOWN, HTML = "report.json", "report.md", "report.html"


def check_folder(out: Path) -> None:
    """See `gendata.evaluation.page.check_report_folder`."""
    require_charts()
    if out.exists() and not out.is_dir():
        raise SpecError("is a file", where=str(out), expected="a folder, or a name that does not exist yet")


def write(report: Report, out: Path, given: Materials) -> list[Path]:
    """See `gendata.evaluation.page.write_report`."""
    if report.split != "test":
        raise SpecError(
            f"the rows were scored on {report.split} images", expected="test images, of which the page tells"
        )
    contents = {
        JSON: report.to_json(),
        MARKDOWN: markdown(report, given.artifact, missing(report, given)).encode("utf-8"),
        HTML: page(report, given).encode("utf-8"),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            replace_file(out / name, data)
    except OSError as error:
        raise SpecError(f"cannot be written: {error.strerror}", where=str(out), expected="a place to write") from None
    return [out / name for name in contents]
