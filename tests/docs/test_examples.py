"""The examples of docs/ keep their word: each runs by itself, as a script of its own would."""

from __future__ import annotations

import ast
import importlib.util
import re
import runpy
from pathlib import Path
from typing import NamedTuple

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
FENCED = re.compile(r"^(#{1,6}) (.+?)$|^```python\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    page: str
    heading: str
    code: str


def examples() -> list[Example]:
    """Python blocks of all pages, each under the heading it stands below."""
    found = []
    for page in sorted(DOCS.rglob("*.md")):
        heading = ""
        for match in FENCED.finditer(page.read_text(encoding="utf-8")):
            heading = match[2] or heading
            if match[3]:
                found.append(Example(page.relative_to(DOCS).as_posix(), heading, match[3]))
    return found


EXAMPLES = examples()
TRAINERS = [example for example in EXAMPLES if example.page == "trainers.md"]


def packages(code: str) -> set[str]:
    """Top-level names that the code imports."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.slow
# What these packages warn of among themselves is not ours to mend.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.page}: {example.heading}")
def test_the_example_runs(
    example: Example, digits_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = sorted(name for name in packages(example.code) if importlib.util.find_spec(name) is None)
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed; pip install 'gendata[trainers]'")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "digits").symlink_to(digits_artifact, target_is_directory=True)
    script = tmp_path / "example.py"
    script.write_text(example.code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script), run_name="__main__")


def test_every_trainer_has_its_example() -> None:
    wanted = {"torch", "lightning", "accelerate", "transformers", "timm", "torchvision"}
    assert wanted <= set().union(*(packages(example.code) for example in TRAINERS))


@pytest.mark.parametrize("example", TRAINERS, ids=lambda example: example.heading)
def test_an_example_has_ten_to_thirty_lines_and_checks_itself(example: Example) -> None:
    lines = [line for line in example.code.splitlines() if line.strip()]
    assert 10 <= len(lines) <= 30
    assert max(map(len, lines)) <= 120
    assert any(line.startswith(("assert ", "print(")) for line in lines[-2:])
