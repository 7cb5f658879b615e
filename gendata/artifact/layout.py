"""The artifact's folder: which names it may hold, how they are checked, how they are written.

config.json             the manifest; names every file below with size and sha256
generator.safetensors   weights of generator, latent law and labels: the bytes that count
probes.safetensors      a few samples, to check that a machine reproduces them        optional
evaluations.json        measured rows                                                 optional
preview.png             a sheet of samples                                            optional
data/*.parquet          materialised samples                                          optional
README.md               the card, rendered from the manifest; not listed, may be edited
.*                      ignored (`hf download` leaves .cache)
anything else           never read; told in the log, licences and citations aside
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from gendata.errors import ArtifactError, IntegrityError

MANIFEST = "config.json"
WEIGHTS = "generator.safetensors"
PROBES = "probes.safetensors"
EVALUATIONS = "evaluations.json"
PREVIEW = "preview.png"
CARD = "README.md"

NEEDED_TO_SAMPLE = (WEIGHTS,)  # what artifact_bytes counts

_UNLISTED = (MANIFEST, CARD)
MAX_CARD_BYTES = 1 << 20
_USUAL = re.compile(r"(LICEN[CS]E|NOTICE|CITATION)(\.[A-Za-z]{1,4})?")  # what owners of a repository lay beside it
# Whole names: nothing that could leave the artifact, on any system, and nothing that something else would run.
_LISTABLE = (WEIGHTS, PROBES, EVALUATIONS, PREVIEW)
_MATERIALISED = re.compile(r"data/[A-Za-z0-9][A-Za-z0-9._-]{0,119}\.parquet")
_log = logging.getLogger(__name__)
_RESTORE = "The download is incomplete or the file was changed; fetch the artifact again: gendata pull NAME --out DIR."


class UnwritableError(ArtifactError, OSError):
    """A full disk, or a place that may not be written; an OSError too, for whoever can do without the file."""


class FileFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the manifest says about one file."""

    size: int  # bytes
    sha256: str  # hex


def is_listable(name: str) -> bool:
    """Whether a manifest may list `name`: the files of the table above, manifest and card aside."""
    return name in _LISTABLE or bool(_MATERIALISED.fullmatch(name))


def facts_of(data: bytes) -> FileFacts:
    """Size and hash of a file's bytes."""
    return FileFacts(size=len(data), sha256=hashlib.sha256(data).hexdigest())


def read_file(path: Path, *, max_bytes: int) -> bytes:
    """All bytes of a regular file of at most `max_bytes`.

    Raises:
        ArtifactError: it is missing, larger, or not a regular file (a pipe would never end).
    """
    size = _size(path)
    if size > max_bytes:
        raise ArtifactError(f"has {size} bytes", where=str(path), expected=f"at most {max_bytes}")
    try:
        with path.open("rb") as file:
            return file.read(max_bytes)
    except OSError as error:
        raise unreadable(path, error) from None


def listed_path(folder: Path, name: str, facts: FileFacts) -> Path:
    """Where a listed file's bytes are: under its name, or under a hidden one, if whoever replaced it was killed."""
    path = folder / name
    if os.path.lexists(path):
        return path
    return next((left for left in hidden_beside(path) if not _differences(left, name, facts, hashes=True)), path)


def hidden_beside(path: Path) -> list[Path]:
    """What was written beside `path`, to be renamed to it, and what `path` was before."""
    return sorted(path.parent.glob(f".{path.name}.*"))


def read_listed(folder: Path, name: str, facts: FileFacts, *, verify: bool) -> bytes:
    """Bytes of a listed file; with `verify`, only if their hash is the listed one."""
    path = listed_path(folder, name, facts)
    data = read_file(path, max_bytes=facts.size)
    if len(data) != facts.size:
        raise _changed(path, f"has {len(data)} bytes", f"{facts.size}")
    if verify:
        check_hash(data, facts, where=path)
    return data


