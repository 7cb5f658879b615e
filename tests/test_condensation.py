"""Condensation: one command, the same bytes, whatever happens on the way."""

import os
import resource
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from PIL import Image

from gendata import condensation
from gendata.checkpoint import RunFolder
from gendata.condensation import stage_training
from gendata.errors import ArtifactError, IntegrityError, RecipeError, SourceError
from gendata.recipe import Choice, load_recipe
from gendata.sources.balance import hold_out
from gendata.sources.source import open_source
from gendata.spec import SampleSpec

RECIPE = "digits/generative-16kb"
TINY = (
    "method.options.networks=1",
    "method.options.network_ages=[2, 6]",
    "method.options.network=convnet1-w8-in",
    "method.options.reconstruct_steps=12",
    "method.options.steps=8",
    "generator.options.widths=[8]",
    "latent.options.codes=4",
)


def condense(out: Path, **options):
    return condensation.condense(RECIPE, out=out, overrides=options.pop("overrides", TINY), **options)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    out = tmp_path_factory.mktemp("undisturbed") / "digits"
    condense(out)
    return files_of(out)


def save_after_every_step(monkeypatch):
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SEC", 0.0)
    monkeypatch.setattr(stage_training, "_CHECKPOINT_SHARE", float("inf"))


class Killed(BaseException):
    """Stands for a death that leaves no time to clean up."""


def kill_at_once(out: Path) -> None:
    """Leaves the state of a run that died after its first step."""

    def die(progress):
        raise Killed

    with pytest.raises(Killed):
        condense(out, on_progress=die)


@pytest.mark.parametrize(("stage", "step"), [("pool", 4), ("reconstruct", 1), ("reconstruct", 12), ("match", 5)])
def test_a_run_that_dies_at_any_stage_ends_with_the_same_bytes(tmp_path, monkeypatch, undisturbed, stage, step):
    save_after_every_step(monkeypatch)
    steps_done = []

    def die(progress):
        if (progress.stage, progress.step) == (stage, step):
            raise Killed

    def count(progress):
        steps_done.append((progress.stage, progress.step))

    with pytest.raises(Killed):
        condense(tmp_path / "digits", on_progress=die)
    assert not (tmp_path / "digits").exists()
    condense(tmp_path / "digits", on_progress=count)
    assert files_of(tmp_path / "digits") == undisturbed
    assert len(steps_done) < 6 + 12 + 8  # it went on, it did not start again


def test_sigkill_at_moments_of_the_clock_changes_no_byte(tmp_path, undisturbed):
    script = (
        "import sys; from gendata import condensation; from gendata.condensation import stage_training as training;"
        "training._CHECKPOINT_SEC = 0.0;"
        "training._CHECKPOINT_SHARE = float('inf');"
        f"condensation.condense({RECIPE!r}, out=sys.argv[1], overrides={TINY!r},"
        "on_progress=lambda p: print(p.stage, flush=True))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "digits")]
    for lines_before_the_kill in (3, 9):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
            for _ in range(lines_before_the_kill):
                run.stdout.readline()
            run.send_signal(signal.SIGKILL)
    assert not (tmp_path / "digits").exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert files_of(tmp_path / "digits") == undisturbed


def test_statistics_of_steps_that_were_lost_are_dropped(tmp_path, monkeypatch):
    save_after_every_step(monkeypatch)
    monkeypatch.setattr(stage_training, "_STATS_EVERY", 1)
    stats = tmp_path / "digits.run" / "stats.jsonl"

    def die(progress):
        if progress.stage == "match" and progress.step == 4:
            with stats.open("a") as file:
                file.write('{"stage": "match", "st')  # half a line
            raise Killed

    with pytest.raises(Killed):
        condense(tmp_path / "digits", on_progress=die)
    condense(tmp_path / "digits")
    import json

    steps = [(line["stage"], line["step"]) for line in map(json.loads, stats.read_text().splitlines())]
    assert steps == sorted(set(steps), key=steps.index) and len(steps) == 6 + 12 + 8


def test_a_finished_folder_is_left_as_it_is(tmp_path, undisturbed):
    condense(tmp_path / "digits")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "digits").iterdir()}
    condense(tmp_path / "digits")
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "digits").iterdir()} == before


