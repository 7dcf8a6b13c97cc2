"""Versions of `jwst` that a recipe is for."""

from typing import Annotated, Self

from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

__all__ = ["JwstVersions"]


def _check_version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion as error:
        raise ValueError("expected a version such as 3.0.0") from error
    return text


_Version = Annotated[str, AfterValidator(_check_version)]


class JwstVersions(BaseModel):
    """Versions of `jwst` that a recipe is for."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    minimum: _Version | None = None
    """The first; any if it is not given."""
    maximum: _Version | None = None
    """The last."""

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        """Refuse a span that no version is in."""
        first, last = self.minimum, self.maximum
        if first and last and Version(first) > Version(last):
            raise ValueError(f"minimum {first} is after maximum {last}")
        return self

    def has(self, version: str) -> bool:
        """Return whether a version is one of them, whatever it was built from."""
        own = Version(Version(version).public)
        first, last = self.minimum, self.maximum
        return (not first or own >= Version(first)) and (
            not last or own <= Version(last)
        )

    def describe(self) -> str:
        """Write them down: ``jwst from 2.0.0 to 3.0.0``."""
        first = f" from {self.minimum}" if self.minimum else ""
        return f"jwst{first}" + (f" to {self.maximum}" if self.maximum else "")
