"""What a hostile or damaged folder may contain, and that it is refused before it costs anything.

The manifests are sealed again after each change: an attacker can compute hashes too.
"""

from __future__ import annotations

import json
import os
import struct

import pytest
import safetensors.torch
import torch

from gendata.artifact import manifest as rules
from gendata.artifact import modules
from gendata.artifact.artifact import open_artifact, save_artifact
from gendata.artifact.copying import copy_artifact
from gendata.artifact.layout import facts_of
from gendata.errors import ArtifactError, GendataError, IntegrityError, UnknownNameError, UnsupportedVersionError
from gendata.generators.conv_decoder import ConvDecoder, ConvDecoderConfig
from gendata.latents.codebook import Codebook, CodebookConfig
from gendata.spec import SampleSpec


def weights_replaced(forged, artifact, data):
    (artifact.path / "generator.safetensors").write_bytes(data)
    facts = facts_of(data)
    forged(lambda f: f["files"].update({"generator.safetensors": {"size": facts.size, "sha256": facts.sha256}}))


def refuses(folder, message, error=ArtifactError):
    with pytest.raises(error, match=message):
        open_artifact(folder)


# The manifest as a file


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not readable JSON"),
        (b"[]", "not an artifact's manifest"),
        (b'{"format": "other"}', "gendata.condensed"),
        (b'{"format": "gendata.condensed", "format": "x"}', "a key appears twice"),
        (b'{"format": "gendata.condensed", "x": NaN}', "NaN is not a number"),
        (b'{"format": "gendata.condensed", "x": 1e999}', "not readable JSON"),
        (b'{"format": "gendata.condensed", "x": "\\ud800"}', "not readable JSON"),
        (b'{"format": "gendata.condensed", "x": ' + b"9" * 10_000 + b"}", "not readable JSON"),
        (b"[" * 200_000, "not readable JSON"),
        (b"\xff\xfe{}", "not readable JSON"),
        (b"\x80\x04\x95cos\nsystem\n(S'true'\ntR.", "not readable JSON"),
        (b" " * (rules.MAX_MANIFEST_BYTES + 1), "at most"),
    ],
    ids=range(12),
)
def test_a_manifest_that_is_not_strict_json_is_refused(artifact, data, message):
    (artifact.path / "config.json").write_bytes(data)
    refuses(artifact.path, message)


def test_a_folder_that_is_no_artifact_is_told_so(tmp_path):
    refuses(tmp_path / "absent", "no such folder")
    refuses(tmp_path, "holds no config.json")


def test_an_edited_manifest_is_noticed(forged):
    refuses(forged(lambda f: f.update(license="MIT"), sealed=False), "digest is", IntegrityError)


def test_the_id_of_another_artifact_cannot_be_claimed(artifact, forged):
    from gendata.artifact.canonical import pretty, sha256_of

    fields = {**json.loads((artifact.path / "config.json").read_text()), "artifact_id": "0" * 64, "digest": ""}
    fields["digest"] = sha256_of(fields)
    (artifact.path / "config.json").write_bytes(pretty(fields))
    refuses(artifact.path, "artifact_id is", IntegrityError)
    refuses(forged(lambda f: f["weights"].update(sha256="0" * 64)), "tensors' digest", IntegrityError)


# Versions and names


def test_a_format_that_needs_a_newer_reader_is_refused_with_the_remedy(forged):
    folder = forged(lambda f: f.update(format_version=3, min_reader=2))
    refuses(folder, r"(?s)format_version is 3.*pip install -U gendata", UnsupportedVersionError)


def test_a_newer_format_that_old_readers_understand_is_read(forged):
    def newer(fields):
        fields.update(format_version=3, hologram={"depth": 4})
        fields["spec"]["colour_space"] = "sRGB"

    assert open_artifact(forged(newer)).manifest.format_version == 3


@pytest.mark.parametrize("version", [None, "1", True, -1, 1.0])
def test_a_version_that_is_no_whole_number_is_refused(forged, version):
    refuses(forged(lambda f: f.update(format_version=version)), "format_version is")


@pytest.mark.parametrize("part", ["generator", "latent"])
def test_unknown_names_suggest_the_nearest(forged, part):
    known = {"generator": "conv-decoder", "latent": "normal"}[part]
    refuses(forged(lambda f: f[part].update(name=known + "x")), f"(?s)'{known}x'.*{known}", UnknownNameError)


