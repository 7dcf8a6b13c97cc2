"""What a file says: hashes of its bytes, and of its pixels and science metadata.

The content hash is what fingerprints are made of. It holds every HDU's data and
header and the ASDF tree (the WCS lives there), and leaves out what changes without
the science changing: dates, log lines, software and context names, names of files, of
references and of association tables. So a product made again with the same pixels
has the same content hash, although not one of its files is equal byte by byte.

Keys are left out by their names and by what they belong to, wherever that is: each
slit of a multi-slit product is a data model in itself, with a log and a date of its
own. So a column, or a key of something else, may have such a name and counts.
"""

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .outside import open_outside

__all__ = [
    "Part",
    "content_sha256",
    "file_sha256",
    "hash_content",
    "iterate_parts",
    "read_cards",
]

_CHUNK_BYTES = 1 << 22

_VOLATILE_KEYWORDS = re.compile(
    r"DATE|FILENAME|CAL_V.*|CRDS_.*|SDP_V.*|PRD_VER|R_.*|ASNPOOL|ASNTABLE"
    r"|CHECKSUM|DATASUM|HISTORY|COMMENT|"
)
"""FITS keywords, of any header, that describe the making, not the science."""

_VOLATILE_META = frozenset(
    {
        "asn",
        "calibration_software_revision",
        "calibration_software_version",
        "data_processing_software_version",
        "date",
        "filename",
        "prd_software_version",
        "ref_file",
    }
)
"""Keys of any ``meta`` of the ASDF tree, likewise."""

_VOLATILE_MODEL = frozenset({"filename", "history"})
"""Keys of any data model in the tree, likewise: of what has a ``meta``, and of the
tree itself."""

_VOLATILE = frozenset({"_fits_hash", "asdf_library", "cal_logs"})
"""Keys of anything in the tree, likewise; the hash is of headers with dates."""

_HEADER_TABLE = "HDRTAB"
"""Table of the headers of all members of a product, keywords as column names."""

_PLAIN = frozenset({str, int, float, bool, type(None)})
"""Types of nodes that hold no others and have no tag."""

_YAML_END = b"\n...\n"
_BLOCK_INDEX = b"#ASDF BLOCK INDEX"


@dataclass(frozen=True, slots=True)
class Part:
    """An HDU of a FITS file, as far as it is content."""

    name: str
    """EXTNAME; PRIMARY of the first."""
    cards: tuple[tuple[str, str], ...]
    """Keywords and values of its header; none of the table of headers."""
    data: Iterator[bytes]
    """What it holds, to be read before the next part."""
    is_pixels: bool
    """Whether that is an array or a table as it is in the file."""


