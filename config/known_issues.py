"""Known issues: rows and advice of the published pages, as TOML data without logic.

Each file of ``config/known_issues`` is one issue: for which exposures, versions of
``jwst`` and contexts it holds, and the fragment of a recipe that mends it.
"""

import re
import tomllib
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Annotated, Final, Literal, Self

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from .brought import BroughtFile
from .edits import EDITS, RecipeEdit
from .errors import KnownIssueError
from .match import Match
from .problems import list_problems
from .recipe import AssociationChoice, ParameterSet

__all__ = [
    "Contexts",
    "Detection",
    "Fragment",
    "IssueStatus",
    "KnownIssue",
    "Source",
    "Versions",
    "get_serial",
    "load_known_issue",
    "load_known_issues",
]

_CONTEXT: Final = re.compile(r"jwst_([0-9]{4,})\.pmap")
_UNSAID: Final = frozenset({"observation", "target", "exposure"})
"""What an issue cannot be matched by: it is of a mode, not of a program."""

_Sentence = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


def get_serial(context: str) -> int | None:
    """Return the serial number of a CRDS context; None if it is not named so."""
    found = _CONTEXT.fullmatch(context)
    return int(found[1]) if found else None


def _check_context(name: str) -> str:
    if get_serial(name) is None:
        raise ValueError("expected a context such as jwst_0970.pmap")
    return name