@pytest.mark.parametrize("name", ["os:system", "../conv-decoder", "gendata.cli:main", "__import__"])
def test_names_select_from_a_table_and_are_never_imported(forged, name):
    refuses(forged(lambda f: f["generator"].update(name=name)), "no generator is called", UnknownNameError)


def test_an_unknown_option_of_a_generator_is_refused(forged):
    refuses(forged(lambda f: f["generator"]["config"].update(attention=True)), "attention")


@pytest.mark.parametrize(("field", "value"), [("rng", "mt19937/1"), ("dim", 7)])
def test_latents_that_this_gendata_would_draw_otherwise_are_refused(forged, field, value):
    refuses(forged(lambda f: f["latent"].update({field: value})), f"latent.{field} is")


@pytest.mark.parametrize(("field", "value"), [("rounding", "down"), ("dtype", "float16")])
def test_sampling_that_this_gendata_does_not_do_is_refused(forged, field, value):
    refuses(forged(lambda f: f["sampling"].update({field: value})), field)


@pytest.mark.parametrize("part", ["generator", "latent"])
def test_samples_by_another_revision_of_the_code_are_refused(artifact, forged, part):
    folder = forged(lambda f: f[part].update(revision=2))
    assert json.loads((folder / "config.json").read_text())["artifact_id"] != artifact.artifact_id
    refuses(folder, r"(?s)revision 2; this gendata .* revision 1.*pip install -U", UnsupportedVersionError)
    refuses(forged(lambda f: f[part].update(revision=0)), "(?s)revision 0.*made anew", UnsupportedVersionError)


# Sizes


@pytest.mark.parametrize("bound", ["MAX_MACS", "MAX_ACTIVATION_BYTES"])
def test_a_micro_batch_that_takes_too_much_is_refused(artifact, monkeypatch, bound):
    monkeypatch.setattr(modules, bound, 1000)
    refuses(artifact.path, "a micro-batch of 8 takes .* at most 1000")


def test_a_wide_generator_of_large_images_is_within_the_bounds():
    spec = SampleSpec(channels=3, height=224, width=224, classes=("a", "b"))
    config = ConvDecoderConfig(rank=256, widths=(512,), depths=(2,))
    with torch.device("meta"):
        generator = ConvDecoder(config, spec=spec, latent_dim=64)
        law = Codebook(CodebookConfig(dim=64), num_classes=2)
        noisy = Codebook(CodebookConfig(noise=2**16), num_classes=2)
        small = SampleSpec(channels=1, height=8, width=8, classes=("a", "b"))
        tiny = ConvDecoder(ConvDecoderConfig(rank=1, widths=(1,)), spec=small, latent_dim=64)
    modules.check_work(generator, law, micro_batch=64, where="test")
    with pytest.raises(ArtifactError, match="micro-batch of 4096"):
        modules.check_work(generator, law, micro_batch=4096, where="test")
    with pytest.raises(ArtifactError, match="bytes of random numbers"):
        modules.check_work(tiny, noisy, micro_batch=2**14, where="test")


def test_noise_that_the_generator_does_not_take_is_refused(make_draft, tmp_path):
    noisy = make_draft(latent="codebook", latent_options={"dim": 6, "codes": 8, "noise": 9})
    with pytest.raises(ArtifactError, match="draws 9 values of noise, the generator takes 0"):
        save_artifact(tmp_path / "noisy", noisy)


def absurd_ipc(fields):
    fields["frozen"]["ipc"] = 2**40


def absurd_image(fields):
    fields["spec"].update(height=2**14, width=2**14, channels=64)


def absurd_channels(fields):
    fields["spec"]["channels"] = 2**31


def absurd_micro_batch(fields):
    fields["sampling"]["micro_batch"] = 10**9


def absurd_tensor(fields):
    fields["weights"]["tensors"][0]["shape"] = [2**39, 2**39]


def absurd_width(fields):
    fields["generator"]["config"]["widths"] = [2**60]


def absurd_latent(fields):
    fields["latent"].update(dim=2**60, config={"dim": 2**60})


def absurd_file(fields):
    fields["files"]["generator.safetensors"]["size"] = 2**50


def negative_file(fields):
    fields["files"]["generator.safetensors"]["size"] = -1


