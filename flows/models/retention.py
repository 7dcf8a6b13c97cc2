"""Retention: what is kept, and what may be removed."""

from collections.abc import Mapping
from dataclasses import dataclass

from workers.contract import Stage

from .runs import Run

__all__ = ["KeptJob", "KeptRun", "Policy", "Removal", "Selection"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What is kept of what runs have made."""

    runs: int
    """Of each program this many runs that succeeded, the newest, and all since."""
    kinds: frozenset[str] = frozenset()
    """Suffixes of products (`rate`, `rateints`): jobs that made others too are kept;
    empty for all."""
    programs: frozenset[str] = frozenset()
    """Only of these programs; empty for all."""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run, as far as it keeps anything."""

    run: Run
    """The run."""
    tags: tuple[str, ...]
    """Its names: a run that has one is kept."""
    jobs: frozenset[str]
    """Its jobs, by fingerprint."""
    is_published: bool = False
    """Whether its products were exported: a run that was is kept."""


@dataclass(frozen=True, slots=True)
class KeptJob:
    """A job whose products lie in the store, or did."""

    fingerprint: str
    """Its identity."""
    stage: Stage
    """Its stage."""
    name: str
    """Its product name."""
    program: str
    """Five digits."""
    products: Mapping[str, int]
    """What it made, with sizes in bytes."""
    makers: frozenset[str]
    """The jobs that made what it read."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A job whose products are removed, or would be."""

    fingerprint: str
    """Its identity."""
    key: str
    """``stage:name``."""
    program: str
    """Five digits."""
    products: tuple[str, ...]
    """Names of what is removed."""
    size_bytes: int
    """Size of it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What a policy removes; countrates come first."""

    removals: tuple[Removal, ...]
    """The jobs."""
    kept_runs: tuple[str, ...]
    """Ids of the runs that stay whole."""
    unclaimed: int
    """Jobs that no recorded run has: they are left."""
