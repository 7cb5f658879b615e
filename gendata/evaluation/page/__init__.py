"""The report of an evaluation: a file for programs, a table for a README, a page for people.

Artifacts, recipes and data sets come from strangers: every text of theirs is plain text here, and the page fetches
nothing and runs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gendata.artifact.artifact import CondensedArtifact
    from gendata.evaluation.page.features import FeatureMap
    from gendata.evaluation.report import Report
    from gendata.sources.source import Source


def check_report_folder(out: str | Path) -> None:
    """Raises unless a report can be written to the folder `out`; asked before hours of measuring.

    Raises:
        MissingExtraError: a package that draws is not installed.
        SpecError: `out` is a file.
    """
    from gendata.evaluation.page.writing import check_folder

    check_folder(Path(out))


def write_report(
    report: Report,
    out: str | Path,
    *,
    artifact: CondensedArtifact | str | Path | None = None,
    source: Source | None = None,
    data_root: Path | None = None,
    features: FeatureMap | Literal["learn"] | None = None,
) -> list[Path]:
    """Writes report.json, report.md and report.html into the folder `out`; each appears whole or not at all.

    The page is one file: it fetches nothing and runs no script. The same arguments give the same bytes.

    Args:
        report: what was measured.
        out: a folder, made if it is not there; other files in it stay.
        artifact: whose samples are shown, or its folder; None: baselines alone were measured.
        source: the real data, for images beside the samples: of train, test images are not shown. None: the source that
            the artifact's manifest names; where it is not found the page says so and does without.
        data_root: where local copies of that source are; None: see `gendata.sources`.
        features: real and synthetic images in one plane, see `feature_map`. "learn": a small network is trained on the
            real images for it, half a minute on two cores for 28 x 28. None: left out.

    Returns:
        The paths of the three files.

    Raises:
        MissingExtraError: a package that draws is not installed.
        SpecError: `out` is a file or cannot be written, or the rows are of another split than test.
        ArtifactError: the folder is no sound artifact.
    """
    from gendata.evaluation.page.materials import gathered
    from gendata.evaluation.page.writing import check_folder, write

    check_folder(Path(out))
    given = gathered(artifact, source, data_root=data_root, features=features)
    return write(report, Path(out), given)