def no_classes(fields):
    fields["spec"]["classes"] = []


ABSURD = [
    absurd_ipc,
    absurd_image,
    absurd_channels,
    absurd_micro_batch,
    absurd_tensor,
    absurd_width,
    absurd_latent,
    absurd_file,
    negative_file,
    no_classes,
]


@pytest.mark.parametrize("change", ABSURD)
def test_absurd_sizes_are_refused_before_anything_is_allocated(forged, change, monkeypatch):
    folder = forged(change)
    monkeypatch.setattr(safetensors.torch, "load", lambda data: pytest.fail("weights were read"))
    with pytest.raises(GendataError):
        open_artifact(folder)


def test_all_faults_of_a_manifest_are_told_together(forged):
    def change(fields):
        absurd_ipc(fields)
        absurd_micro_batch(fields)
        fields["normalisation"]["std"] = [0.0]

    refuses(forged(change), r"(?s)frozen set.*micro_batch|micro_batch.*frozen set")
    refuses(forged(change), "normalisation.std")


@pytest.mark.parametrize(
    "options",
    [
        {"path": "Private"},
        {"path": None},
        {"dataset": "/home/me/Private"},
        {"dataset": "~/Private"},
        {"dataset": "../Private"},
        {"dataset": "C:\\Private"},
        {"anything": "file:///home/me"},
    ],
)
def test_a_source_that_names_a_place_on_the_readers_machine_is_refused(forged, options):
    refuses(forged(lambda f: f["source"].update(options=options)), "source.options.* names a place on this machine")


def test_a_source_of_the_hub_is_read(forged):
    options = {"dataset": "org/name", "resize": 32, "train": "train", "image": None}
    path = forged(lambda f: f["source"].update(options=options))
    assert open_artifact(path).manifest.source.options == options


def test_a_field_of_a_wrong_type_is_named(forged):
    refuses(forged(lambda f: f["frozen"].update(ipc="many")), "frozen.ipc")


# Paths and files


@pytest.mark.parametrize(
    "name",
    [
        "../outside.bin",
        "data/../../outside.bin",
        "/etc/passwd",
        "C:\\x.bin",
        "data\\x.bin",
        "a/b/c.bin",
        ".hidden",
        "data/.hidden",
        "./x.bin",
        "x//y",
        "",
        "README.md",
        "config.json",
        "model.py",
        "data/x.py",
        "data/.parquet",
        "other/x.parquet",
        "x\n.bin",
        "é.bin",
        "x" * 200,
    ],
)
def test_names_that_could_leave_the_folder_are_refused(forged, name):
    refuses(forged(lambda f: f["files"].update({name: {"size": 1, "sha256": "0" * 64}})), "files lists")


@pytest.mark.parametrize("name", ["data/x.parquet", "data/x.py", "evaluations.json", "preview.png"])
def test_files_that_could_pass_for_the_artifacts_and_are_not_listed_are_refused(artifact, name):
    (artifact.path / name).parent.mkdir(exist_ok=True)
    (artifact.path / name).write_bytes(b"x")
    refuses(artifact.path, r"(?s)is not listed.*gendata pull NAME --out DIR", IntegrityError)


@pytest.mark.parametrize("name", ["model.pkl", "gendata.py", "generator.pt", "notes/x.csv"])
def test_other_files_are_told_and_never_touched(artifact, name, tmp_path, caplog):
    (artifact.path / name).parent.mkdir(exist_ok=True)
    os.mkfifo(artifact.path / name)  # whoever read it would wait for ever
    with caplog.at_level("WARNING", logger="gendata"):
        opened = open_artifact(artifact.path, verify="probe")
    assert f"not of the artifact, and not read: '{name.partition('/')[0]}'" in caplog.text
    copy = copy_artifact(opened, tmp_path / "copy")
    assert not (copy.path / name).exists()


@pytest.mark.parametrize("name", ["LICENSE", "LICENSE.md", "CITATION.cff", "NOTICE.txt"])
def test_a_licence_beside_the_artifact_is_nothing_to_tell(artifact, name, caplog):
    (artifact.path / name).write_text("theirs")
    with caplog.at_level("WARNING", logger="gendata"):
        open_artifact(artifact.path)
    assert caplog.text == ""


