"""The card says what the artifact is, and nobody's text becomes markup."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import msgspec
import pytest
import torch
import yaml

import gendata
from gendata.artifact.amend import annotate, write_evaluations
from gendata.artifact.artifact import save_artifact
from gendata.artifact.card import CARD_BEGIN, CARD_END, render_card
from gendata.artifact.card_rows import read_rows
from gendata.artifact.manifest import CondensedOn
from gendata.artifact.seals import sealed
from gendata.spec import SourceFacts

markdown_it = pytest.importorskip("markdown_it", reason="comes with rich")


def card(artifact):
    return (artifact.path / "README.md").read_text(encoding="utf-8")


def head(text):
    return yaml.safe_load(text.split("---\n")[1])


def html(text):
    """As the Hub shows it: CommonMark with tables, HTML let through."""
    return markdown_it.MarkdownIt("commonmark").enable("table").render(text.split("---\n", 2)[2])


def shown(text):
    return re.sub("<[^>]*>", "", html(text))


def row_of(artifact, name="artifact", mode="frozen(15)", mean=0.8, **changes):
    row = {
        "row": name, "mode": mode, "protocol": "quick/v1", "network": "convnet3-w32-in", "mean": mean, "std": 0.004,
        "n": 3, "bytes": 900, "distinct_images": 15, **changes,
    }  # fmt: skip
    return sealed(row, artifact_id=artifact.artifact_id)


def test_the_card_says_what_it_is_how_to_load_it_and_what_it_costs(artifact):
    text = card(artifact)
    told = ("digits", "3 classes, 12 x 10 px", f"{artifact.artifact_bytes:,} bytes", artifact.artifact_id, "CC-BY-4.0")
    for part in told:
        assert part in text
    assert "gendata.load_condensed(" in text
    assert "Not measured yet" in text
    assert "Fresh is not IPC" in text


def test_the_name_given_is_the_name_to_load_and_to_pull(artifact):
    text = render_card(artifact.manifest, [row_of(artifact)], name="org/digits-ipc5").decode()
    assert 'load_condensed("org/digits-ipc5")' in text
    assert "gendata pull org/digits-ipc5 --out ARTIFACT" in text


def test_the_head_is_metadata_that_the_hub_knows(make_draft, tmp_path):
    told = head(card(save_artifact(tmp_path / "a", make_draft(license="CC-BY-4.0"))))
    assert told["license"] == "cc-by-4.0"
    assert told["task_categories"] == ["image-classification"]
    assert told["size_categories"] == ["n<1K"]
    assert {"gendata", "dataset-condensation"} <= set(told["tags"])


def test_a_licence_that_the_hub_does_not_know_is_other_with_its_name(make_draft, tmp_path):
    told = head(card(save_artifact(tmp_path / "a", make_draft(license="My: own\nlicense #1"))))
    assert (told["license"], told["license_name"]) == ("other", "My: own license #1")
    assert "license" not in head(card(save_artifact(tmp_path / "b", make_draft())))


def test_without_a_table_of_samples_other_readers_are_told_that_there_is_none(artifact):
    (config,) = head(card(artifact))["configs"]
    assert "no-images-stored-here-use-gendata.load_condensed" in config["data_files"][0]["path"]


def test_the_head_passes_the_clients_own_check(artifact):
    hub = pytest.importorskip("huggingface_hub")
    told = hub.DatasetCard(card(artifact)).data.to_dict()
    assert told["task_categories"] == ["image-classification"]


HOSTILE = [
    ("<script>alert(1)</script>", "<script"),
    ("<!-- gendata:end -->", "<!-- gendata:end -->"),
    ("![x](https://evil.example/pixel.png)", "<img"),
    ("[click](javascript:alert(1))", "<a href"),
    ("a | b\n\n# Heading\n\n---\n", "<h1>Heading"),
    ("</code></pre>```\n# Heading", "<h1>Heading"),
    ("<https://evil.example>", "<a href"),
    ("**strong** _em_", "<em>"),
    ("{{ 7 * 7 }}{% raw %}", "49"),
    ("x" * 5000, "x" * 400),
    ("\u202egnp.exe", "\u202e"),
    ("&lt;b&gt;", " &lt;b"),
]


@pytest.mark.parametrize(("hostile", "forbidden"), HOSTILE)
def test_hostile_text_is_shown_as_text(make_draft, tmp_path, hostile, forbidden):
    source = SourceFacts(name=hostile, fingerprint="", homepage=hostile, revision=hostile, license=hostile)
    saved = save_artifact(tmp_path / "a", make_draft(source=source, license=hostile, citation=hostile))
    fields = ("row", "mode", "mean", "n", "protocol", "network", "per_class", "seal", "bytes")
    saved = write_evaluations(saved.path, [dict.fromkeys(fields, hostile)])
    text = card(saved)
    body = html(text).replace(CARD_END, "", 1)
    assert forbidden not in body
    assert text.count(CARD_END) == text.count(CARD_BEGIN) == 1
    assert head(text)["license"] == "other"
    assert body.count("<h1>") == 1


@pytest.mark.parametrize("hostile", ["somebody@evil.example", "WWW.evil.example", "$x$", "`code`"])
def test_nothing_that_a_renderer_would_link_or_set_stays_bare(make_draft, tmp_path, hostile):
    text = card(save_artifact(tmp_path / "a", make_draft(citation=f"see {hostile}")))
    assert hostile not in text.replace("\\$x\\$", "").replace("\\`code\\`", "")
    assert f"see {hostile}" in shown(text).replace("&lt;", "<")


def test_results_are_a_table_in_per_cent(artifact):
    text = card(write_evaluations(artifact.path, [row_of(artifact, mean=0.8123)]))
    assert "| **this artifact, frozen\\(15\\)** | 81.2 ± 0.4 | 3 | 900 | 15 | quick/v1 | convnet3-w32-in |" in text
    assert "<td" in html(text)


def test_a_row_without_its_seal_says_so(artifact):
    changed = {**row_of(artifact), "mean": 0.99}
    text = card(write_evaluations(artifact.path, [changed]))
    assert "99.0 ± 0.4, not sealed" in text
    assert "Not sealed." in text


def test_a_number_picked_on_test_data_says_so(artifact):
    text = card(write_evaluations(artifact.path, [row_of(artifact, selects_on_test=True)]))
    assert "80.0 ± 0.4, picked on test data" in text


def test_what_was_lost_is_told_from_the_rows(artifact):
    rows = [
        row_of(artifact, mode="frozen(15)", mean=0.6, per_class=[0.9, 0.2, 0.7]),
        row_of(artifact, mode="fresh-matched", mean=0.9, distinct_images=3000, per_class=[0.99, 0.8, 0.9]),
        row_of(artifact, "equal-bytes-real", "real", 0.95),
        row_of(artifact, "random-real", "real", 0.5),
        row_of(artifact, "real-full", "real", 0.98),
        row_of(artifact, "real-full", "real", 0.1, network="mlp2"),
    ]
    text = shown(card(write_evaluations(artifact.path, rows)))
    assert "all real images the same network reaches 98.0 %" in text
    assert "90.0 % (fresh-matched): 8.0 points are lost" in text
    assert "As many bytes of compressed real images teach more (95.0 % against 90.0 %)" in text
    assert "Hardest in the row fresh-matched: one (80.0 %)" in text
    assert "15 random real images teach it less (50.0 %)" in text
    assert "3,000 different ones" in text


def test_what_was_not_measured_is_not_claimed(artifact):
    text = card(write_evaluations(artifact.path, [row_of(artifact, n=1)]))
    assert "nobody knows how much accuracy real data would add" in text
    assert "No error bars." in text


def test_rows_of_one_network_are_told_from_the_others(artifact):
    rows = [row_of(artifact, mode="frozen(15)", n=1), row_of(artifact, "random-real", "real", n=3)]
    text = shown(card(write_evaluations(artifact.path, rows)))
    assert "Some rows have no error bar. One network each: frozen(15);" in text.replace("**", "")
    assert "no error bar" not in card(write_evaluations(artifact.path, [row_of(artifact, n=3)])).lower()


def test_the_command_names_the_rows_and_only_plain_words(artifact):
    rows = [
        row_of(artifact),
        row_of(artifact, "random-real"),
        row_of(artifact, protocol="x; rm -rf ~", network="$(id)"),
    ]
    text = card(write_evaluations(artifact.path, rows))
    words = "--protocol quick/v1 --networks convnet3-w32-in --runs 3 --rows frozen,random-real"
    assert f"\ngendata evaluate . {words}\n" in text.replace(" \\\n   ", "")
    assert text.count("\ngendata evaluate") == 1


def test_a_shipped_recipe_is_named_and_any_other_read_from_the_manifest(digits_artifact):
    changed = gendata.open_artifact(digits_artifact)
    assert '["recipe"]' in card(changed)
    recipe = gendata.load_recipe("digits/random-real").resolved()
    text = render_card(_with_recipe(changed.manifest, recipe)).decode()
    assert "gendata recipe run digits/random-real --out again" in text
    assert "It holds real images." in text


def test_the_command_that_makes_it_again_takes_as_many_threads(digits_artifact):
    recipe = gendata.load_recipe("digits/random-real").resolved()
    manifest = _with_recipe(gendata.open_artifact(digits_artifact).manifest, recipe)
    cpu = CondensedOn(device="cpu x 1", isa="AVX512", threads=2)
    text = render_card(msgspec.structs.replace(manifest, condensed_on=cpu)).decode()
    assert "\nOMP_NUM_THREADS=2 gendata recipe run digits/random-real --out again\n" in text
    assert "on 2 threads (cpu x 1, AVX512)" in shown(text)
    changed = gendata.open_artifact(digits_artifact).manifest
    text = render_card(msgspec.structs.replace(changed, condensed_on=cpu)).decode()
    assert "import gendata, json, msgspec, torch\n\ntorch.set_num_threads(2)\n" in text
    gpu = CondensedOn(device="cuda x 1", isa="AVX512", threads=2)
    text = render_card(msgspec.structs.replace(manifest, condensed_on=gpu)).decode()
    assert "\ngendata recipe run digits/random-real --out again\n" in text
    assert "on cuda x 1:" in shown(text)


def _with_recipe(manifest, recipe):
    return msgspec.structs.replace(manifest, recipe=msgspec.to_builtins(recipe), recipe_digest=recipe.digest())


def test_a_card_with_somebodys_own_words_is_left_alone(artifact):
    (artifact.path / "README.md").write_text("my words")
    assert card(annotate(artifact.path, license="MIT")) == "my words"


def test_an_absent_card_stays_absent(artifact):
    (artifact.path / "README.md").unlink()
    annotate(artifact.path, license="MIT")
    assert not (artifact.path / "README.md").exists()


def test_more_steps_are_not_held_against_real_images_in_fewer(artifact):
    rows = [
        row_of(artifact, mode="fresh@10k", mean=0.85, per_class=[0.9, 0.8, 0.85]),
        row_of(artifact, mode="fresh-matched", mean=0.7, per_class=[0.8, 0.6, 0.7]),
        row_of(artifact, name="real-stream", mode="real", mean=0.8),
    ]
    text = shown(render_card(artifact.manifest, rows).decode())
    assert "recognises 70.0 %" in text
    assert "70.0 % (fresh-matched): 10.0 points are lost" in text
    assert "Hardest in the row fresh-matched" in text
    alone = shown(render_card(artifact.manifest, rows[::2]).decode())
    assert "What was lost is not known." in alone


def test_rows_of_another_ipc_share_no_sentence_and_are_remade_at_their_own(artifact):
    rows = [
        row_of(artifact, mode="frozen(15)", mean=0.7, ipc=5),
        row_of(artifact, mode="frozen(120)", mean=0.9, ipc=40),
        row_of(artifact, name="random-real", mode="real", mean=0.6, ipc=5),
        row_of(artifact, name="real-stream", mode="real", mean=0.8, ipc=5),
    ]
    text = render_card(artifact.manifest, rows).decode()
    assert "recognises 70.0 %" in text and "10.0 points are lost" in text
    assert "--ipc 40" in text and text.count("--ipc") == 1


@pytest.mark.parametrize(("real", "told"), [(0.85, True), (0.6, False)])
def test_a_stored_set_below_random_real_images_is_told(artifact, real, told):
    rows = [
        row_of(artifact, mode="fresh-matched", mean=0.9),
        row_of(artifact, mode="frozen(15)", mean=0.8),
        row_of(artifact, name="random-real", mode="real", mean=real),
    ]
    text = shown(render_card(artifact.manifest, rows).decode())
    assert ("As many random real images teach more (85.0 % against 80.0 %)." in text) == told


def test_rows_of_soft_labels_say_so(artifact):
    text = render_card(artifact.manifest, [row_of(artifact, labels="soft"), row_of(artifact, mode="fresh")]).decode()
    assert text.count("soft labels") == 1
    assert "--labels" not in text


def test_hard_labels_of_an_artifact_with_soft_ones_are_asked_for(make_draft, tmp_path):
    artifact = save_artifact(tmp_path / "soft", make_draft(soft_labels=torch.ones(15, 3) / 3))
    rows = [
        row_of(artifact, labels="soft"),
        row_of(artifact, labels="hard"),
        row_of(artifact, name="random-real", mode="real", labels="hard"),
    ]
    commands = re.findall(r"--runs \d+(.*) \\\n +--rows (.*)", render_card(artifact.manifest, rows).decode())
    assert commands == [("", "frozen,random-real"), (" --labels hard", "frozen")]


def test_commands_ask_for_seed_teacher_and_corruptions_where_rows_had_them(artifact):
    rows = [
        row_of(artifact, seed=0, corrupted={}),
        row_of(artifact, seed=3, labels="teacher", corrupted={"fog": 0.5, "snow": 0.4}),
        row_of(artifact, "random-real", "real", corrupted={"fog; rm -rf ~": 0.5}),
    ]
    commands = re.findall(r"--runs \d+(.*) \\\n +--rows (.*)", render_card(artifact.manifest, rows).decode())
    assert commands == [("", "frozen"), (" --teacher TEACHER --corruptions fog,snow --seed 3", "frozen")]


@pytest.mark.parametrize("corrupted", [None, "fog", ["fog"], {1: 0.5}])
def test_corruptions_that_are_none_count_as_not_said(corrupted):
    (row,) = read_rows([{"row": "artifact", "mode": "frozen(1)", "corrupted": corrupted}], artifact_id="0" * 64)
    assert row.corruptions == ()


@pytest.mark.parametrize("mean", [10**400, -(10**400), 1e300, True, "1", None])
def test_a_number_that_is_none_counts_as_not_said(mean):
    (row,) = read_rows([{"row": "artifact", "mode": "frozen(1)", "mean": mean}], artifact_id="0" * 64)
    assert row.mean is None and row.accuracy == "?"


def test_a_longer_budget_of_real_images_is_another_row(artifact):
    rows = [
        {
            "row": "artifact",
            "mode": "fresh-matched",
            "protocol": "quick/v1",
            "network": "n",
            "mean": 0.9,
            "n": 3,
            "ipc": 1,
        },
        {
            "row": "equal-bytes-real",
            "mode": "real@10k",
            "protocol": "quick/v1",
            "network": "n",
            "mean": 0.99,
            "n": 3,
            "ipc": 1,
        },
    ]
    card = render_card(artifact.manifest, rows, name="org/name").decode()
    assert "compressed real images teach it" not in card
    assert "equal-bytes-real@10k" in card and "--rows fresh-matched,equal-bytes-real@10k" in card


def test_the_reference_of_a_recipe_asks_for_what_its_row_had(artifact):
    file = Path(__file__).resolve().parents[2] / "hub" / "ship.py"
    spec = importlib.util.spec_from_file_location("ship", file)
    ship = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ship)
    machine = {"cpus": 1, "processor": "A CPU", "cpu_capability": None, "accelerators": []}
    row = row_of(
        artifact, ipc=2, seed=3, labels="teacher", corrupted={"fog": 0.5}, network="mlp1", images_seen=9,
        hardware=machine, versions={"gendata": "1", "torch": "2"},
    )  # fmt: skip
    text = ship.with_reference("a: 1\n", "digits", write_evaluations(artifact.path, [row]))
    (told,) = yaml.safe_load(text)["reference"]
    assert told["command"] == (
        "gendata evaluate digits --protocol quick/v1 --rows frozen --runs 3 --networks mlp1 --ipc 2 --teacher TEACHER "
        "--corruptions fog --seed 3"
    )
