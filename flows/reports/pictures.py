"""Pictures of products: which products have some, and where they are.

The workers draw them (`flows.run.picturing`); here they are only read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from workers.contract import Product, Stage
from workers.outside import read_outside
from workers.pictures_contract import (
    DRAWING_VERSION,
    DrawnProduct,
    SpectrumNumbers,
    is_drawn,
    name_pictures,
)

from ..layout import get_pictures_path
from ..models.jobs import StoredJob
from ..models.runs import JobState, RunJob
from ..provenance import Database

__all__ = [
    "ShownProduct",
    "find_pictures",
    "list_shown",
    "read_numbers",
    "read_picture",
]

if TYPE_CHECKING:
    from pydantic.type_adapter import TypeAdapter as Adapter

_MOST_BYTES: Final = 1 << 26
"""More than any picture has."""

_LAST: Final = frozenset({Stage.SPEC3, Stage.TSO3})

_ALWAYS: Final = frozenset({"rate", "calints"})
"""Suffixes of products that are shown although others were made of them."""

_KINDS: Final = (
    *("x1d", "x1dints", "c1d", "whtlt", "s3d", "s2d"),
    *("calints", "rate"),
)
"""Suffixes in the order in which one looks at them."""


@dataclass(frozen=True, slots=True)
class ShownProduct:
    """A product of a run that is looked at."""

    done: StoredJob
    """The job that made it."""
    product: Product
    """The file."""

    @property
    def kind(self) -> str:
        """Its suffix: ``x1d``."""
        return _kind_of(self.product.name)

    @property
    def path(self) -> Path:
        """Where it is, relative to the data folder."""
        return Path(self.done.folder, self.product.name)


def list_shown(database: Database, jobs: Iterable[RunJob]) -> tuple[ShownProduct, ...]:
    """List the products of a run that are looked at, spectra first.

    Those are what the last stages made, and what nothing was made of; count rates and
    the slits of time series besides, in which one sees what the detector did.
    """
    done = {JobState.SUCCEEDED, JobState.REUSED}
    keys = [job.fingerprint for job in jobs if job.fingerprint and job.state in done]
    found = database.jobs.find_outcomes(keys)
    last = [key for key, job in found.items() if job.stage in _LAST]
    lineage = database.jobs.find_lineage(last) if last else ()
    read = {file.sha256 for use in lineage for file in use.inputs}
    shown = [
        ShownProduct(job, product)
        for job in (found[key] for key in dict.fromkeys(keys) if key in found)
        for product in job.products
        if is_drawn(product.name) and (_is_last(job, read) or _is_always(product))
    ]
    return tuple(sorted(shown, key=_rank))


def _is_always(product: Product) -> bool:
    return _kind_of(product.name) in _ALWAYS


def _is_last(job: StoredJob, read: set[str]) -> bool:
    """Return whether nothing was made of what a job has made."""
    return not any(product.sha256 in read for product in job.products)


def _rank(shown: ShownProduct) -> tuple[int, bool, str]:
    return _KINDS.index(shown.kind), shown.done.stage not in _LAST, shown.product.name


def _kind_of(name: str) -> str:
    return name.partition(".")[0].rpartition("_")[2]


def find_pictures(
    data_dir: Path, fingerprint: str, product: Product
) -> DrawnProduct | None:
    """Find the pictures of a product, of these bytes and of today's drawing code.

    None where it has none, or where what is there is not what was drawn.
    """
    path = data_dir / get_pictures_path(fingerprint, product.name)
    try:
        text = read_outside(path, most_bytes=_MOST_BYTES)
        drawn = _adapter().validate_json(text)
    except (OSError, ValidationError):
        return None
    stem = name_pictures(product.name, product.sha256)
    files = [name for one in drawn.pictures for name in (one.file, one.numbers) if name]
    is_ours = all(name == Path(name).name and name.startswith(stem) for name in files)
    is_current = (drawn.sha256, drawn.version) == (product.sha256, DRAWING_VERSION)
    is_whole = is_ours and all((path.parent / name).is_file() for name in files)
    return drawn if is_current and is_whole else None


def read_picture(data_dir: Path, fingerprint: str, name: str) -> bytes:
    """Read a file that lies beside a manifest.

    Raises
    ------
    OSError
        It is not there, or is no file of a sane size.
    """
    folder = (data_dir / get_pictures_path(fingerprint, name)).parent
    return read_outside(folder / name, most_bytes=_MOST_BYTES)


def read_numbers(data_dir: Path, fingerprint: str, name: str) -> SpectrumNumbers | None:
    """Read the numbers of a spectrum that is drawn; None if they cannot be read."""
    try:
        text = read_picture(data_dir, fingerprint, name)
        return _numbers_adapter().validate_json(text)
    except (OSError, ValidationError):
        return None


@cache
def _adapter() -> "Adapter[DrawnProduct]":
    return TypeAdapter(DrawnProduct)


@cache
def _numbers_adapter() -> "Adapter[SpectrumNumbers]":
    return TypeAdapter(SpectrumNumbers)