def file_sha256(path: Path) -> str:
    """Hash the bytes of a file."""
    with open_outside(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """Hash the pixels and the science metadata of a file; see `hash_content`."""
    content, _ = hash_content(path)
    return content


def hash_content(path: Path) -> tuple[str, str]:
    """Hash the pixels and the science metadata of a file, and its pixels alone.

    The second hash is of the data of all HDUs but the ASDF tree, and empty if the file
    is not FITS. Of a file that is neither FITS nor ASDF the bytes are hashed.

    Raises
    ------
    OSError
        The file cannot be read, or is not a complete FITS file.
    """
    digest, pixels = hashlib.sha256(), hashlib.sha256()
    match path.suffix:
        case ".fits":
            parts = _content_of_fits(path, pixels)
        case ".asdf":
            parts = _content_of_asdf(path.read_bytes())
        case _:
            return file_sha256(path), ""
    for part in parts:
        digest.update(part)
    return digest.hexdigest(), pixels.hexdigest() if path.suffix == ".fits" else ""


def read_cards(path: Path) -> dict[str, str]:
    """Return the cards of the primary header of a FITS file that its content holds."""
    from astropy.io import fits  # keeps the import of this module cheap

    if path.suffix != ".fits":
        return {}
    return dict(_list_cards(fits.getheader(path)))


def iterate_parts(path: Path) -> Iterator[Part]:
    """Go through the HDUs of a FITS file, each as far as it is content."""
    from astropy.io import fits  # keeps the import of this module cheap

    with fits.open(path, mode="readonly", lazy_load_hdus=False) as hdus:
        for hdu in hdus:
            name = str(hdu.header.get("EXTNAME", "PRIMARY"))
            if hdu.name == _HEADER_TABLE:
                yield Part(name, (), _content_of_header_table(hdu), is_pixels=False)
                continue
            where = hdu.fileinfo()
            cards = _list_content_cards(hdu.header)
            if hdu.name == "ASDF":
                tree = bytes(hdu.data.field(0)[0].tobytes())
                yield Part(name, cards, _content_of_asdf(tree), is_pixels=False)
            else:
                data = _read_span(path, where["datLoc"], where["datSpan"])
                yield Part(name, cards, data, is_pixels=True)


def _content_of_fits(path: Path, pixels: "hashlib._Hash") -> Iterator[bytes]:
    """Return the parts of the content, and those that are data to another hash too."""
    for part in iterate_parts(path):
        yield "\n".join(f"{keyword}={value}" for keyword, value in part.cards).encode()
        for chunk in part.data:
            if part.is_pixels:
                pixels.update(chunk)
            yield chunk


def _content_of_header_table(hdu: Any) -> Iterator[bytes]:
    for column in hdu.columns:
        if not _VOLATILE_KEYWORDS.fullmatch(column.name):
            yield f"{column.name}={column.format}".encode()
            yield hdu.data.field(column.name).tobytes()


def _list_content_cards(header: Any) -> tuple[tuple[str, str], ...]:
    name = header.get("EXTNAME", "PRIMARY")
    skipped = {"NAXIS1", "TFORM1", "TDIM1"} if name == "ASDF" else set()
    return tuple(card for card in _list_cards(header) if card[0] not in skipped)


def _list_cards(header: Any) -> Iterator[tuple[str, str]]:
    for card in header.cards:
        if not _VOLATILE_KEYWORDS.fullmatch(card.keyword):
            yield card.keyword, repr(card.value)


def _read_span(path: Path, start: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(start)
        left = length
        while left:
            chunk = stream.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise OSError(f"{path} ends {left} bytes before its header says")
            left -= len(chunk)
            yield chunk


def _content_of_asdf(data: bytes) -> Iterator[bytes]:
    """Return the tree without what is volatile, then the binary blocks."""
    from asdf.util import load_yaml  # likewise

    tree = load_yaml(io.BytesIO(data), tagged=True)
    text = bytearray()
    _write_canonical(tree, text, _VOLATILE_MODEL)
    yield bytes(text)
    blocks = data[data.index(_YAML_END) + len(_YAML_END) :]
    index = blocks.rfind(_BLOCK_INDEX)
    yield blocks if index < 0 else blocks[:index]


def _write_canonical(
    node: Any,
    text: bytearray,
    left_out: frozenset[str] = frozenset(),
    above: tuple[int, ...] = (),
) -> None:
    """Write a YAML tree in one way only, tags of nodes included.

    The world coordinates of a resampled slit hold themselves: a node that is below
    itself is written as how far up it is. The keys `left_out` are so because of where
    the node is.
    """
    kind = type(node)
    if kind in _PLAIN:  # most are, of hundreds of thousands in a cube
        text += f"{kind.__name__}:{node!r}".encode()
        return
    if id(node) in above:
        text += b"^%d" % above[::-1].index(id(node))
        return
    text += str(getattr(node, "_tag", "")).encode()
    match node:
        case Mapping():
            above = (*above, id(node))
            if "meta" in node:
                left_out |= _VOLATILE_MODEL
            text += b"{"
            for key in sorted(set(node) - left_out - _VOLATILE, key=str):
                text += str(key).encode() + b":"
                below = _VOLATILE_META if key == "meta" else frozenset[str]()
                _write_canonical(node[key], text, below, above)
            text += b"}"
        case list() | tuple():
            above = (*above, id(node))
            text += b"["
            for item in node:
                _write_canonical(item, text, above=above)
                text += b","
            text += b"]"
        case _:
            text += f"{kind.__name__}:{node!r}".encode()
