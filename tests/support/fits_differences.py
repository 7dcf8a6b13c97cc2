"""What differs between two products, array by array and card by card."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from astropy.io import fits

__all__ = ["list_differences"]

_VOLATILE = {"DATE", "CHECKSUM", "DATASUM"}
"""Keywords, and columns of the table of the headers of all members."""


def list_differences(here: Path, there: Path) -> list[str]:
    """List what differs bitwise; dates and the ASDF tree do not count."""
    if here.suffix != ".fits":
        same = _lines(here) == _lines(there)
        return [] if same else [f"{here.name} differs"]
    with fits.open(here) as ours, fits.open(there) as theirs:
        names = [_names(ours), _names(theirs)]
        if names[0] != names[1]:
            return [f"{here.name}: {names[0]} but {names[1]}"]
        pairs = zip(ours, theirs, strict=True)
        return [line for pair in pairs for line in _compare(here.name, *pair)]


def _names(hdus: fits.HDUList) -> list[tuple[str, int]]:
    return [(hdu.name, hdu.ver) for hdu in hdus]


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if "date" not in line]


def _compare(name: str, ours: Any, theirs: Any) -> Iterator[str]:
    where = f"{name}[{ours.name},{ours.ver}]"
    if ours.name == "ASDF":
        return
    if _bytes(ours) != _bytes(theirs):
        yield f"{where}: data"
    mine, other = _cards(ours), _cards(theirs)
    for keyword in sorted({*mine, *other}):
        if mine.get(keyword) != other.get(keyword):
            yield f"{where} {keyword}: {mine.get(keyword)} but {other.get(keyword)}"


def _bytes(hdu: Any) -> bytes:
    if hdu.name == "HDRTAB":
        names = [name for name in hdu.columns.names if name not in _VOLATILE]
        return b"".join(hdu.data.field(name).tobytes() for name in names)
    return b"" if hdu.data is None else bytes(hdu.data.tobytes())


def _cards(hdu: Any) -> dict[str, str]:
    return {
        card.keyword: str(card.value)
        for card in hdu.header.cards
        if card.keyword not in _VOLATILE
    }
