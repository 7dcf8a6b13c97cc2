"""Before and after: how spectra and cubes changed, by how much, and why."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from workers.change_contract import COMPARED, FileChange, Pair, SpectrumChange
from workers.contract import ErrorInfo, Product
from workers.run import describe

from ..layout import CHANGES_NAME, get_run_folder
from ..models.runs import Run
from ..planning import DifferenceKind
from ..provenance import Database
from .differences import Sameness, compare_jobs, compare_products

__all__ = [
    "Changed",
    "Compare",
    "ProductChange",
    "Versions",
    "compare_versions",
    "find_changes",
    "pair_jobs",
    "pair_runs",
    "pair_with_files",
    "say_change",
    "say_changes",
]

Compare = Callable[
    [Sequence[tuple[Path, Path]]], tuple[FileChange | ErrorInfo, ...] | ErrorInfo
]
"""Compares the spectra of pairs of files: `workers.calls.compare_spectra`."""

_SAME = 1e-6
"""Relative change below which a number is the same: single precision."""

_UNIFORM = 1e-3
"""Differences between bands below which a factor is the same at all wavelengths."""

_ERRORS = 3.0
"""Standard errors within which bands agree."""


@dataclass(frozen=True, slots=True)
class Versions:
    """A product before and after, each with the job that made it."""

    product: str
    """Canonical name."""
    before: tuple[str, Product, Path] | None
    """Fingerprint, product and place of the first, the fingerprint being empty where no
    job is recorded; None where there is none."""
    after: tuple[str, Product, Path] | None
    """Likewise of the second."""


@dataclass(frozen=True, slots=True)
class ProductChange:
    """How the spectra of a product changed."""

    product: str
    """Canonical name."""
    fingerprints: tuple[str, str]
    """The jobs that made it, before and after; empty where none is recorded."""
    sameness: Sameness
    """How alike the files are."""
    spectra: tuple[SpectrumChange, ...] = ()
    """How its spectra differ, largest change first; none where pixels are the same."""
    only: tuple[str, ...] = ()
    """Parts that only one of them has, with which."""
    causes: tuple[str, ...] = ()
    """What differs of the jobs and of those before them: references, parameters,
    members, versions and edits; of a file without a record, what its header tells."""
    why_not: str = ""
    """Why it was not compared, where it was not."""

    @property
    def size(self) -> float:
        """How much it changed, to sort by; what only one has comes first."""
        if self.sameness in {Sameness.ONLY_FIRST, Sameness.ONLY_SECOND} or self.only:
            return float("inf")
        return max((spectrum.size for spectrum in self.spectra), default=0.0)


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed between two runs, or products."""

    products: tuple[ProductChange, ...]
    """Those that hold spectra, cubes and light curves, largest change first."""

    @property
    def different(self) -> tuple[ProductChange, ...]:
        """Those of which pixels differ, or that only one has."""
        same = {Sameness.IDENTICAL, Sameness.SAME_CONTENT, Sameness.SAME_PIXELS}
        return tuple(one for one in self.products if one.sameness not in same)


