"""The seam every exporter implements, and what is the same for all: pieces, processes, resuming, reading back."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import gendata
from gendata.artifact.layout import FileFacts
from gendata.dataset.cache import machine_digest
from gendata.dataset.generated import GeneratedDataset
from gendata.errors import SpecError
from gendata.exporters.content import Content
from gendata.exporters.record import CLASSES, RECORD, file_facts, finished_files, record_bytes
from gendata.exporters.spreading import each_piece
from gendata.exporters.work_folder import WorkFolder, sync_file, work_path

MAX_SHARD_BYTES = 256 * 2**20  # of uncompressed images in one shard


@dataclass(frozen=True)
class Piece:
    """A part of the export that is made, and read back, by one process in one go."""

    name: str  # of its file, or of the ledger's line where it has many
    index: range  # its samples


class Progress(NamedTuple):
    """How far an export is."""

    stage: str
    step: int  # samples written and read back
    num_steps: int


OnProgress = Callable[[Progress], None]


class Exporter(ABC):
    """Samples of a dataset as files of one layout.

    Promises of `write`, for every layout:
        - the same artifact, seed, epoch and options give the same bytes, under the same versions of the libraries that
          encode them, in however many processes;
        - the folder appears complete or not at all, with an `export.json` that names every file's size and sha256;
        - killed and called again, it goes on after the pieces that were finished; a finished export is verified and
          left as it is;
        - every file was read again from disk and found to hold the samples it was made from.

    Args:
        num_shards: files that a sharded layout has. None: as many as keep each below 256 MiB of uncompressed images.
        num_proc: processes that make and encode samples; more than one are started by spawn, so a script needs its
            `if __name__ == "__main__"`.
        on_progress: called after each piece. None: nobody watches.

    Raises:
        SpecError: an option is out of range, or the layout has no shards.
    """

    name: ClassVar[str]  # as registered
    summary: ClassVar[str]  # one line, for people
    revision: ClassVar[int] = 1  # raised when the same samples become other files
    sharded: ClassVar[bool] = False
    holds_soft: ClassVar[bool] = True  # the layout has a place for soft labels

    def __init__(
        self, *, num_shards: int | None = None, num_proc: int = 1, on_progress: OnProgress | None = None
    ) -> None:
        for what, value in (("num_shards", num_shards), ("num_proc", num_proc)):
            if value is not None and value < 1:
                raise SpecError(f"{what} is {value}", expected="at least 1")
        if num_shards is not None and not self.sharded:
            raise SpecError(f"num_shards is {num_shards}, and {self.name} has no shards", expected="None")
        self.num_shards, self.num_proc, self.on_progress = num_shards, num_proc, on_progress

    def write(self, dataset: GeneratedDataset, out: str | Path) -> list[Path]:
        """Writes the dataset's samples, of the epoch it stands at, as the folder `out`.

        Args:
            dataset: what to export: frozen, fresh, or some of either; its format does not matter.
            out: a name that does not exist yet, an empty folder, or this very export, finished.

        Returns:
            The files, `export.json` last.

        Raises:
            SpecError: the layout cannot hold these samples, or something else is at `out`.
            IntegrityError: what was read back is not what was written, or a finished export was changed.
        """
        content, out = Content.of(dataset), Path(out)
        self._check_labels(content)
        self.check(content)
        plan = self._plan(content)
        if (finished := finished_files(out, plan)) is not None:
            shutil.rmtree(work_path(out), ignore_errors=True)  # of a process that was killed at the very end
            return finished
        with WorkFolder(out, {**plan, "machine": machine_digest()}) as work:
            if (finished := finished_files(out, plan)) is not None:  # by a process that held the folder until now
                work.discard()
                return finished
            self._write_pieces(content, work)
            files = self._finished(content, work)
            work.publish(record_bytes(plan, self._facts(content), files), list(files))
        return [*(out / name for name in files), out / RECORD]

    @abstractmethod
    def check(self, content: Content) -> None:
        """Raises SpecError where the layout cannot hold these samples; says what to do instead."""

    @abstractmethod
    def pieces(self, content: Content) -> list[Piece]:
        """The parts, in order."""

    @abstractmethod
    def make(self, content: Content, piece: Piece, folder: Path) -> dict[str, FileFacts]:
        """Writes one part, reads it back, compares, and waits until its files are on disk; gives their facts by name.

        Raises:
            IntegrityError: a file holds something else.
        """

    def finish(self, content: Content, folder: Path, names: list[str]) -> list[str]:
        """Writes what belongs to no part; gives the names of all files of the export, those of parts being `names`."""
        return [*names, write_json(folder / CLASSES, list(content.spec.classes))]

    def facts(self, content: Content) -> dict[str, Any]:
        """What the record says of this layout alone."""
        return {}

    def _write_pieces(self, content: Content, work: WorkFolder) -> None:
        pieces = self.pieces(content)
        todo = [piece for piece in pieces if piece.name not in work.done]
        step = sum(len(piece.index) for piece in pieces) - sum(len(piece.index) for piece in todo)
        self._tell(step, content)
        silent = copy.copy(self)
        silent.on_progress = None  # it may not pickle
        for piece, files in each_piece(silent, content, work.files, todo, num_proc=self.num_proc):
            work.keep(piece.name, files)
            step += len(piece.index)
            self._tell(step, content)

    def _finished(self, content: Content, work: WorkFolder) -> dict[str, FileFacts]:
        """All files of the export, on disk, by name in order."""
        made = {name: facts for piece in self.pieces(content) for name, facts in work.done[piece.name].items()}
        files = {}
        for name in sorted(self.finish(content, work.files, list(made))):
            sync_file(work.files / name)
            files[name] = made.get(name) or file_facts(work.files / name)
        return files

    def _tell(self, step: int, content: Content) -> None:
        if self.on_progress is not None:
            self.on_progress(Progress(f"export {self.name}", step, len(content)))

    def _check_labels(self, content: Content) -> None:
        if content.soft and not self.holds_soft:
            raise SpecError(
                f"{self.name} has no place for soft labels",
                where=str(content.artifact.path),
                expected="hard labels",
                remedy='Export labels="hard", or with format "parquet" or "numpy", which hold both.',
            )

    def _plan(self, content: Content) -> dict[str, Any]:
        return {
            "layout": self.name,
            "layout_revision": self.revision,
            "dataset": content.dataset.identity(),
            "epoch": content.epoch,
            "labels": "soft" if content.soft else "hard",
            "num_shards": self.num_shards,
        }

    def _facts(self, content: Content) -> dict[str, Any]:
        manifest, source = content.artifact.manifest, content.artifact.manifest.source
        return {
            "gendata": gendata.__version__,
            "num_samples": len(content),
            "image_shape": list(content.spec.shape),
            "dtype": manifest.sampling.dtype,
            "space": content.artifact.space,
            "mean": list(manifest.normalisation.mean),  # of the source's images; where space is "image", not applied
            "std": list(manifest.normalisation.std),
            "label_values": manifest.labels.values if content.soft else None,
            "source": source.name if source else None,
            "license": manifest.license or (source.license if source else None),
            "citation": manifest.citation or (source.citation if source else None),
            **self.facts(content),
        }


def cut(num_samples: int, num_pieces: int) -> list[range]:
    """Ranges of neighbours that together have every sample once and differ in length by at most one."""
    bounds = [num_samples * part // num_pieces for part in range(num_pieces + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(bounds)]


def write_json(path: Path, value: Any) -> str:
    """Writes JSON; gives the file's name."""
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return path.name


def with_digits(number: int, *, like: int) -> str:
    """A number with as many digits as the largest of `like` needs, at least five: how the Hub names shards."""
    return f"{number:0{max(5, len(str(like)))}d}"
