"""Ways to spoil the files of a sample, each on a private copy."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from astropy.io import fits

from workers.sample import SampleSet

__all__ = ["Files", "Spoil", "change_bytes", "copy_files", "cut", "drop_card", "remove"]


@dataclass(frozen=True)
class Files:
    """A private copy of the program 99002 and of the CRDS cache."""

    archive: Path
    """Folder of the raw files."""
    crds: Path
    """The CRDS cache."""

    def find(self, name: str) -> Path:
        """Find the one file of a name."""
        (path,) = [*self.archive.rglob(name), *self.crds.rglob(name)]
        return path


Spoil = Callable[[Files], None]
"""Spoils something."""


def copy_files(sample: SampleSet, folder: Path) -> Files:
    """Copy a sample; its files are shared until they are spoiled."""
    files = Files(folder / "archive", folder / "crds")
    raw = sample.archive / "99002"
    shutil.copytree(raw, files.archive / "99002", copy_function=os.link)
    shutil.copytree(sample.crds, files.crds, copy_function=os.link)
    return files


def cut(name: str, *, share: float) -> Spoil:
    """Cut a file short."""

    def spoil(files: Files) -> None:
        content = files.find(name).read_bytes()
        _replace(files.find(name), content[: int(len(content) * share)])

    return spoil


def change_bytes(name: str) -> Spoil:
    """Change the last byte of a file."""

    def spoil(files: Files) -> None:
        content = files.find(name).read_bytes()
        _replace(files.find(name), content[:-1] + bytes([content[-1] ^ 1]))

    return spoil


def drop_card(name: str, keyword: str) -> Spoil:
    """Remove a card of the primary header."""

    def spoil(files: Files) -> None:
        path = files.find(name)
        with fits.open(path) as hdus:
            del hdus[0].header[keyword]
            hdus.writeto(path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    return spoil


def remove(name: str) -> Spoil:
    """Remove a file."""
    return lambda files: files.find(name).unlink()


def _replace(path: Path, content: bytes) -> None:
    """Put another file in the place of a shared one."""
    path.unlink()
    path.write_bytes(content)