def test_another_recipe_does_not_touch_a_finished_folder_or_a_begun_run(tmp_path):
    condense(tmp_path / "digits")
    with pytest.raises(ArtifactError, match="another recipe digest"):
        condense(tmp_path / "digits", overrides=(*TINY, "seed=1"))

    kill_at_once(tmp_path / "other")
    with pytest.raises(ArtifactError, match="another recipe digest"):
        condense(tmp_path / "other", overrides=(*TINY, "seed=1"))


def test_a_run_begun_under_another_torch_is_not_taken_up(tmp_path):
    kill_at_once(tmp_path / "digits")
    claim = tmp_path / "digits.run" / "recipe.json"
    claim.write_text(claim.read_text().replace('"torch version": "', '"torch version": "1.'))
    with pytest.raises(ArtifactError, match="another torch version"):
        condense(tmp_path / "digits")


def test_a_run_goes_on_with_as_many_threads_as_it_began_with_and_the_artifact_says_how_many(tmp_path):
    own, used = torch.get_num_threads(), []

    def look(progress):
        used.append(torch.get_num_threads())

    torch.set_num_threads(own + 1)
    try:
        kill_at_once(tmp_path / "digits")
    finally:
        torch.set_num_threads(own)
    made = condense(tmp_path / "digits", on_progress=look)
    assert set(used) == {own + 1}
    assert made.manifest.condensed_on.threads == own + 1
    assert torch.get_num_threads() == own


def test_a_run_whose_own_record_is_damaged_is_not_taken_up(tmp_path):
    kill_at_once(tmp_path / "digits")
    record = tmp_path / "digits.run" / "recipe.json"
    record.write_text(record.read_text()[:-9])
    with pytest.raises(IntegrityError, match=r"cannot be read(.|\n)*Remove digits\.run to start again"):
        condense(tmp_path / "digits")


def test_recipes_of_both_precisions_run_in_one_process(tmp_path):
    for precision in ("bf16", "f32"):
        condense(tmp_path / precision, overrides=(*TINY, f"precision={precision}"))
    assert files_of(tmp_path / "bf16")["generator.safetensors"] != files_of(tmp_path / "f32")["generator.safetensors"]


def test_two_processes_do_not_share_a_run(tmp_path):
    def inside(progress):
        with pytest.raises(ArtifactError, match="another process"):
            condense(tmp_path / "digits")
        raise Killed

    with pytest.raises(Killed):
        condense(tmp_path / "digits", on_progress=inside)


def test_a_recipe_that_diverges_says_which_term_and_leaves_no_artifact(tmp_path):
    with pytest.raises(RecipeError, match="diverged"):
        condense(tmp_path / "digits", overrides=(*TINY, "method.options.network_lr=1.0e+20"))
    assert not (tmp_path / "digits").exists()


def test_a_plan_counts_what_a_run_would_do_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = condensation.plan(RECIPE, overrides=TINY)
    assert plan.stages == (("pool", 6), ("reconstruct", 12), ("match", 8))
    assert (plan.num_train + plan.num_validation, plan.num_test) == (1297, 500)
    assert list(tmp_path.iterdir()) == []


def test_a_generator_too_costly_to_sample_is_refused_before_training(monkeypatch):
    monkeypatch.setattr("gendata.artifact.modules.MAX_MACS", 1000)
    with pytest.raises(ArtifactError, match=r"artifact\.micro_batch.*multiply-accumulates"):
        condensation.plan(RECIPE, overrides=TINY)


def test_matching_from_noise_needs_no_warm_start_and_no_trained_network(tmp_path):
    overrides = (*TINY, "method.options.networks=0", "method.options.reconstruct_steps=0")
    artifact = condense(tmp_path / "digits", overrides=overrides)
    assert artifact.manifest.recipe["method"]["options"]["networks"] == 0


def test_own_images_condense_without_their_path_reaching_the_artifact(tmp_path):
    from PIL import Image

    for number in range(12):
        for name in ("cat", "dog"):
            folder = tmp_path / "secret-place" / "pets" / name
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number * 20, 255 * (name == "cat"), 0)).save(folder / f"{number}.png")
    from gendata.proposal import propose_recipe

    recipe = propose_recipe(tmp_path / "secret-place" / "pets", max_bytes=12_000, ipc=3)
    few = {"reconstruct_steps": 5, "refine_steps": 2, "steps": 3, "frozen_steps": 2}
    recipe.method.options.update(networks=1, network_ages=[3], **few)
    artifact = condensation.condense(recipe, out=tmp_path / "out")
    assert artifact.artifact_bytes <= 12_000
    assert artifact.spec.classes == ("cat", "dog")
    for data in files_of(tmp_path / "out").values():
        assert b"secret-place" not in data


