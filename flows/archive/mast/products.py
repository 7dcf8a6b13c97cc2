"""Rows of MAST: datasets of a search, and what of their product lists we use.

One dataset is an exposure of all detectors, or a level-3 one. MAST lists everything
that belongs to it. Of guide stars, previews and products of higher levels we take no
notice; what looks like a file that we use has to have the name of one.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ...errors import FileNameError
from ...names import (
    ExposureName,
    check_file_name,
    parse_companion_name,
    parse_file_name,
)
from ..selection import parse_utc
from ..source import Access, Facts, FileKind, Listing, RemoteFile

__all__ = [
    "SEARCH_COLUMNS",
    "Dataset",
    "choose_files",
    "dataset_from_row",
    "find_unlisted",
]

SEARCH_COLUMNS: Final = (
    *("ArchiveFileID", "fileSetName", "productLevel", "program", "observtn"),
    *("instrume", "exp_type", "opticalElements", "targprop", "date_obs"),
    *("proposal_cycle", "access", "publicReleaseDate"),
)
"""Columns that we ask for: all are of the default output, as STScI shows it in
``mast_notebooks`` (Querying_MAST_for_JWST_Metadata, June 2024)."""

_NAME: Final = re.compile(
    r"jw(?P<program>[0-9]{5})"
    r"(?:(?P<observation>[0-9]{3})[0-9]{3}_[0-9a-z]{5}_[0-9]{5}(?:-seg[0-9]{3})?"
    r"|-(?P<candidate>[a-z0-9]+)(?:_[a-z0-9-]+)*)"
)
"""``jw02736007001_03103_00001`` or, of level 3, ``jw02736-o007_t001_nirspec``."""

_LEVELS: Final = {FileKind.UNCAL: "1b", FileKind.RATE: "2a"}
"""Level of the products of a kind, as datasets tell them."""

_ENDINGS: Final = {
    FileKind.UNCAL: "_uncal.fits",
    FileKind.RATE: "_rate.fits",
    FileKind.MSA: "_msa.fits",
    FileKind.POOL: "_pool.csv",
    FileKind.ASN: "_asn.json",
}
"""How the names of files of a kind end."""

_GUIDE_STAR: Final = re.compile(r"jw[0-9]{11}_gs-[a-z0-9_-]+\.fits")
"""Guide-star products end as ours do: ``jw02736001001_gs-fg_2022157042205_uncal.fits``
(JWST docs, Guide Star Data Products)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(Facts):
    """What a row of a search tells."""

    name: str
    """``fileSetName``, of a known form."""
    levels: frozenset[str]
    """Levels of the products that there are: ``1b``, ``2a``; empty if not told."""

    @property
    def is_exposure(self) -> bool:
        """Whether it is an exposure, and not combined from several."""
        return bool(self.observation)


def dataset_from_row(row: Mapping[str, object]) -> Dataset | None:
    """Read a row of a search; give None where its name is of no known form."""
    match = _NAME.fullmatch(_text(row, "fileSetName"))
    if match is None:
        return None
    return Dataset(
        name=match[0],
        program=match["program"],
        observation=match["observation"] or "",
        levels=frozenset(re.findall(r"\w+", _text(row, "productLevel"))),
        instrument=_text(row, "instrume").upper(),
        exp_type=_text(row, "exp_type").upper(),
        optics=_text(row, "opticalElements"),
        target=_text(row, "targprop"),
        taken=parse_utc(_text(row, "date_obs")),
        cycle=_cycle_of(row),
        access=_access_of(row),
        public_from=parse_utc(_text(row, "publicReleaseDate")),
    )


def choose_files(
    products: Iterable[Mapping[str, object]],
    datasets: Mapping[str, Dataset],
    kind: FileKind,
) -> Listing:
    """Choose the files that we use from the rows of product lists.

    Of a kind, raw or as countrates, and of datasets that were asked for, by name.
    """
    chosen: dict[str, set[RemoteFile]] = defaultdict(set)
    files, refused = list[RemoteFile](), set[str]()
    for product in products:
        name = str(product.get("filename"))
        try:
            if file := _to_file(name, product, datasets, kind):
                chosen[name].add(file)
        except FileNameError as error:
            refused.add(str(error))
    for name, same in chosen.items():
        told = sorted({f"{file.uri} of {file.size_bytes} bytes" for file in same})
        if len(told) > 1:
            refused.add(f"{name}: is listed as {' and as '.join(told)}")
        else:  # by rows that mean the same file: public ones first, then early dates
            files.append(min(same, key=_rank))
    files = sorted(_without_strangers(files, kind), key=lambda file: file.name)
    return Listing(tuple(files), tuple(sorted(refused)))


