"""MSA metafiles: whether one is that of an exposure.

The pipeline looks up the rows of a configuration and a nod in whatever file has the
right name; when there are none, it says that no light falls on the detector.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import MetafileError

__all__ = ["check_metafile"]

_TABLES = ("SHUTTER_INFO", "SOURCE_INFO")
_KEYS = {
    "MSAMETID": "meta.instrument.msa_metadata_id",
    "PATT_NUM": "meta.dither.position_number",
}
_PROGRAM = "meta.observation.program_number"


def check_metafile(path: Path, header: Mapping[str, Any]) -> None:
    """Refuse a metafile that is damaged or not that of an exposure.

    Raises
    ------
    MetafileError
        It cannot be used; the message says why.
    """
    program, shutters = _read(path)
    wanted = str(header.get(_PROGRAM))
    if program not in {None, wanted}:
        raise MetafileError(
            f"{path.name}: expected the MSA metafile of program {wanted}, got one of "
            f"program {program}."
        )
    keys = [header.get(key) for key in _KEYS.values()]
    if tuple(keys) not in shutters:
        known = ", ".join(f"{config}/{nod}" for config, nod in sorted(shutters))
        raise MetafileError(
            f"{path.name}: expected open shutters for {'/'.join(_KEYS)} "
            f"{keys[0]}/{keys[1]}, got them only for {known or 'none'}."
        )


def _read(path: Path) -> tuple[str | None, set[tuple[int, int]]]:
    """Read the program, and for which configurations and nods there are shutters."""
    from astropy.io import fits  # keeps the import of this module cheap

    try:
        with fits.open(path, memmap=False, lazy_load_hdus=False) as hdus:
            shutters, _ = (hdus[name].data for name in _TABLES)
            program = hdus[0].header.get("PROGRAM")
            columns = shutters["msa_metadata_id"], shutters["dither_point_index"]
            rows = {(int(one), int(other)) for one, other in zip(*columns, strict=True)}
    except (LookupError, OSError, TypeError, ValueError, fits.VerifyError) as error:
        raise MetafileError(
            f"{path.name}: expected an MSA metafile with the tables "
            f"{' and '.join(_TABLES)}, got one that cannot be read: {error}"
        ) from error
    return None if program is None else str(program).zfill(5), rows