def test_a_proposal_for_a_folder_that_is_not_there_is_one_clear_error():
    from gendata.proposal import propose_recipe

    with pytest.raises((RecipeError, SourceError), match="no such folder"):
        propose_recipe("./nowhere")


@pytest.mark.parametrize("max_bytes", [3_000, 16_000, 90_000])
def test_a_proposal_costs_what_it_was_allowed_and_little_less_where_the_data_fill_it(tmp_path, max_bytes):
    from gendata.proposal import propose_recipe

    few = ("networks=1", "network_ages=[3]", "reconstruct_steps=5", "refine_steps=2", "steps=2", "frozen_steps=2")
    overrides = tuple(f"method.options.{option}" for option in (*few, "reconstruct_warmup=1"))
    recipe = propose_recipe("digits", max_bytes=max_bytes, ipc=12, overrides=overrides)
    artifact = condensation.condense(recipe, out=tmp_path / "out")
    fit, _ = hold_out(open_source(Choice(name="digits"), data_root=None).split("train"))
    assert artifact.artifact_bytes <= max_bytes
    assert artifact.artifact_bytes > 0.9 * max_bytes or artifact.max_ipc == int(fit.y.bincount().min())


def test_a_budget_below_every_generator_is_told_the_least_that_would_do():
    from gendata.proposal import propose_recipe

    with pytest.raises(RecipeError, match="hold no generator") as error:
        propose_recipe("digits", max_bytes=1_000)
    least = int(error.value.expected.rpartition(" ")[2])
    assert propose_recipe("digits", max_bytes=least).latent.options["codes"] >= 2
    with pytest.raises(RecipeError, match="hold no generator"):
        propose_recipe("digits", max_bytes=least - 1)


def test_processes_of_one_run_go_on_from_the_same_state(tmp_path):
    """What each fits for itself differs here: batch norm keeps other statistics of other samples."""
    script = f"""
import hashlib, sys
from pathlib import Path
from gendata.checkpoint import RunFolder
from gendata.condensation.job import Job
from gendata.recipe import load_recipe
from gendata.training_state import named_tensors
overrides = (*{TINY!r}, "method.options.network=convnet1-w8-bn", "method.options.codes_from=samples",
             "method.options.hardness=4", "method.options.steps=2")
job = Job(load_recipe({RECIPE!r}, overrides=overrides).resolved(), data_root=None)
assert job.accelerator.num_processes == 2
first = job.accelerator.is_main_process
with RunFolder(Path(sys.argv[1]), recipe=job.recipe, claim=job.claim(), threads=1, is_first=first) as folder:
    job.run(folder, None)
of_method = {{name: t for name, t in named_tensors(job.method, prefix="method").items() if ".pool." not in name}}
print(hashlib.sha256(b"".join(t.detach().numpy().tobytes() for t in of_method.values())).hexdigest())
job.accelerator.wait_for_everyone()
"""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "run")],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
        )
        for rank in range(2)
    ]
    first, second = (run.communicate(timeout=300)[0].strip() for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert first == second != ""


@pytest.mark.parametrize(
    "override", ["method.options.label_steps=300", "artifact.storage=int8", "latent.options.codes=90"]
)
def test_overrides_that_cost_more_than_was_allowed_are_refused_with_the_bytes(override):
    from gendata.proposal import propose_recipe

    with pytest.raises(RecipeError, match=r"with these overrides the artifact has \d+ bytes; expected at most 8000"):
        propose_recipe("digits", max_bytes=8_000, ipc=1, overrides=(override,))
    assert propose_recipe("digits", ipc=1, overrides=(override,))


def test_hard_samples_are_chosen_only_among_many_more():
    from gendata.proposal import _method_options

    spec, latent = (
        SampleSpec(channels=1, height=28, width=28, classes=("a",)),
        Choice(name="codebook", options={"codes": 540, "dim": 8}),
    )
    assert "hardness" not in _method_options(spec, latent, num_images=5400, fewest=600)
    assert _method_options(spec, latent, num_images=60_000, fewest=5400)["hardness"] == 4.0


def test_settings_of_a_launcher_do_not_scale_gradients(tmp_path, monkeypatch):
    changes = ("method.options.steps=3", "artifact.ipc=1", "generator.options.slots=1", "latent.options.slots=1")
    alone = condensation.condense("digits/dm", out=tmp_path / "alone", overrides=changes)
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    launched = condensation.condense("digits/dm", out=tmp_path / "launched", overrides=changes)
    assert launched.artifact_id == alone.artifact_id


@pytest.mark.parametrize("out", [".", "..", "/"])
def test_the_folder_one_stands_in_is_not_replaced(out):
    for ask in (condensation.condense, condensation.plan):
        with pytest.raises(ArtifactError, match="is no name of a folder to be made"):
            ask("digits/random-real", out=out)


@pytest.fixture
def own_images(tmp_path):
    """Overrides that read a folder of two classes, 64 x 64 pixels."""
    for number in range(6):
        for name in ("a", "b"):
            path = tmp_path / "images" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 64), (40 * number, 0, 0)).save(path)
    return (*TINY, "source.name=folder", f"source.options={{path: {tmp_path / 'images'}}}")