def test_listed_files_in_one_folder_are_read_and_their_neighbours_refused(artifact, forged):
    (artifact.path / "data").mkdir()
    (artifact.path / "data" / "x.parquet").write_bytes(b"x")
    facts = facts_of(b"x")
    forged(lambda f: f["files"].update({"data/x.parquet": {"size": 1, "sha256": facts.sha256}}))
    open_artifact(artifact.path)
    (artifact.path / "data" / "deeper").mkdir()
    refuses(artifact.path, "data/deeper is not listed", IntegrityError)


def test_missing_weights_are_told(artifact):
    (artifact.path / "generator.safetensors").unlink()
    refuses(artifact.path, r"generator\.safetensors is missing", IntegrityError)


@pytest.mark.parametrize("name", ["generator.safetensors", "probes.safetensors"])
def test_one_flipped_bit_in_any_listed_file_is_noticed(artifact, name):
    data = bytearray((artifact.path / name).read_bytes())
    data[len(data) // 2] ^= 4
    (artifact.path / name).write_bytes(data)
    refuses(artifact.path, "sha256", IntegrityError)


def test_a_truncated_file_is_noticed_even_without_hashes(artifact):
    path = artifact.path / "generator.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="bytes"):
        open_artifact(artifact.path, verify="none")


def test_all_differing_files_are_told_together(artifact):
    (artifact.path / "generator.safetensors").write_bytes(b"x")
    (artifact.path / "probes.safetensors").write_bytes(b"x")
    (artifact.path / "evaluations.json").write_bytes(b"x")
    refuses(artifact.path, r"(?s)evaluations.*generator\.safetensors.*probes\.safetensors", IntegrityError)


@pytest.mark.parametrize("name", ["config.json", "generator.safetensors", "probes.safetensors"])
def test_a_pipe_a_device_or_a_folder_in_place_of_a_file_never_blocks(artifact, name):
    path = artifact.path / name
    path.unlink()
    os.mkfifo(path)
    refuses(artifact.path, "not a regular file")
    path.unlink()
    path.symlink_to("/dev/zero")
    refuses(artifact.path, "not a regular file")
    path.unlink()
    path.mkdir()
    refuses(artifact.path, "not a regular file")
    path.rmdir()
    path.symlink_to(artifact.path / "nowhere")
    refuses(artifact.path, "holds no config" if name == "config.json" else "cannot be read")


# Weights


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(artifact, forged, value):
    from gendata.artifact.manifest import TensorEntry
    from gendata.artifact.weights import _digest

    path = artifact.path / "generator.safetensors"
    stored = safetensors.torch.load(path.read_bytes())["weights"].clone()
    first = artifact.manifest.weights.tensors[0]
    assert isinstance(first, TensorEntry)
    assert first.num_scales  # its first two bytes are a scale
    stored[:2] = torch.tensor([value], dtype=torch.float16).view(torch.uint8)
    weights_replaced(forged, artifact, safetensors.torch.save({"weights": stored}))
    parts = stored.split([entry.num_bytes for entry in artifact.manifest.weights.tensors])
    digest = _digest(list(zip(artifact.manifest.weights.tensors, parts, strict=True)))
    folder = forged(lambda f: f["weights"].update(sha256=digest))
    refuses(folder, "not every value is finite")


def test_a_header_that_disagrees_with_the_table_is_refused(artifact, forged):
    size = sum(entry.num_bytes for entry in artifact.manifest.weights.tensors)
    for stored in (
        {"weights": torch.zeros(size + 1, dtype=torch.uint8)},
        {"other": torch.zeros(size, dtype=torch.uint8)},
    ):
        weights_replaced(forged, artifact, safetensors.torch.save(stored))
        refuses(artifact.path, "differ from the manifest's table")
    weights_replaced(forged, artifact, safetensors.torch.save({"weights": torch.zeros(size, dtype=torch.int8)}))
    refuses(artifact.path, "differ from the manifest's table")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (struct.pack("<Q", 2**63) + b"{}", "a header of"),
        (struct.pack("<Q", 0) + b"{}", "a header of"),
        (b"", "a header of"),
        (struct.pack("<Q", 2) + b"[]", "safetensors"),
        (struct.pack("<Q", 8) + b"{" * 8, "not readable JSON"),
        (b"PK\x03\x04" + b"\0" * 40, "header"),
        (b"\x80\x02}q\x00." + b"\0" * 40, "header"),
    ],
    ids=range(7),
)
def test_files_that_are_not_safetensors_are_refused(artifact, forged, header, message):
    weights_replaced(forged, artifact, header)
    refuses(artifact.path, message)


