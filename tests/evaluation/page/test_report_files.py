from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from PIL import Image

from gendata.artifact.artifact import CondensedArtifact
from gendata.errors import MissingExtraError, SpecError
from gendata.evaluation import evaluate_real
from gendata.evaluation.page import check_report_folder, write_report
from gendata.evaluation.page.features import FeatureMap
from gendata.evaluation.page.materials import Materials
from gendata.evaluation.page.reproduction import command
from gendata.evaluation.page.reproduction import facts as facts_of
from gendata.evaluation.page.view import _tiles
from gendata.evaluation.report import Report, Row
from gendata.proposal import named_source
from gendata.sources.source import Source

pytest.importorskip("matplotlib", reason="charts need matplotlib; pip install 'gendata[report]'")

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=y> [a](http://b) $\\frac{ & \"' \x1b[31m\u202e"


class Page(HTMLParser):
    """Tags, ids and addresses of a page; complains about what is not closed."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def text_of(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def test_three_files_are_written_and_the_json_is_the_report(written: Path, report: Report) -> None:
    assert sorted(path.name for path in written.iterdir()) == ["report.html", "report.json", "report.md"]
    assert msgspec.json.decode((written / "report.json").read_bytes(), type=Report) == report


def test_the_same_report_gives_the_same_bytes(
    written: Path, report: Report, artifact: CondensedArtifact, source: Source, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        write_report(report, folder, artifact=artifact.path, source=source)
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert first == second


def test_the_stored_set_on_top_is_the_one_of_the_rows(
    artifact: CondensedArtifact,
    source: Source,
    report_of: Callable[..., Report],
    row: Callable[..., Row],
    tmp_path: Path,
) -> None:
    for ipc in (artifact.ipc, artifact.ipc + 1):
        folder = tmp_path / str(ipc)
        write_report(report_of(row("artifact", "frozen"), ipc=ipc), folder, artifact=artifact.path, source=source)
        assert f"{ipc} per class" in text_of(folder)


def test_the_page_fetches_nothing_and_runs_nothing(written: Path) -> None:
    page = Page(text_of(written))
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "iframe", "object", "embed"}
    assert [attributes["href"] for tag, attributes in page.tags if tag == "link"] == ["data:,"], "no icon is asked for"
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        addresses = [attributes.get(name) for name in ("src", "xlink:href", "data", "poster", "srcset")]
        assert all(address.startswith(("data:image/png;base64,", "#")) for address in addresses if address), tag
    assert "default-src 'none'" in text_of(written)
    assert "@import" not in text_of(written)


def test_every_section_is_there_when_everything_is_given(written: Path) -> None:
    text = text_of(written)
    for name in ("results", "bytes", "samples", "features", "classes", "curves", "matrix", "corruptions", "again"):
        assert f'<section aria-labelledby="{name}">' in text
    assert text.count('class="of-synthetic"') == text.count('class="of-real"') == 10
    assert "it takes too long" in text


def test_ids_are_unique_and_pictures_have_words(written: Path) -> None:
    page = Page(text_of(written))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert charts and all(attributes.get("role") == "img" and attributes.get("aria-label") for attributes in charts)
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")


def test_references_inside_a_chart_stay_inside_it(written: Path) -> None:
    for svg in re.findall(r"<svg.*?</svg>", text_of(written), flags=re.DOTALL):
        ids = set(re.findall(r'\bid="([^"]*)"', svg))
        used = set(re.findall(r"url\(#([^)]*)\)", svg)) | set(re.findall(r'xlink:href="#([^"]*)"', svg))
        assert used <= ids


def test_charts_follow_the_colours_of_the_page(written: Path) -> None:
    charts = "".join(re.findall(r"<svg.*?</svg>", text_of(written), flags=re.DOTALL))
    assert "var(--synthetic)" in charts and "var(--real)" in charts
    assert not re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", charts)


def test_a_strangers_words_are_text(
    tmp_path: Path, row: Callable[..., Row], report_of: Callable[..., Report], digits_artifact: Path
) -> None:
    rows = [row("artifact", "fresh-matched", note=HOSTILE), row(HOSTILE), row("random-real", mode=HOSTILE)]
    report = report_of(*rows, source=HOSTILE, device=HOSTILE, skipped={HOSTILE: HOSTILE})
    write_report(report, tmp_path)
    text = text_of(tmp_path)
    Page(text)
    assert "<script" not in text and "<img src=x" not in text
    assert "\x1b" not in text and "\u202e" not in text
    table, _, fenced = (tmp_path / "report.md").read_text(encoding="utf-8").partition("```bash\n")
    assert fenced.splitlines()[1] == "```", "the command is one line, whatever is in it"
    table += fenced.partition("```")[2]
    assert "<script" not in table and "[a](http" not in table and "\x1b" not in table


def test_hostile_class_names_reach_no_markup(
    tmp_path: Path, report: Report, source: Source, features: FeatureMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = msgspec.structs.replace(source.spec, classes=(HOSTILE, "$x^", "猫", *source.spec.classes[3:]))
    monkeypatch.setattr(type(source), "spec", property(lambda self: spec))
    write_report(report, tmp_path, source=source, features=features)
    text = text_of(tmp_path)
    Page(text)
    assert "<script" not in text
    assert "$x^" in text and "猫" in text
    for svg in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        ElementTree.fromstring(svg)


def test_every_line_of_a_protocol_that_selects_on_test_data_says_so(
    tmp_path: Path, row: Callable[..., Row], report_of: Callable[..., Report]
) -> None:
    rows = [row(name, selects_on_test=True) for name in ("artifact", "random-real", "real-full")]
    write_report(report_of(*rows), tmp_path)
    lines = (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    shown = [line for line in lines if line.startswith(("| artifact |", "| random-real |", "| real-full |"))]
    assert len(shown) == 3 and all("selects on test data" in line for line in shown)
    table = re.search(r'<table class="results">.*?</table>', text_of(tmp_path), flags=re.DOTALL)
    assert table is not None and table[0].count("selects on test data") == 3


def test_what_is_not_shown_is_told_with_its_reason(
    tmp_path: Path, report_of: Callable[..., Report], row: Callable[..., Row]
) -> None:
    write_report(report_of(row("random-real", per_class=(), curve=(), corrupted={}), artifact_id=None), tmp_path)
    for text in (text_of(tmp_path), (tmp_path / "report.md").read_text(encoding="utf-8")):
        for what in ("real-full", "it takes too long", "samples", "accuracy per class", "training curves"):
            assert what in text
    assert "<h1>Baselines on digits</h1>" in text_of(tmp_path)
    command = "gendata baseline digits --ipc 3 --protocol quick/v1 --runs 2 --rows random-real"
    assert command in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_an_artifact_whose_data_are_not_here_is_shown_without_them(
    tmp_path: Path, report: Report, artifact: CondensedArtifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = msgspec.structs.replace(artifact.manifest.source, fingerprint="0" * 64)
    monkeypatch.setattr(artifact, "manifest", msgspec.structs.replace(artifact.manifest, source=facts))
    write_report(report, tmp_path, artifact=artifact, features="learn")
    text = text_of(tmp_path)
    assert text.count('class="of-synthetic"') == 10 and 'class="of-real"' not in text
    assert "have fingerprint" in text


def test_the_command_measures_the_same_rows_again(written: Path) -> None:
    expected = (
        "gendata evaluate ARTIFACT --protocol quick/v1 --runs 2 "  # a folder's name may be another's elsewhere
        "--rows frozen,fresh-matched,random-real,equal-bytes-real,real-stream --networks convnet3-w32-in,mlp2-w128 "
        "--corruptions snow,gaussian_noise"
    )
    assert expected.replace(" --", " \\\n    --") in text_of(written)
    assert expected in (written / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"source": "folder", "source_folder": "photos", "source_options": {"resize": 32}}, "FOLDER --resize 32"),
        ({"source": "huggingface", "source_options": {"dataset": "org/set", "resize": None}}, "org/set"),
        ({"source": "fashion-mnist"}, "fashion-mnist"),
    ],
)
def test_the_command_of_baselines_names_the_data_the_bytes_and_what_was_asked_for(
    facts: dict[str, object], words: str, row: Callable[..., Row], report_of: Callable[..., Report]
) -> None:
    rows = [row("equal-bytes-real", n=3, labels="teacher"), row("random-real", n=1, labels="teacher")]
    report = report_of(*rows, artifact_id=None, max_bytes=20_000, seed=4, **facts)
    assert command(report, None) == (
        f"gendata baseline {words} --ipc 3 --bytes 20000 --protocol quick/v1 --teacher TEACHER --runs 1 "
        "--rows equal-bytes-real,random-real --corruptions snow,gaussian_noise --seed 4"
    )


def test_real_images_alone_say_what_a_command_needs_to_find_them_again(tmp_path: Path, source: Source) -> None:
    for label in (0, 1):
        (tmp_path / "photos" / str(label)).mkdir(parents=True)
        for number in range(12):
            image = source.split("train").x[label * 12 + number, 0].numpy()
            Image.fromarray(image).save(tmp_path / "photos" / str(label) / f"{number}.png")
    report = evaluate_real(
        named_source(tmp_path / "photos", resize=9), ipc=1, num_bytes=5000, rows=("random-real",), runs=1,
        networks=("mlp1-w4",),
    )  # fmt: skip
    assert command(report, None).startswith("gendata baseline FOLDER --resize 9 --ipc 1 --bytes 5000 ")
    assert str(tmp_path) not in report.to_json().decode()
    assert ("real data", f"folder, resize 9, resize_mode crop, fingerprint {report.fingerprint}") in facts_of(report)


def test_only_rows_of_the_published_loop_are_called_equal_to_it(
    row: Callable[..., Row], report_of: Callable[..., Report]
) -> None:
    def remark(*rows: Row) -> str:
        told = report_of(*rows, protocol="dsa/v1")
        return next(remark for name, _, remark in _tiles(told, Materials()) if name == "protocol")

    exact, ours = row("artifact", "frozen(30)", status="exact"), row("artifact", "fresh@10k")
    assert remark(exact) == "shown equal to the published loop"
    assert remark(exact, ours) == "shown equal to the published loop, not so artifact, fresh@10k"
    assert remark(ours) == "not shown equal to the published loop"


def test_a_report_of_a_suite_and_of_no_row_is_a_page_too(
    tmp_path: Path, row: Callable[..., Row], report_of: Callable[..., Report]
) -> None:
    suite = report_of(
        row("artifact", "frozen(30)"), protocol="dc-bench/v1", summary={"best": 0.5, "mean": 0.4}, scores={"IOR": 0.25}
    )
    write_report(suite, tmp_path / "suite")
    assert "IOR 0.250 (the gain over random-real" in text_of(tmp_path / "suite")
    assert "50.0 % is the best of its protocols and 40.0 % is their mean" in text_of(tmp_path / "suite")
    write_report(report_of(), tmp_path / "none")
    assert "No row was measured." in text_of(tmp_path / "none")


def test_other_files_in_the_folder_stay_and_old_reports_are_replaced(tmp_path: Path, report: Report) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "report.json").write_text("old")
    write_report(report, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert json.loads((tmp_path / "report.json").read_text())["source"] == "digits"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_file_in_the_way_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("")
    with pytest.raises(SpecError, match="is a file"):
        check_report_folder(tmp_path / "report")


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"gendata\[report\]"):
        check_report_folder(tmp_path)