def pair_jobs(
    database: Database, data_dir: Path, first: str, second: str
) -> tuple[Versions, ...]:
    """Pair the products of two jobs by name.

    Parameters
    ----------
    first, second
        Fingerprints.
    """
    before, after = (_list(database, data_dir, key) for key in (first, second))
    return tuple(
        Versions(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
    )


def pair_with_files(
    versions: Sequence[Versions], find: Callable[[str], Path | None], *, is_first: bool
) -> tuple[Versions, ...]:
    """Pair recorded products with files that no job of ours has made.

    Parameters
    ----------
    versions
        Products of which the second version counts.
    find
        Finds the file of a name, if there is one.
    is_first
        Whether these files are what was before.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    pairs = []
    for one in versions:
        path = find(one.product)
        other = None if path is None else ("", describe(path), path)
        pair = (other, one.after) if is_first else (one.after, other)
        pairs.append(Versions(one.product, *pair))
    return tuple(pairs)


def pair_runs(
    database: Database, data_dir: Path, first: Run, second: Run
) -> tuple[Versions, ...]:
    """Pair the products of two runs by name."""
    before, after = (
        {
            name: version
            for job in database.runs.get_run_jobs(run.id)
            if job.fingerprint
            for name, version in _list(database, data_dir, job.fingerprint).items()
        }
        for run in (first, second)
    )
    return tuple(
        Versions(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
    )


def _list(
    database: Database, data_dir: Path, fingerprint: str
) -> dict[str, tuple[str, Product, Path]]:
    """List what a job made that can be compared, by name."""
    done = database.jobs.find_outcomes([fingerprint]).get(fingerprint)
    if done is None:
        return {}
    return {
        product.name: (fingerprint, product, data_dir / done.folder / product.name)
        for product in done.products
        if Path(product.name).stem.rpartition("_")[2] in COMPARED
    }


def compare_versions(
    versions: Sequence[Versions], database: Database, compare: Compare
) -> Changed:
    """Compare products before and after; only what differs is read.

    Parameters
    ----------
    compare
        Reads and compares the files; called once, if anything differs.
    """
    found = [_judge(one) for one in versions]
    due = [
        (index, one.before[2], one.after[2])
        for index, one in enumerate(versions)
        if one.before and one.after and found[index].sameness is Sameness.DIFFERENT
    ]
    answers = compare([(before, after) for _, before, after in due]) if due else ()
    if isinstance(answers, ErrorInfo):
        answers = (answers,) * len(due)
    list_causes = cache(partial(_list_causes, database))
    for (index, *_), answer in zip(due, answers, strict=True):
        change = _take(found[index], answer)
        if all(change.fingerprints):
            change = replace(change, causes=list_causes(*change.fingerprints))
        found[index] = change
    return Changed(tuple(sorted(found, key=lambda one: (-one.size, one.product))))


def find_changes(data_dir: Path, run: Run) -> Changed | None:
    """Find what a run said that it changed; None if it said nothing.

    Raises
    ------
    OSError
        It cannot be read.
    """
    path = data_dir / get_run_folder(run) / CHANGES_NAME
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return TypeAdapter(Changed).validate_json(text)
    except ValidationError as error:
        raise OSError(f"{path} is not what a run writes: {error}") from error


def _judge(versions: Versions) -> ProductChange:
    """Judge by hashes how alike two products are."""
    name, before, after = versions.product, versions.before, versions.after
    [found] = compare_products(
        [(name, *before[1:])] if before else [],
        [(name, *after[1:])] if after else [],
        reads=False,
    )
    keys = before[0] if before else "", after[0] if after else ""
    return ProductChange(name, keys, found.sameness)


def _take(change: ProductChange, answer: FileChange | ErrorInfo) -> ProductChange:
    if isinstance(answer, ErrorInfo):
        return replace(change, why_not=answer.message)
    return replace(
        change,
        spectra=tuple(sorted(answer.spectra, key=lambda one: -one.size)),
        causes=answer.headers,
        only=tuple(
            f"{part or 'its spectrum'} only {which}"
            for which, parts in answer.only.items()
            for part in parts
        ),
    )


def _list_causes(database: Database, first: str, second: str) -> tuple[str, ...]:
    """List what differs of two jobs and of those that made what they read."""
    return tuple(
        dict.fromkeys(
            difference.text
            for job in compare_jobs(database, first, second)
            for difference in job.differences
            if difference.kind is not DifferenceKind.INPUT
        )
    )


def say_changes(changed: Changed) -> str:
    """Say in a sentence how much changed."""
    count, different = len(changed.products), len(changed.different)
    if not count:
        return "There is no spectrum, cube or light curve to compare."
    what = f"product{'s' * (count != 1)} with spectra, cubes or light curves"
    if not different:
        return f"Nothing changed: {count} {what}, the same pixels."
    return f"{different} of {count} {what} changed."


def say_change(change: SpectrumChange) -> str:
    """Say in a line how a spectrum changed; numbers that are the same are left out."""
    said = [*_say_flux(change), *_say_rest(change)]
    return "; ".join(said) or "less than single precision can tell"


def _say_flux(change: SpectrumChange) -> Iterator[str]:
    ratio, error = change.ratio, change.ratio_error
    if ratio is None or error is None:
        yield "too faint for a ratio of fluxes"
        return
    bands = change.bands
    odd = [band for band in bands if _departs(band.ratio, ratio, band.ratio_error)]
    if odd:
        least, most = (pick(bands, key=lambda band: band.ratio) for pick in (min, max))
        yield (
            f"flux x{ratio:.4f} +- {error:.1g} as the median, from "
            f"x{least.ratio:.4f} at {least.first_um:.4g}-{least.last_um:.4g} um to "
            f"x{most.ratio:.4f} at {most.first_um:.4g}-{most.last_um:.4g} um"
        )
    elif _departs(ratio, 1.0, error) or abs(ratio - 1) > _UNIFORM:
        where = " at all wavelengths" if bands else ""
        yield f"flux x{ratio:.4f} +- {error:.1g}{where}"


def _departs(ratio: float, other: float, error: float) -> bool:
    """Return whether two ratios differ by more than chance and rounding."""
    return abs(ratio - other) > max(_UNIFORM * abs(other), _ERRORS * error)


def _say_rest(change: SpectrumChange) -> Iterator[str]:
    scale = change.ratio or 1.0
    for name, pair in (("noise", change.noise), ("error", change.error)):
        before, after = pair
        if before and after and abs(after / before - 1) > _SAME:
            beside = (
                "" if abs(after / before / scale - 1) > _UNIFORM else ", as the flux"
            )
            yield f"{name} x{after / before:.4g}{beside}"
    yield from _say_pair("bad samples", change.bad, "{:.3%}")
    for name, pair in (("from", change.first_um), ("to", change.last_um)):
        yield from _say_pair(name, pair, "{:.6g} um")
    if shifts := [line for line in change.lines if abs(line.shift_pixels) > _UNIFORM]:
        most = max(shifts, key=lambda line: abs(line.shift_pixels))
        yield (
            f"the line at {most.line_um:.5g} um moved by {most.shift_pixels:.3g} "
            f"pixels ({most.shift_km_s:.3g} km/s)"
        )
    if change.moved_arcsec and change.moved_arcsec > _UNIFORM:
        yield f"the source moved by {change.moved_arcsec:.3g} arcsec"
    if change.grids:
        yield f"other grid: {change.grids}"


def _say_pair(name: str, pair: Pair, form: str) -> Iterator[str]:
    told = ["none" if value is None else form.format(value) for value in pair]
    if told[0] != told[1]:
        yield f"{name} {told[0]} -> {told[1]}"
