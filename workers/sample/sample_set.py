"""A sample on disk: its modes, its folders, and the manifest that says it is whole."""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

from ..publishing import replace
from .publishing import to_json_text

__all__ = [
    "SAMPLE_VERSION",
    "Mode",
    "SampleSet",
    "find_sample",
    "list_spoilt",
    "read_modes",
]

SAMPLE_VERSION = 9
"""Version of what is made; each has a folder of its own, since references of one name
must stay what they are."""
_MANIFEST = "sample.json"
"""File that lists the files of a whole sample; only files that are whole are added."""


class Mode(StrEnum):
    """An observing mode that there is a sample program of."""

    program: str
    """Number of the sample program, which MAST does not have."""
    recipe: str
    """Packaged recipe that suits its exposures."""
    is_on_request: bool
    """Whether it is made only where it is asked for: it shows defects."""

    NIRSPEC_IFU_PRISM = "nirspec-ifu-prism", "99001", "selfcal"
    """Dithered point source, background, leakcals."""
    NIRSPEC_IFU_NOD = "nirspec-ifu-nod", "99011", "combined-cubes"
    """The same source nodded to four points."""
    NIRSPEC_BOTS_PRISM = "nirspec-bots-prism", "99002", "official"
    """A transit in two segments."""
    NIRSPEC_IFU_GRATINGS = "nirspec-ifu-gratings", "99006", "combined-cubes"
    """A point source with G395H on both detectors, and with G395M."""
    NIRSPEC_BOTS_G395H = "nirspec-bots-g395h", "99012", "official"
    """A transit seen by two detectors whose clocks differ."""
    NIRSPEC_MOS_PRISM = "nirspec-mos-prism", "99004", "official"
    """Slitlets with three sources, nodded."""
    NIRSPEC_FS_PRISM = "nirspec-fs-prism", "99005", "official"
    """A point source nodded along a fixed slit."""
    MIRI_MRS = "miri-mrs", "99003", "residual-fringe"
    """Dithered point source with fringes and showers, background."""
    MIRI_MRS_BANDS = "miri-mrs-bands", "99013", "channel-cubes"
    """Dithered point source in all bands of channels 1 and 2."""
    MIRI_LRS_SLIT = "miri-lrs-slit", "99007", "target-centroid"
    """A point source nodded along the slit, with verification image."""
    MIRI_LRS_SLITLESS = "miri-lrs-slitless", "99008", "target-centroid"
    """A transit in two segments, with verification image."""
    NIRSPEC_IFU_FLAWED = "nirspec-ifu-flawed", "99021", "nirspec-ifu", True
    """Nods with 1/f noise and hot pixels, of a source beside its coordinates."""
    NIRSPEC_BOTS_FLAWED = "nirspec-bots-flawed", "99022", "nirspec-bots", True
    """A time series with strong 1/f noise, and dead pixels on the spectrum."""
    NIRSPEC_BOTS_NRS2_FLAWED = "nirspec-bots-nrs2-flawed", "99025", "nirspec-bots", True
    """A time series of NRS2 that scatters more than photons do, with shallow pixels."""
    MIRI_MRS_FLAWED = "miri-mrs-flawed", "99023", "miri-mrs", True
    """A source with fringes and scattered light that is beside its coordinates."""
    NIRSPEC_MOS_FLAWED = "nirspec-mos-flawed", "99024", "nirspec-mos", True
    """Slitlets with 1/f noise, sources beside their places, and a short that glows."""

    def __new__(
        cls,
        name: str,
        program: str = "",
        recipe: str = "",
        is_on_request: bool = False,  # noqa: FBT001, FBT002 (a fact of a member)
    ) -> Self:
        """Make a member of its name and facts."""
        mode = str.__new__(cls, name)
        mode._value_, mode.program, mode.recipe = name, program, recipe
        mode.is_on_request = is_on_request
        return mode

    @classmethod
    def list_usual(cls) -> tuple[Self, ...]:
        """List the modes that are made where none is named."""
        return tuple(mode for mode in cls if not mode.is_on_request)


@dataclass(frozen=True, slots=True)
class SampleSet:
    """Sample programs that are whole on disk."""

    directory: Path
    """Folder of samples, of any version."""
    modes: tuple[Mode, ...]
    """Modes that it has a program of."""

    @property
    def folder(self) -> Path:
        """Folder of what this version makes with these libraries.

        Another ``jwst`` may write the same references and exposures otherwise, and
        another ``crds`` the same rules: neither may find its files changed.
        """
        versions = "-".join(
            f"{name}{importlib.metadata.version(name)}" for name in ("jwst", "crds")
        )
        return self.directory / f"v{SAMPLE_VERSION}-{versions}"

    @property
    def manifest(self) -> Path:
        """The list of its files."""
        return self.folder / _MANIFEST

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
        text = to_json_text(tree)
        replace(self.manifest, lambda draft: draft.write_text(text, "utf-8"))

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
    folder, tree = sample.folder, json.loads(sample.manifest.read_text("utf-8"))
    return tuple(
        folder / name
        for name, facts in tree["files"].items()
        if not _has_size(folder / name, facts["size_bytes"])
    )


def _has_size(file: Path, size_bytes: int) -> bool:
    return file.is_file() and file.stat().st_size == size_bytes
