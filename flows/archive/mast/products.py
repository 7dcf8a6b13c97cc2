"""Rows of MAST: datasets of a search, and what of their product lists we use.

One dataset is an exposure of all detectors, or a level-3 one. MAST lists everything
that belongs to it. Of guide stars, previews and products of higher levels we take no
notice; what looks like a file that we use has to have the name of one.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from flows.archive.selection import parse_utc
from flows.archive.source import Access, Facts, FileKind, Listing, RemoteFile
from flows.errors import FileNameError
from flows.names import (
    ExposureName,
    check_file_name,
    parse_companion_name,
    parse_file_name,
)

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
    *("access", "publicReleaseDate"),
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


@dataclass(frozen=True, slots=True)
class _Identity:
    """What the name of a file tells."""

    kind: FileKind
    program: str
    observation: str
    dataset: str
    """Name of the dataset that it is of; empty if not of one exposure."""


class _RefusedError(Exception):
    """A product is not used; a sentence says why."""


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
        access=_access_of(row),
        public_from=parse_utc(_text(row, "publicReleaseDate")),
    )


def choose_files(
    products: Iterable[Mapping[str, object]],
    datasets: Mapping[str, Dataset],
    kind: FileKind,
) -> Listing:
    """Choose the files that we use.

    Parameters
    ----------
    products
        Rows of product lists.
    datasets
        What was asked for, by name.
    kind
        The exposures to list, raw or as countrates.
    """
    chosen: dict[str, set[RemoteFile]] = defaultdict(set)
    refused = set()
    for product in products:
        name = str(product.get("filename"))
        try:
            if file := _to_file(name, product, datasets, kind):
                chosen[name].add(file)
        except _RefusedError as error:
            refused.add(str(error))
    # Of rows that mean the same file public ones go first, then early dates.
    files = [
        min(
            same,
            key=lambda file: (file.access is Access.EXCLUSIVE, str(file.public_from)),
        )
        for same in chosen.values()
        if _agree(same)
    ]
    refused |= {_disagreement(same) for same in chosen.values() if not _agree(same)}
    files = _without_strangers(files, kind)
    files.sort(key=lambda file: file.name)
    return Listing(tuple(files), tuple(sorted(refused)))


def find_unlisted(
    listing: Listing, datasets: Iterable[Dataset], kind: FileKind
) -> tuple[str, ...]:
    """Find the exposures that have files of a kind, but of which none is listed."""
    there: set[str] = set()
    for file in listing:
        if file.kind is kind:
            name = _identify(file.name, kind).dataset
            there |= {name, name.partition("-seg")[0]}
    expected = (one for one in datasets if one.is_exposure and _has(one, kind))
    return tuple(one.name for one in expected if one.name not in there)


def _text(row: Mapping[str, object], column: str) -> str:
    """Read a cell; the recorded answers pad some with blanks."""
    value = row.get(column)
    return "" if value is None else str(value).strip()


def _access_of(row: Mapping[str, object]) -> Access:
    """Read who may have a dataset or a product; what is not told is taken for public.

    The server has the last word when the file is asked for.
    """
    told = _text(row, "access").upper()
    return Access.PUBLIC if told in {"", "PUBLIC"} else Access.EXCLUSIVE


def _has(dataset: Dataset, kind: FileKind) -> bool:
    """Tell whether a dataset says that it has files of a kind, or says nothing."""
    return not dataset.levels or _LEVELS[kind] in dataset.levels


def _to_file(
    name: str,
    product: Mapping[str, object],
    datasets: Mapping[str, Dataset],
    kind: FileKind,
) -> RemoteFile | None:
    """Read a row of a product list; give None for what we do not use."""
    wanted = _kind_by_ending(name, kind)
    if wanted is None or _GUIDE_STAR.fullmatch(name):
        _check(name)
        return None
    identity = _identify(_check(name), wanted)
    dataset = _dataset_of(identity, product, datasets)
    if dataset is None:
        raise _RefusedError(f"{name}: expected a file of what was asked for")
    of_exposure = identity.dataset != ""
    return RemoteFile(
        name=name,
        uri=_uri(name, product),
        kind=wanted,
        size_bytes=_size_bytes(name, product),
        program=identity.program,
        observation=identity.observation,
        instrument=dataset.instrument if of_exposure else "",
        exp_type=dataset.exp_type if of_exposure else "",
        optics=dataset.optics if of_exposure else "",
        target=dataset.target if of_exposure else "",
        taken=dataset.taken if of_exposure else None,
        access=_access_of(product),
        public_from=dataset.public_from,
    )


def _kind_by_ending(name: str, kind: FileKind) -> FileKind | None:
    """Tell what a name says it is, were it a good one."""
    kinds = (kind, FileKind.MSA, FileKind.POOL, FileKind.ASN)
    plain = name.casefold().strip()
    return next((one for one in kinds if plain.endswith(_ENDINGS[one])), None)


def _check(name: str) -> str:
    """Refuse a name that is not safe in a path."""
    try:
        return check_file_name(name)
    except FileNameError as error:
        raise _RefusedError(str(error)) from error


def _identify(name: str, kind: FileKind) -> _Identity:
    """Take the name of a file that we use apart."""
    if kind not in _LEVELS:
        try:
            companion = parse_companion_name(name)
        except FileNameError as error:
            raise _RefusedError(
                f"{name}: expected the name of a JWST {kind} file"
            ) from error
        return _Identity(kind, companion.program, companion.observation, "")
    try:
        parsed = parse_file_name(name)
    except FileNameError as error:
        raise _RefusedError(f"{name}: {error}") from error
    if not isinstance(parsed.of, ExposureName) or parsed.candidate is not None:
        raise _RefusedError(f"{name}: expected the name of an exposure")
    dataset = name.removesuffix(_ENDINGS[kind]).rpartition("_")[0]
    return _Identity(kind, parsed.of.program, parsed.of.observation, dataset)


def _dataset_of(
    identity: _Identity,
    product: Mapping[str, object],
    datasets: Mapping[str, Dataset],
) -> Dataset | None:
    """Find what a file is of, among what was asked for."""
    if identity.dataset:
        names = (identity.dataset, identity.dataset.partition("-seg")[0])
        return next((datasets[name] for name in names if name in datasets), None)
    dataset = datasets.get(str(product.get("dataset")))
    return dataset if dataset and dataset.program == identity.program else None


def _uri(name: str, product: Mapping[str, object]) -> str:
    """Read the URI, which must be of the file."""
    uri = str(product.get("uri"))
    if uri.rpartition("/")[2] != name:
        raise _RefusedError(f"{name}: expected a URI that ends so, got {uri[:80]!r}")
    return uri


def _size_bytes(name: str, product: Mapping[str, object]) -> int:
    """Read the size."""
    size = product.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
        raise _RefusedError(f"{name}: expected a size in bytes, got {size!r}")
    return size


def _agree(same: Collection[RemoteFile]) -> bool:
    """Tell whether rows that give the same name mean the same file."""
    return len({(file.uri, file.size_bytes) for file in same}) == 1


def _disagreement(same: Collection[RemoteFile]) -> str:
    """Say how rows that give the same name differ."""
    told = sorted(f"{file.uri} of {file.size_bytes} bytes" for file in same)
    return f"{min(file.name for file in same)}: is listed as {' and as '.join(told)}"


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
