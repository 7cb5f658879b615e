"""Exporters whose parts hold samples: written from blocks, read back from the files alone, compared."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

from gendata.artifact.layout import FileFacts
from gendata.errors import IntegrityError
from gendata.exporters.content import Block, Content, Tally
from gendata.exporters.exporter import Exporter, Piece
from gendata.exporters.record import file_facts
from gendata.exporters.work_folder import sync_file


class SampleExporter(Exporter):
    """A layout that says how a part is written and how it is read."""

    @abstractmethod
    def write_piece(self, content: Content, piece: Piece, folder: Path, blocks: Iterator[Block]) -> list[str]:
        """Writes one part from its samples; gives the names of its files, relative to `folder`."""

    @abstractmethod
    def read_piece(self, content: Content, piece: Piece, folder: Path) -> Iterator[Block]:
        """The samples of a part, from its files alone."""

    def make(self, content: Content, piece: Piece, folder: Path) -> dict[str, FileFacts]:
        (folder / piece.name).parent.mkdir(parents=True, exist_ok=True)
        wanted, found = Tally(), Tally()
        names = self.write_piece(content, piece, folder, _tallied(content.blocks(piece.index), wanted))
        for block in self.read_piece(content, piece, folder):
            found.add(block)
        if wanted.digest() != found.digest():
            raise IntegrityError(
                f"what was read back ({found.count} samples) is not what was written ({wanted.count})",
                where=str(folder / piece.name),
                remedy="The disk or its memory is at fault; choose another place.",
            )
        for name in names:  # after all are written: the first call then waits for them together
            sync_file(folder / name)
        return {name: file_facts(folder / name) for name in names}


def _tallied(blocks: Iterator[Block], tally: Tally) -> Iterator[Block]:
    for block in blocks:
        tally.add(block)
        yield block
