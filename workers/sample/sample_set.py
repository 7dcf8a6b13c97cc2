"""A sample on disk: its modes, its folders, and the manifest that says it is whole."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .publishing import publish_text, to_json_text

__all__ = ["MANIFEST", "SAMPLE_VERSION", "Mode", "SampleSet", "find_sample"]

SAMPLE_VERSION = 4
"""Version of what is made; a sample of another version is made anew."""
MANIFEST = "sample.json"
"""File that lists the files of a whole sample."""


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
    """Folder of the sample."""
    modes: tuple[Mode, ...]
    """Modes that it has a program of."""

    @property
    def archive(self) -> Path:
        """Folder of the raw files, one folder for each program."""
        return self.directory / "archive"

    @property
    def crds(self) -> Path:
        """The ``CRDS_PATH`` of the sample."""
        return self.directory / "crds"

    @property
    def truth(self) -> Path:
        """Folder of the tables of what was put in."""
        return self.directory / "truth"

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
        publish_text(self.directory / MANIFEST, to_json_text(tree))

    def _iterate_files(self) -> Iterable[tuple[str, Path]]:
        for folder in (self.archive, self.crds, self.truth):
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    yield path.relative_to(self.directory).as_posix(), path


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
    path = directory / MANIFEST
    if not path.is_file():
        return None
    tree = json.loads(path.read_text(encoding="utf-8"))
    if tree["version"] != SAMPLE_VERSION:
        return None
    for name, facts in tree["files"].items():
        file = directory / name
        if not file.is_file() or file.stat().st_size != facts["size_bytes"]:
            return None
    return SampleSet(directory, tuple(Mode(mode) for mode in tree["modes"]))
