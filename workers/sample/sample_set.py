"""A sample on disk: its modes, its folders, and the manifest that says it is whole."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .publishing import replace_text, to_json_text

__all__ = [
    "SAMPLE_VERSION",
    "Mode",
    "SampleSet",
    "find_sample",
    "list_spoilt",
    "read_modes",
]

SAMPLE_VERSION = 5
"""Version of what is made; each has a folder of its own, since references of one name
must stay what they are."""
MANIFEST = "sample.json"
"""File that lists the files of a whole sample; only files that are whole are added."""


class Mode(StrEnum):
    """An observing mode that there is a sample program of."""

    NIRSPEC_IFU_PRISM = "nirspec-ifu-prism"
    """Program 99001: dithered point source, background, leakcals."""
    NIRSPEC_IFU_NOD = "nirspec-ifu-nod"
    """Program 99011: the same source nodded to four points."""
    NIRSPEC_BOTS_PRISM = "nirspec-bots-prism"
    """Program 99002: a transit in two segments."""
    NIRSPEC_IFU_GRATINGS = "nirspec-ifu-gratings"
    """Program 99006: a point source with G395H on both detectors, and with G395M."""
    NIRSPEC_BOTS_G395H = "nirspec-bots-g395h"
    """Program 99012: a transit seen by two detectors whose clocks differ."""
    NIRSPEC_MOS_PRISM = "nirspec-mos-prism"
    """Program 99004: slitlets with three sources, nodded."""
    NIRSPEC_FS_PRISM = "nirspec-fs-prism"
    """Program 99005: a point source nodded along a fixed slit."""
    MIRI_MRS = "miri-mrs"
    """Program 99003: dithered point source with fringes and showers, background."""
    MIRI_MRS_BANDS = "miri-mrs-bands"
    """Program 99013: dithered point source in all bands of channels 1 and 2."""
    MIRI_LRS_SLIT = "miri-lrs-slit"
    """Program 99007: a point source nodded along the slit, with verification image."""
    MIRI_LRS_SLITLESS = "miri-lrs-slitless"
    """Program 99008: a transit in two segments, with verification image."""

    @property
    def program(self) -> str:
        """Number of the sample program."""
        return _PROGRAMS[self]

    @property
    def recipe(self) -> str:
        """Packaged recipe that suits its exposures."""
        return _RECIPES[self]


_PROGRAMS = {
    Mode.NIRSPEC_IFU_PRISM: "99001",
    Mode.NIRSPEC_IFU_NOD: "99011",
    Mode.NIRSPEC_BOTS_PRISM: "99002",
    Mode.NIRSPEC_IFU_GRATINGS: "99006",
    Mode.NIRSPEC_BOTS_G395H: "99012",
    Mode.NIRSPEC_MOS_PRISM: "99004",
    Mode.NIRSPEC_FS_PRISM: "99005",
    Mode.MIRI_MRS: "99003",
    Mode.MIRI_MRS_BANDS: "99013",
    Mode.MIRI_LRS_SLIT: "99007",
    Mode.MIRI_LRS_SLITLESS: "99008",
}
_RECIPES = {
    Mode.NIRSPEC_IFU_PRISM: "selfcal",
    Mode.NIRSPEC_IFU_NOD: "combined-cubes",
    Mode.NIRSPEC_BOTS_PRISM: "official",
    Mode.NIRSPEC_IFU_GRATINGS: "combined-cubes",
    Mode.NIRSPEC_BOTS_G395H: "official",
    Mode.NIRSPEC_MOS_PRISM: "official",
    Mode.NIRSPEC_FS_PRISM: "official",
    Mode.MIRI_MRS: "residual-fringe",
    Mode.MIRI_MRS_BANDS: "channel-cubes",
    Mode.MIRI_LRS_SLIT: "target-centroid",
    Mode.MIRI_LRS_SLITLESS: "target-centroid",
}


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Sample programs that are whole on disk."""

    directory: Path
    """Folder of samples, of any version."""
    modes: tuple[Mode, ...]
    """Modes that it has a program of."""

    @property
    def folder(self) -> Path:
        """Folder of the sample of this version."""
        return self.directory / f"v{SAMPLE_VERSION}"

    @property
    def manifest(self) -> Path:
        """The list of its files."""
        return self.folder / MANIFEST

    @property
    def archive(self) -> Path:
        """Folder of the raw files, one folder for each program."""
        return self.folder / "archive"

    @property
    def crds(self) -> Path:
        """The ``CRDS_PATH`` of the sample."""
        return self.folder / "crds"

    @property
    def truth(self) -> Path:
        """Folder of the tables of what was put in."""
        return self.folder / "truth"

    @property
    def contexts(self) -> tuple[str, str]:
        """The operational context and the other one."""
        return "jwst_0001.pmap", "jwst_0002.pmap"

    def list_raw(self, mode: Mode) -> tuple[Path, ...]:
        """List the raw files of the program of a mode."""
        return tuple(sorted((self.archive / mode.program).glob("*_uncal.fits")))

    def write_manifest(self) -> None:
        """List every file with its size and hash; the sample is whole from then on."""
        tree = {
            "version": SAMPLE_VERSION,
            "modes": list(self.modes),
            "context_differences": _DIFFERENCES,
            "files": {name: _describe(path) for name, path in self._iterate_files()},
        }
        replace_text(self.manifest, to_json_text(tree))

    def _iterate_files(self) -> Iterable[tuple[str, Path]]:
        for folder in (self.archive, self.crds, self.truth):
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(self.folder)
                # What a process left that was killed is in hidden folders.
                if path.is_file() and not any(p.startswith(".") for p in name.parts):
                    yield name.as_posix(), path


_DIFFERENCES = {
    "photom": "jwst_0002.pmap multiplies the flux of the NIRSpec IFU by 1.05",
    "pars-spec2pipeline": (
        "jwst_0002.pmap sets badpix_selfcal.flagfrac_upper of the NIRSpec IFU to"
        " 0.003, jwst_0001.pmap to 0.0015"
    ),
}


def _describe(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size_bytes": path.stat().st_size, "sha256": digest}


def find_sample(directory: Path) -> SampleSet | None:
    """Find a whole sample of this version; files are compared by size alone."""
    modes = read_modes(directory)
    return None if not modes or list_spoilt(directory) else SampleSet(directory, modes)


def read_modes(directory: Path) -> tuple[Mode, ...]:
    """Read which modes a sample of this version has, whole or not."""
    manifest = SampleSet(directory, ()).manifest
    if not manifest.is_file():
        return ()
    return tuple(
        Mode(mode) for mode in json.loads(manifest.read_text("utf-8"))["modes"]
    )


def list_spoilt(directory: Path) -> tuple[Path, ...]:
    """List the files of a sample that are not there, or not as long as they were."""
    sample = SampleSet(directory, ())
    tree = json.loads(sample.manifest.read_text("utf-8"))
    return tuple(
        sample.folder / name
        for name, facts in tree["files"].items()
        if not _has_size(sample.folder / name, facts["size_bytes"])
    )


def _has_size(file: Path, size_bytes: int) -> bool:
    return file.is_file() and file.stat().st_size == size_bytes