def test_a_frozen_set_beyond_what_an_artifact_may_hold_is_refused_before_the_run(own_images):
    with pytest.raises(ArtifactError, match=r"artifact: the frozen set would take 24576000000 bytes, expected at most"):
        condensation.plan(RECIPE, overrides=(*own_images, "artifact.ipc=1000000"))


def test_a_run_does_not_begin_among_the_images_it_reads(own_images, tmp_path):
    inside = tmp_path / "images" / "condensed"
    with pytest.raises(SourceError, match="lies among the images that are condensed"):
        condensation.plan(RECIPE, out=inside, overrides=own_images)
    with pytest.raises(SourceError, match="lies among the images that are condensed"):
        condensation.condense(RECIPE, out=inside, overrides=own_images)
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == ["a", "b"]
    condensation.plan(RECIPE, out=tmp_path / "images-condensed", overrides=own_images)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "images" / "c").symlink_to(tmp_path / "elsewhere")
    assert open_source(Choice(name="folder", options={"path": str(tmp_path / "images")})).reads(
        tmp_path / "elsewhere/x"
    )


def test_a_run_may_lie_beside_the_splits_of_its_images(own_images, tmp_path):
    (tmp_path / "images").rename(tmp_path / "train")
    (tmp_path / "images").mkdir()
    (tmp_path / "train").rename(tmp_path / "images" / "train")
    condensation.plan(RECIPE, out=tmp_path / "images" / "runs", overrides=own_images)
    with pytest.raises(SourceError, match="lies among the images"):
        condensation.plan(RECIPE, out=tmp_path / "images" / "train" / "x", overrides=own_images)


def test_the_state_of_other_stages_is_not_taken_up(tmp_path):
    """A checkpoint counts stages; where some fall away, its number means another one."""
    kill_at_once(tmp_path / "out")
    told = tmp_path / "out.run" / "recipe.json"
    told.write_text(told.read_text().replace("pool 6, ", ""))
    with pytest.raises(ArtifactError, match="holds the state of another list of stages"):
        condense(tmp_path / "out")


def test_a_process_that_calls_itself_another_rank_holds_the_run_folder_too(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    claim = {"recipe digest": "a"}
    recipe = load_recipe(RECIPE).resolved()
    with RunFolder(tmp_path / "x.run", recipe=recipe, claim=claim, threads=1):
        pass
    with pytest.raises(ArtifactError, match="holds the state of another recipe digest"):
        RunFolder(tmp_path / "x.run", recipe=recipe, claim={"recipe digest": "b"}, threads=1).__enter__()


def test_on_a_full_disk_the_last_checkpoint_stays_and_the_remedy_is_told(tmp_path, caplog):
    """No file may grow beyond some bytes, as on a full disk."""
    state = {"x": torch.ones(100_000)}
    recipe = load_recipe(RECIPE).resolved()
    with RunFolder(tmp_path / "x.run", recipe=recipe, claim={}, threads=1) as folder:
        folder.save(stage=0, step=1, tensors={"x": torch.zeros(3)})
        with no_file_above(20_000):
            with pytest.raises(
                ArtifactError, match=r"the checkpoint cannot be written: .*\n *Where there is no room, make some"
            ):
                folder.save(stage=0, step=2, tensors=state)
            folder.write_picture("a.png", bytes(100_000))
            folder.write_picture("b.png", bytes(100_000))
        assert caplog.text.count("statistics or pictures cannot be written") == 1
        assert folder.load().step == 1


@contextmanager
def no_file_above(num_bytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