def read_array(path: Path, facts: FileFacts) -> NDArray[np.uint8]:
    """Bytes of a listed file, writable memory of its own; their hash is not compared."""
    size = _size(path)
    if size == facts.size:
        data: NDArray[np.uint8] = np.empty(size, dtype=np.uint8)
        try:
            with path.open("rb", buffering=0) as file:
                size = _fill(data.data, file)
        except OSError as error:
            raise unreadable(path, error) from None
    if size != facts.size:
        raise _changed(path, f"has {size} bytes", f"{facts.size}")
    return data


def check_hash(data: bytes | memoryview, facts: FileFacts, *, where: Path) -> None:
    """Raises IntegrityError unless `data` has the listed sha256."""
    found = hashlib.sha256(data).hexdigest()
    if found != facts.sha256:
        raise _changed(where, f"sha256 is {found}", facts.sha256)


def check_folder(folder: Path, files: Mapping[str, FileFacts], *, hashes: Collection[str]) -> None:
    """Compares the folder with the manifest's list; all differences in one error.

    A file that could pass for the artifact's, and is not listed, is a difference. Other files are the business of
    whoever put them there: nothing reads, copies or publishes them.

    Args:
        folder: the artifact.
        files: the manifest's list, its names already found safe.
        hashes: names whose sha256 is compared too, which reads every byte of them.

    Raises:
        IntegrityError: the weights are missing, a file differs, or one that could be the artifact's is not listed.
    """
    faults = [f"{name} is missing" for name in NEEDED_TO_SAMPLE if not os.path.lexists(folder / name)]
    unlisted = sorted(_unlisted(folder, files))
    faults += [f"{name} is not listed in {MANIFEST}" for name in unlisted if _could_pass(name)]
    others = [name for name in unlisted if not _could_pass(name) and not _USUAL.fullmatch(name)]
    if others:
        _log.warning("%s: not of the artifact, and not read: %s", folder, ", ".join(map(repr, others[:8])))
    for name, facts in sorted(files.items()):
        if os.path.lexists(folder / name):
            faults += _differences(folder / name, name, facts, hashes=name in hashes)
    if faults:
        raise IntegrityError("; ".join(faults), where=str(folder), remedy=_RESTORE)


def folder_bytes(folder: Path, files: Mapping[str, FileFacts]) -> int:
    """Bytes of everything that belongs to the artifact and is present."""
    paths = [folder / name for name in (*_UNLISTED, *files)]
    return sum(path.stat().st_size for path in paths if path.is_file())