def _check_specifiers(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError("expected specifiers of PEP 440 such as >=1.16,<2") from error
    return text


def _check_version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion as error:
        raise ValueError("expected a version of jwst such as 1.13.0") from error
    return text


_Specifiers = Annotated[str, AfterValidator(_check_specifiers)]
"""Versions of jwst by PEP 440; empty for all."""


class IssueStatus(StrEnum):
    """What has become of an issue, according to its page or the changelog of jwst."""

    OPEN = "open"
    """It is there, whether it can be mitigated or not."""
    RESOLVED = "resolved"
    """A version of jwst or a context has mended it."""
    ADVICE = "advice"
    """It is no defect: a choice, or a limit to know of."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Table):
    """Where an issue stands."""

    page: Literal[
        "nirspec-ifu",
        "nirspec-ifu-earlier-edition",
        "nirspec-mos",
        "nirspec-bots",
        "miri-mrs",
    ]
    """The page, as the tests know it."""
    section: _Sentence
    """How the row, the heading or the paragraph begins in it, to the letter."""


class Versions(_Table):
    """The versions of jwst that have an issue."""

    holds: _Specifiers = ""
    """Those that have it."""
    fixed_in: Annotated[str, AfterValidator(_check_version)] | None = None
    """The first that mends it."""
    fixed_with: str | None = None
    """Type of the reference without which that version mends nothing."""

    @model_validator(mode="after")
    def _check_fix(self) -> Self:
        """Refuse a fix that contradicts the versions that have the issue."""
        if self.fixed_in is None:
            if self.fixed_with is not None:
                raise ValueError("fixed_with needs fixed_in")
            return self
        has_it = self.has(self.fixed_in)
        if has_it != (self.fixed_with is not None):
            raise ValueError(
                f"holds {self.holds or 'everywhere'!r} and fixed_in {self.fixed_in} "
                "contradict each other: it holds before, and after only where "
                "fixed_with is missing"
            )
        return self

    def has(self, version: str) -> bool:
        """Return whether a version of jwst has the issue, pre-releases included."""
        return SpecifierSet(self.holds).contains(version, prereleases=True)

    def is_mended(self, version: str) -> bool:
        """Return whether a version is the one that mends it, or a later one."""
        return self.fixed_in is not None and Version(version) >= Version(self.fixed_in)


class Contexts(_Table):
    """The CRDS contexts that have an issue."""

    holds_before: Annotated[str, AfterValidator(_check_context)] | None = None
    """The first context that does not."""

    def is_mended(self, context: str) -> bool:
        """Return whether a context is the one that mends it, or a later one."""
        if self.holds_before is None or (serial := get_serial(context)) is None:
            return False
        return serial >= (get_serial(self.holds_before) or 0)


class Detection(_Table):
    """How an issue shows in products."""

    measurement: Literal[
        "vertical-banding",
        "spaxel-oscillation",
        "outlier-fraction",
        "spectral-noise",
        "absorption-spikes",
        "fringe-amplitude",
        "band-steps",
        "nan-fraction",
        "unexpected-light",
        "source-offset",
        "source-wander",
        "sky-level",
        "plane-correlation",
        "white-light-slope",
        "white-light-scatter",
        "light-curve-scatter",
        "x1d-over-s3d",
        "line-positions",
    ]
    """Name of the measurement."""


class Fragment(_Table):
    """What a recipe says to mitigate an issue, in the tables of a recipe."""

    jwst: _Specifiers = ""
    """Versions whose pipelines have these parameters."""
    parameters: tuple[ParameterSet, ...] = ()
    """Parameters to set."""
    associations: AssociationChoice | None = None
    """Choices of associations; only those that are given are meant."""
    edits: tuple[RecipeEdit, ...] = ()
    """Edits to ask for; their values are examples, which depend on the data."""
    files: tuple[BroughtFile, ...] = ()
    """Files to bring; their sha256 is a place to fill in, of zeros."""

    @model_validator(mode="after")
    def _check_content(self) -> Self:
        """Refuse a fragment that asks for nothing."""
        asked = (self.parameters, self.associations, self.edits, self.files)
        if not any(asked):
            raise ValueError("expected parameters, associations, edits or files")
        if any(file.sha256.strip("0") for file in self.files):
            raise ValueError("an issue brings no file of its own: expected zeros")
        return self

    def is_known_to(self, version: str) -> bool:
        """Return whether the pipelines of a version of jwst have its parameters."""
        return SpecifierSet(self.jwst).contains(version, prereleases=True)


class KnownIssue(_Table):
    """A row or a paragraph of advice of a page."""

    id: str = Field(
        pattern=r"^(NS-(IFU|MOS|BOTS)([0-9]{2}|-[A-Z0-9-]+)|MRS-[A-Z0-9-]+)$"
    )
    """The id of the page (``NS-IFU05``), or one of our own in its style."""
    title: _Sentence
    """What it is, in a few words."""
    mode: Literal["NIRSpec IFU", "NIRSpec MOS", "NIRSpec BOTS", "MIRI MRS"]
    """The mode of its page."""
    status: IssueStatus
    """What has become of it."""
    stage: Literal["detector1", "spec2", "spec3", "tso3"]
    """The first stage whose products show it, or that does what it advises."""
    link: str = Field(pattern=r"^https://jwst-docs\.stsci\.edu/\S+$")
    """The page, or what has taken its place."""
    sources: tuple[Source, ...] = Field(min_length=1)
    """Where it stands; the first is the main place."""
    symptom: _Sentence
    """What is seen."""
    cause: _Sentence
    """Why."""
    advice: _Sentence
    """What to do, in one or two sentences."""
    match: Match
    """Which exposures it is of."""
    versions: Versions = Versions()
    """Which versions of jwst have it."""
    contexts: Contexts = Contexts()
    """Which contexts have it."""
    detection: Detection | None = None
    """What shows it, if anything is measured that does."""
    mitigation: tuple[Fragment, ...] = ()
    """What a recipe can say: any of these is enough, and the first is recommended."""
    by_hand: _Sentence | None = None
    """What a person can do that no recipe says."""
    caveats: tuple[_Sentence, ...] = ()
    """What to know of the issue or of its mitigation."""

    @field_validator("match")
    @classmethod
    def _check_match(cls, match: Match) -> Match:
        """Refuse issues of every exposure, or of those of one program."""
        if not match.exp_type:
            raise ValueError("expected the exp_type of the mode")
        if wrong := sorted(name for name in _UNSAID if getattr(match, name)):
            raise ValueError(f"an issue is not of one {' or '.join(wrong)}")
        return match

    @model_validator(mode="after")
    def _check_status(self) -> Self:
        """Refuse an issue that is called resolved without saying by what, or not so."""
        versions, contexts = self.versions, self.contexts
        is_mended = versions.fixed_in is not None and versions.fixed_with is None
        is_mended |= contexts.holds_before is not None
        if is_mended != (self.status is IssueStatus.RESOLVED):
            raise ValueError(
                f"status {self.status} and the fix contradict each other: resolved "
                "goes with versions.fixed_in or contexts.holds_before"
            )
        return self


_KEYS = {
    name: f"{table}{name}"
    for table, model in (
        ("sources.", Source),
        ("match.", Match),
        ("detection.", Detection),
        ("contexts.", Contexts),
        ("versions.", Versions),
        ("mitigation.associations.", AssociationChoice),
        ("mitigation.parameters.", ParameterSet),
        ("mitigation.", Fragment),
        ("", KnownIssue),
    )
    for name in model.model_fields
}
"""Where each key belongs."""
_KEYS |= {
    name: f"mitigation.edits.{name}"
    for model in EDITS
    for name in model.model_fields
    if name not in _KEYS
}


def load_known_issues() -> tuple[KnownIssue, ...]:
    """Load all known issues, by id.

    Raises
    ------
    KnownIssueError
        A file cannot be read, or holds what it may not.
    """
    files = resources.files("config").joinpath("known_issues").iterdir()
    found = [load_known_issue(file) for file in files if file.name.endswith(".toml")]
    return tuple(sorted(found, key=lambda issue: issue.id))


def load_known_issue(file: Traversable) -> KnownIssue:
    """Load a known issue; the file is named by its id.

    Raises
    ------
    KnownIssueError
        It cannot be read, or holds what it may not.
    """
    try:
        issue = KnownIssue.model_validate(tomllib.loads(file.read_text("utf-8")))
    except ValidationError as error:
        problems = list_problems(error, _KEYS)
        raise KnownIssueError(f"The known issue {file.name}: {problems}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise KnownIssueError(f"The known issue {file.name}: {error}") from error
    if file.name != (expected := f"{issue.id.lower()}.toml"):
        raise KnownIssueError(
            f"The known issue {file.name} has the id {issue.id}: expected {expected}."
        )
    return issue
