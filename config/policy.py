"""What a site does again when something has changed: ``[policy]`` in the settings.

A fingerprint takes in all that can change a pixel. The policy says which of its items
are worth the time: what only those have changed that are not stays as it is recorded,
and every run and plan says so.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict

__all__ = ["Action", "Policy"]


class Action(StrEnum):
    """What follows from a change."""

    RERUN = "rerun"
    """The job is done again."""
    REPORT = "report"
    """The job stays as it is recorded; it is called stale, and has a caveat."""
    IGNORE = "ignore"
    """The job stays as it is recorded; how many do so is said, no more."""


class Policy(BaseModel):
    """What follows from each kind of change.

    The content of what another job of the run makes is no matter of policy: it always
    counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    references: Action = Action.RERUN
    """The bytes of a reference file that a step uses."""
    parameters: Action = Action.RERUN
    """Effective parameters, and the bytes of ``pars-*`` files."""
    members: Action = Action.RERUN
    """Which files a job reads, as what, and in which order."""
    inputs: Action = Action.RERUN
    """The content of raw files, metafiles and files of users."""
    edits: Action = Action.RERUN
    """What the recipe changes in copies of inputs."""
    jwst_major: Action = Action.RERUN
    """The first number of the version of jwst, stcal, stdatamodels or stpipe."""
    jwst_minor: Action = Action.RERUN
    """The second."""
    jwst_patch: Action = Action.REPORT
    """Anything after it."""
    packages_major: Action = Action.RERUN
    """The first number of the version of any other package, or whether it is there."""
    packages_minor: Action = Action.RERUN
    """The second; of Python, too."""
    packages_patch: Action = Action.IGNORE
    """Anything after it."""

    def refine(self, changes: Mapping[str, str]) -> Self:
        """Return this policy with other actions for some kinds of changes."""
        return self.model_validate({**self.model_dump(), **changes})

    def list_changes(self) -> dict[str, str]:
        """List what was set of it, for `refine`."""
        return self.model_dump(mode="json", exclude_unset=True)

    @classmethod
    def rerun_all(cls) -> Self:
        """Return the policy by which every change counts."""
        return cls.model_validate(dict.fromkeys(cls.model_fields, Action.RERUN))