def create_folder(out: Path, contents: Mapping[str, bytes]) -> None:
    """Writes a new folder that appears complete or not at all; files 0644, folders 0755.

    Raises:
        ArtifactError: `out` exists and is not an empty folder, or nothing can be made there.
    """
    with new_folder(out) as partial:
        for name, data in contents.items():
            (partial / name).parent.mkdir(mode=0o755, exist_ok=True)
            _write_new(partial / name, data)
        for path in (partial, *(path for path in partial.iterdir() if path.is_dir())):
            path.chmod(0o755)
            sync_folder(path)
        try:
            partial.rename(out)
        except OSError as error:
            raise ArtifactError(
                f"cannot be made: {error.strerror}", where=str(out), expected="a name that does not exist yet",
                remedy="Choose another folder, or move this one away.",
            ) from None  # fmt: skip
        sync_folder(out.parent)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out`, to be filled and renamed to it; else it goes.

    Raises:
        ArtifactError: it cannot be made or filled.
    """
    partial = _partial_folder(out)
    try:
        with writing(out):
            yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _partial_folder(out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(out)
        return Path(tempfile.mkdtemp(prefix=f".{out.name}.partial-{os.getpid()}-", dir=out.parent))
    except OSError as error:
        raise ArtifactError(
            f"cannot be made: {error.strerror}", where=str(out), expected="a folder that can be written to",
            remedy="Name another one.",
        ) from None  # fmt: skip


def replace_file(path: Path, data: bytes) -> None:
    """Writes `path` so that readers see the old bytes or the new ones, never a part.

    Raises:
        UnwritableError: nothing can be written there.
    """
    with written_beside(path, data) as partial:
        partial.rename(path)
        sync_folder(path.parent)


@contextmanager
def written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """The bytes, on disk under a name of their own beside `path`, to be renamed to it; else they go.

    Raises:
        UnwritableError: they, or what is done with them, cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    with writing(path):
        partial.unlink(missing_ok=True)
        try:
            _write_new(partial, data)
            yield partial
        finally:
            partial.unlink(missing_ok=True)  # there only if something failed


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What keeps a file or folder from being written, told as UnwritableError."""
    try:
        yield
    except ArtifactError:
        raise
    except OSError as error:
        told = UnwritableError(
            f"cannot be written: {error.strerror or error}", where=str(path), expected="room, and the right to write",
            remedy="Make room there, or name another folder.",
        )  # fmt: skip
        told.strerror = error.strerror  # not errno: with both, OSError has a text of its own
        raise told from None


def read_card(folder: Path) -> bytes | None:
    """README.md, which nobody vouches for; None: there is none.

    Raises:
        ArtifactError: it is larger than any card, or a link to a file that is not the artifact's.
    """
    path = folder / CARD
    if not os.path.lexists(path):
        return None
    home, target = folder.resolve(), path.resolve()
    if target.parent not in (home, (home.parent.parent / "blobs").resolve()):  # where the Hub's cache has its files
        raise ArtifactError(
            "is a link to a file elsewhere", where=str(path), expected="a file of the artifact's own",
            remedy="Put the text itself there, or remove it: a card is made anew.",
        )  # fmt: skip
    return read_file(path, max_bytes=MAX_CARD_BYTES)


def _remove_abandoned(out: Path) -> None:
    """Removes what a killed process left half written beside `out`; a living one's is not touched."""
    prefix = f".{out.name}.partial-"
    for partial in out.parent.iterdir():
        process = partial.name.removeprefix(prefix).partition("-")[0]
        if partial.name.startswith(prefix) and process.isdigit() and not _is_alive(int(process)):
            shutil.rmtree(partial, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # somebody else's, or no number of a process
    return True


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from None
    if not stat.S_ISREG(status.st_mode):
        raise ArtifactError("is not a regular file", where=str(path), remedy=_RESTORE)
    return status.st_size


def unreadable(path: Path, error: OSError) -> ArtifactError:
    """What to raise where a file of an artifact cannot be read."""
    remedy = "Whoever owns it must let you read it." if isinstance(error, PermissionError) else _RESTORE
    return ArtifactError(f"cannot be read: {error.strerror}", where=str(path), remedy=remedy)


def _fill(data: memoryview, file: FileIO) -> int:
    """Reads until `data` is full or the file ends; gives the number of bytes."""
    done = 0
    while count := file.readinto(data[done:]):
        done += count
    return done


def _changed(path: Path, what: str, expected: str) -> IntegrityError:
    return IntegrityError(what, where=str(path), expected=f"{expected}, as {MANIFEST} says", remedy=_RESTORE)


def _could_pass(name: str) -> bool:
    """Whether a reader, ours or another, could take it for a part of the artifact."""
    return name in _LISTABLE or name == "data" or name.startswith("data/")


def _unlisted(folder: Path, files: Mapping[str, FileFacts]) -> Iterator[str]:
    folders = {name.partition("/")[0] for name in files if "/" in name}
    for entry in os.scandir(folder):
        if entry.name.startswith(".") or entry.name in _UNLISTED or entry.name in files:
            continue
        if entry.name not in folders or not entry.is_dir():
            yield entry.name
            continue
        inside = (f"{entry.name}/{inner.name}" for inner in os.scandir(entry.path) if not inner.name.startswith("."))
        yield from (name for name in inside if name not in files)


def _differences(path: Path, name: str, facts: FileFacts, *, hashes: bool) -> list[str]:
    try:
        size = _size(path)
    except ArtifactError as error:
        return [f"{name} {error.what}"]
    if size != facts.size:
        return [f"{name} has {size} bytes, {MANIFEST} says {facts.size}"]
    if hashes and (found := _sha256(path)) != facts.sha256:
        return [f"{name} has sha256 {found}, {MANIFEST} says {facts.sha256}"]
    return []


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise unreadable(path, error) from None
    return digest.hexdigest()


def _write_new(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Names in it are on disk before this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