def test_a_header_with_more_in_it_is_read_and_guarded_by_the_hash_of_the_file(artifact, forged):
    path = artifact.path / "generator.safetensors"
    images = artifact.frozen_images()[0]
    stored = {"weights": safetensors.torch.load(path.read_bytes())["weights"].clone()}
    data = safetensors.torch.save(stored, metadata={"note": "theirs"})
    weights_replaced(forged, artifact, data)
    assert torch.equal(open_artifact(artifact.path).frozen_images()[0], images)
    path.write_bytes(data.replace(b"theirs", b"others"))
    refuses(artifact.path, "sha256", IntegrityError)


@pytest.mark.parametrize("place", [0, 9, 12, 40, 63, -1])
def test_one_flipped_bit_anywhere_in_the_weights_is_refused(artifact, place):
    path = artifact.path / "generator.safetensors"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    refuses(artifact.path, r"generator\.safetensors")


def test_a_hash_of_the_file_that_was_never_right_is_found_by_whoever_asks_for_every_hash(artifact, forged):
    folder = forged(lambda f: f["files"]["generator.safetensors"].update(sha256="0" * 64))
    with pytest.raises(IntegrityError, match="sha256"):
        open_artifact(folder).check_files()  # the samples are right all the same


def test_offsets_that_overlap_or_leave_the_file_are_refused(artifact, forged):
    size = sum(entry.num_bytes for entry in artifact.manifest.weights.tensors)
    header = json.dumps({"weights": {"dtype": "U8", "shape": [size], "data_offsets": [size, 2 * size]}}).encode()
    weights_replaced(forged, artifact, struct.pack("<Q", len(header)) + header + b"\0" * size)
    refuses(artifact.path, "not a safetensors file")


def test_tensors_that_do_not_fit_the_config_are_refused(forged):
    refuses(forged(lambda f: f["generator"]["config"].update(rank=9)), "the config calls for")
    refuses(forged(lambda f: f["generator"]["config"].update(rank=8, depths=[2])), "is missing")


def test_a_tensor_that_belongs_to_nothing_is_refused(forged):
    extra = {"name": "smuggled", "shape": [4], "dtype": "f16"}
    refuses(forged(lambda f: f["weights"]["tensors"].append(extra)), "'smuggled' belongs to nothing")


def test_a_tensor_named_twice_is_refused(forged):
    refuses(forged(lambda f: f["weights"]["tensors"].append(f["weights"]["tensors"][0])), "names a tensor twice")


@pytest.mark.parametrize("axis", [4, -1, 2**70])
def test_a_scale_axis_outside_the_tensor_is_refused(forged, axis):
    refuses(forged(lambda f: f["weights"]["tensors"][0].update(scale_axis=axis)), "scale_axis")


def test_a_storage_dtype_nobody_knows_is_refused(forged):
    refuses(forged(lambda f: f["weights"]["tensors"][0].update(dtype="pickle")), "dtype")


def test_nothing_is_ever_unpickled(make_draft, tmp_path, monkeypatch):
    import pickle

    saved = save_artifact(tmp_path / "a", make_draft())
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, lambda *_: pytest.fail("unpickled"))
    monkeypatch.setattr(torch, "load", lambda *_: pytest.fail("unpickled"))
    open_artifact(saved.path, verify="probe").frozen_images()


def test_evaluations_that_are_no_rows_are_refused(artifact, forged):
    (artifact.path / "evaluations.json").write_bytes(b'{"mean": 1}')
    facts = facts_of(b'{"mean": 1}')
    forged(lambda f: f["files"].update({"evaluations.json": {"size": facts.size, "sha256": facts.sha256}}))
    refuses(artifact.path, "not a list of rows")


@pytest.mark.parametrize("probes", [{"frozen": [10**6]}, {"fresh": [-1]}, {"tolerance": 999}, {"frozen": [0] * 100}])
def test_probes_out_of_range_are_refused(forged, probes):
    refuses(forged(lambda f: f["probes"].update(probes)), "probes")
