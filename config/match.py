"""Which exposures a part of a recipe, or a known issue, is for."""

from collections.abc import Collection, Mapping
from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    model_validator,
)

__all__ = ["FACTS", "Match", "read_facts", "to_tuple"]

FACTS: Final[Mapping[str, str]] = {
    "instrument": "INSTRUME",
    "exp_type": "EXP_TYPE",
    "grating": "GRATING",
    "filter": "FILTER",
    "detector": "DETECTOR",
    "channel": "CHANNEL",
    "band": "BAND",
    "subarray": "SUBARRAY",
    "aperture": "APERNAME",
    "fixed_slit": "FXD_SLIT",
    "readout": "READPATT",
    "target": "TARGPROP",
    "observation": "OBSERVTN",
    "exposure": "",
    "date": "DATE-BEG",
}
"""What is compared, with the keyword of the primary header that says it.

The exposure is its name, which is in no keyword."""


def read_facts(name: str, cards: Mapping[str, object]) -> dict[str, str]:
    """Read the facts of an exposure in its header; empty where it does not say."""
    return {fact: str(cards.get(key, "")) for fact, key in FACTS.items()} | {
        "exposure": name
    }


def to_tuple(value: object) -> object:
    """Accept one value where several may stand."""
    return value if isinstance(value, list | tuple) else (value,)


_Patterns = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1)], ...],
    BeforeValidator(to_tuple, json_schema_input_type=str | list[str]),
]
"""Patterns as in a shell, of which any may fit, whatever the case."""


class Match(BaseModel):
    """Exposures by what their headers say; everything that is given must fit.

    ``match.grating = ["G395H", "G395M"]`` or ``match.grating = "G395*"``.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    instrument: _Patterns = ()
    """INSTRUME."""
    exp_type: _Patterns = ()
    """EXP_TYPE."""
    grating: _Patterns = ()
    """GRATING, of NIRSpec."""
    filter: _Patterns = ()
    """FILTER."""
    detector: _Patterns = ()
    """DETECTOR."""
    channel: _Patterns = ()
    """CHANNEL, of the MRS: ``12`` or ``34``."""
    band: _Patterns = ()
    """BAND, of the MRS: ``SHORT``, ``MEDIUM``, ``LONG``."""
    subarray: _Patterns = ()
    """SUBARRAY."""
    aperture: _Patterns = ()
    """APERNAME."""
    fixed_slit: _Patterns = ()
    """FXD_SLIT, of NIRSpec."""
    readout: _Patterns = ()
    """READPATT."""
    target: _Patterns = ()
    """TARGPROP: the name of the target in the proposal."""
    observation: _Patterns = ()
    """Three digits."""
    exposure: _Patterns = ()
    """Name of the exposure: ``jw02736007001_*_nrs1``."""
    taken_from: date | None = None
    """First day (UTC) on which the exposure may have begun."""
    taken_until: date | None = None
    """Last day (UTC) on which it may have begun."""

    @model_validator(mode="after")
    def _check_dates(self) -> Self:
        """Refuse a span that no day is in."""
        if self.taken_from and self.taken_until and self.taken_from > self.taken_until:
            raise ValueError(
                f"taken_from {self.taken_from} is after taken_until {self.taken_until}"
            )
        return self

    def fits(self, facts: Mapping[str, str]) -> bool:
        """Return whether an exposure is one of those.

        Parameters
        ----------
        facts
            What is known of it, by the names of `FACTS`; the date begins as in ISO
            8601. What is not known fits nothing that is asked of it.
        """
        return all(
            _is_any(facts.get(name, ""), patterns)
            for name, patterns in self
            if patterns and isinstance(patterns, tuple)
        ) and self._is_taken(facts.get("date", ""))

    def fits_mode(self, exp_type: str) -> bool:
        """Return whether exposures of a type can be among those."""
        return _is_any(exp_type, self.exp_type)

    def describe(self) -> str:
        """Write down what is asked: ``exp_type NRS_IFU, grating G395H or G395M``."""
        asked = [
            f"{name} {' or '.join(value) if isinstance(value, tuple) else value}"
            for name, value in self
            if value
        ]
        return ", ".join(asked) or "every exposure"

    def _is_taken(self, began: str) -> bool:
        if self.taken_from is None and self.taken_until is None:
            return True
        try:
            day = date.fromisoformat(began[:10])
        except ValueError:
            return False
        first, last = self.taken_from or date.min, self.taken_until or date.max
        return first <= day <= last


def _is_any(value: str, patterns: Collection[str]) -> bool:
    """Return whether a value fits one of some patterns; without any, all do."""
    folded = value.strip().casefold()
    return not patterns or (
        bool(folded)
        and any(fnmatchcase(folded, pattern.casefold()) for pattern in patterns)
    )
