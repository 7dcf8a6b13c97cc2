"""Outcomes on disk: where they are and how they are read back."""

from collections.abc import Iterator
from dataclasses import astuple, replace
from datetime import UTC
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, TypeAdapter, ValidationError
from pydantic_core import from_json

from workers.contract import KNOWN_BEFORE, RECORD_VERSION, Outcome
from workers.outside import read_outside

from ..errors import FileNameError, OutcomeError
from ..layout import FAILED_OUTCOMES, STORED_OUTCOMES
from ..names import check_file_name, check_folder

__all__ = ["find_outcomes", "load_outcome", "parse_outcome"]

_MOST_BYTES: Final = 1 << 28
"""More than the outcome of any job has."""


def find_outcomes(data_dir: Path) -> Iterator[Path]:
    """Find every outcome of a data folder, successes first."""
    for place in (STORED_OUTCOMES, FAILED_OUTCOMES):
        yield from sorted(data_dir.glob(place))


def load_outcome(path: Path) -> Outcome:
    """Read an outcome back, as `parse_outcome` does.

    Raises
    ------
    OutcomeError
        The file cannot be read, or is not an outcome.
    """
    try:
        text = read_outside(path, most_bytes=_MOST_BYTES)
    except OSError as error:
        raise OutcomeError(
            f"The outcome {path} cannot be read: {error.strerror}."
        ) from error
    return parse_outcome(text, source=f"file {path}")


def parse_outcome(text: bytes | str, *, source: str) -> Outcome:
    """Make an outcome of its text.

    Records of version 1 have what was known before the job ran among what the job
    found; that is left out, since it held of one run. What older ones lack has its
    default, and they are of the version of today then.

    Raises
    ------
    OutcomeError
        It is not an outcome.
    """
    try:
        outcome = _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "its text"
        raise OutcomeError(
            f"The {source} is not an outcome: {where}: {first['msg']}."
        ) from error
    if "record_version" in from_json(text):
        shape = max(outcome.record_version, RECORD_VERSION)
        return replace(outcome, record_version=shape)
    found = tuple(said for said in outcome.caveats if said.kind not in KNOWN_BEFORE)
    return replace(outcome, caveats=found)


@cache
def _adapter() -> TypeAdapter[Outcome]:
    return TypeAdapter(Annotated[Outcome, AfterValidator(_check)])


def _check(outcome: Outcome) -> Outcome:
    """Refuse a record that could lead out of the data folder; its times are UTC."""
    try:
        check_folder(outcome.folder)
        for product in outcome.products:
            check_file_name(product.name)
    except FileNameError as error:
        raise ValueError(str(error)) from error
    for facts in outcome.facts:
        values = (value for one in facts.sources for value in astuple(one))
        numbers = (*astuple(replace(facts, sources=())), *values)
        if not all(isfinite(each) for each in numbers if isinstance(each, float)):
            raise ValueError(f"a fact of {facts.product} is not finite")
    started_at, finished_at = (
        time.replace(tzinfo=time.tzinfo or UTC)
        for time in (outcome.started_at, outcome.finished_at)
    )
    return replace(outcome, started_at=started_at, finished_at=finished_at)
