"""Where local copies of a named data set may lie, and where downloads are kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from gendata._cache import cache_folder
from gendata.artifact.layout import sync_folder
from gendata.errors import MissingExtraError, SourceError


def download_folder() -> Path:
    """Where downloaded data are kept: $GENDATA_CACHE/data, else ~/.cache/gendata/data."""
    return cache_folder("data")


def find_folder(files: Iterable[str], *, name: str, root: Path | None, inner: str, gzipped: bool = True) -> Path | None:
    """The first folder that holds all `files`: <root>/<name>, <root>, then where downloads are kept.

    Args:
        gzipped: whether a file's .gz does as well.
        inner: path inside such a folder where torchvision, or the published archive, puts the files.
    """
    bases = [root / name] if root else []
    if root and not _is_of_another_set(root, name):
        bases.append(root)
    bases.append(download_folder())
    for base in bases:
        for folder in (base, base / inner):
            if all(present(folder / file) if gzipped else (folder / file).is_file() for file in files):
                return folder
    return None


def present(path: Path) -> Path | None:
    """`path` + .gz, which shows whether it is whole, or `path`, whichever is a file."""
    packed = path.with_name(path.name + ".gz")
    return next((file for file in (packed, path) if file.is_file()), None)


def download(
    name: str,
    fetch: Callable[[Path], object],
    find: Callable[[], Path | None],
    *,
    files: Iterable[str],
    root: Path | None,
) -> Path:
    """What `find` finds once `fetch(folder)`, torchvision's downloader, has filled a folder; a failure says how to do
    without.

    One process downloads, others wait for it; its files appear where `find` looks when they are complete.

    Raises:
        MissingExtraError: torchvision, or scipy where it needs that, is not installed.
        SourceError: the data are neither here nor reachable.
    """
    from filelock import FileLock

    place = download_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / f".{name}.lock"):
            folder = find()
            if folder is None:
                _fill(place, fetch, partial=place / f".{name}.partial")
                folder = find()
    except ImportError as error:
        raise missing_package(error, where=name) from None
    except (OSError, RuntimeError) as error:  # what torchvision's downloader raises offline or on a wrong checksum
        reason = " ".join(str(error).split())[:200]
        raise SourceError(
            f"is not on this machine and could not be downloaded ({reason})",
            where=name,
            expected=f"{', '.join(files)} in {_looked_in(name, root)}",
            remedy=f"Put them in DIR/{name} and say --data DIR (data_root=DIR), or set GENDATA_DATA=DIR.",
        ) from None
    if folder is None:
        raise SourceError("the download left files missing", where=name, expected=", ".join(files))
    return folder


def _fill(place: Path, fetch: Callable[[Path], object], *, partial: Path) -> None:
    """Runs `fetch(partial)` and renames what it made into `place`; half a set that is there gives way."""
    shutil.rmtree(partial, ignore_errors=True)  # a killed process left it
    try:
        partial.mkdir()
        fetch(partial)
        for made in list(partial.iterdir()):
            for path in (made, *made.rglob("*")):
                sync_folder(path)
            if (place / made.name).exists():
                (place / made.name).rename(partial / f".{made.name}")
            made.rename(place / made.name)
        sync_folder(place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_of_another_set(root: Path, name: str) -> bool:
    """Whether the folder's own name is that of another set: the MNIST family shares its file names."""
    family = {"mnist", "fashionmnist", "kmnist"}
    return root.name.lower().replace("-", "").replace("_", "") in family - {name.replace("-", "")}


def missing_package(error: ImportError, *, where: str) -> MissingExtraError:
    """The error for a package that `where` needs, from the failed import."""
    package = (error.name or "a package").partition(".")[0]
    return MissingExtraError(f"{package} is not installed", where=where, remedy=f"Install it: pip install {package}")


def _looked_in(name: str, root: Path | None) -> str:
    here = f"{root / name}, {root}" if root else "$GENDATA_DATA (not set)"
    return f"{here} or {download_folder()}"