def find_unlisted(
    listing: Listing, datasets: Iterable[Dataset], kind: FileKind
) -> tuple[str, ...]:
    """Find the exposures that have files of a kind, but of which none is listed."""
    there: set[str] = set()
    for file in listing:
        if file.kind is kind:
            *_, name = _identify(file.name, kind)
            there |= {name, name.partition("-seg")[0]}
    expected = (one for one in datasets if one.is_exposure and _has(one, kind))
    return tuple(one.name for one in expected if one.name not in there)


def _text(row: Mapping[str, object], column: str) -> str:
    """Read a cell; the recorded answers pad some with blanks."""
    value = row.get(column)
    return "" if value is None else str(value).strip()


def _cycle_of(row: Mapping[str, object]) -> int | None:
    told = _text(row, "proposal_cycle")
    return int(told) if told.isdecimal() else None


def _access_of(row: Mapping[str, object]) -> Access:
    """Read who may have a dataset or a product; what is not told is taken for public.

    The server has the last word when the file is asked for.
    """
    told = _text(row, "access").upper()
    return Access.PUBLIC if told in {"", "PUBLIC"} else Access.EXCLUSIVE


def _has(dataset: Dataset, kind: FileKind) -> bool:
    """Return whether a dataset says that it has files of a kind, or says nothing."""
    return not dataset.levels or _LEVELS[kind] in dataset.levels


def _to_file(
    name: str,
    product: Mapping[str, object],
    datasets: Mapping[str, Dataset],
    kind: FileKind,
) -> RemoteFile | None:
    """Read a row of a product list; give None for what we do not use."""
    wanted = _kind_by_ending(check_file_name(name), kind)
    if wanted is None or _GUIDE_STAR.fullmatch(name):
        return None
    program, observation, of_exposure = _identify(name, wanted)
    names = [of_exposure, of_exposure.partition("-seg")[0]]
    names = names if of_exposure else [str(product.get("dataset"))]
    dataset = next((datasets[name] for name in names if name in datasets), None)
    if dataset is None or dataset.program != program:
        raise FileNameError(f"{name}: expected a file of what was asked for")
    uri, size_bytes = str(product.get("uri")), product.get("size")
    if uri.rpartition("/")[2] != name:
        raise FileNameError(f"{name}: expected a URI that ends so, got {uri[:80]!r}")
    if not isinstance(size_bytes, int) or size_bytes is True or size_bytes <= 0:
        raise FileNameError(f"{name}: expected a size in bytes, got {size_bytes!r}")
    return RemoteFile(
        name=name,
        uri=uri,
        kind=wanted,
        size_bytes=size_bytes,
        program=program,
        observation=observation,
        instrument=dataset.instrument if of_exposure else "",
        exp_type=dataset.exp_type if of_exposure else "",
        optics=dataset.optics if of_exposure else "",
        target=dataset.target if of_exposure else "",
        taken=dataset.taken if of_exposure else None,
        cycle=dataset.cycle,
        access=_access_of(product),
        public_from=dataset.public_from,
    )


def _kind_by_ending(name: str, kind: FileKind) -> FileKind | None:
    """Tell what a name says it is, were it a good one."""
    kinds = (kind, FileKind.MSA, FileKind.POOL, FileKind.ASN)
    plain = name.casefold().strip()
    return next((one for one in kinds if plain.endswith(_ENDINGS[one])), None)


def _identify(name: str, kind: FileKind) -> tuple[str, str, str]:
    """Give program, observation and, of an exposure, the dataset that a name tells."""
    if kind not in _LEVELS:
        companion = parse_companion_name(name)
        return companion.program, companion.observation, ""
    parsed = parse_file_name(name)
    if not isinstance(parsed.of, ExposureName) or parsed.candidate is not None:
        raise FileNameError(f"{name}: expected the name of an exposure")
    dataset = name.removesuffix(_ENDINGS[kind]).rpartition("_")[0]
    return parsed.of.program, parsed.of.observation, dataset


def _rank(file: RemoteFile) -> tuple[bool, str]:
    return file.access is Access.EXCLUSIVE, str(file.public_from)


def _without_strangers(files: Iterable[RemoteFile], kind: FileKind) -> list[RemoteFile]:
    """Keep exposures and what belongs to one of them."""
    listed = list(files)
    exposures = [file for file in listed if file.kind is kind]
    programs = {file.program for file in exposures}
    observed = {(file.program, file.observation) for file in exposures}
    return [
        file
        for file in listed
        if (
            (file.program, file.observation) in observed
            if file.observation and file.kind is not FileKind.MSA
            else file.program in programs
        )
    ]
