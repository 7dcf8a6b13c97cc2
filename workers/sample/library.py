"""The reference files of a sample, and what each is for."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asdf

from workers.contract import NOT_APPLICABLE

from ..publishing import publish
from .publishing import publish_model, publish_text, to_json_text

__all__ = [
    "BAND",
    "CHANNEL",
    "CONTEXTS",
    "DETECTOR",
    "EXP_TYPE",
    "FILTER",
    "GRATING",
    "MIRI_OPTICS",
    "SUBARRAY",
    "Library",
    "Reference",
    "stamp",
]

CONTEXTS = (1, 2)
"""Serials of the contexts: ``jwst_0001.pmap`` and ``jwst_0002.pmap``."""

EXP_TYPE = "META.EXPOSURE.TYPE"
"""Parkey of references by mode."""
DETECTOR = "META.INSTRUMENT.DETECTOR"
"""Parkey of references by detector."""
CHANNEL = "META.INSTRUMENT.CHANNEL"
"""Parkey of references by MRS channel."""
BAND = "META.INSTRUMENT.BAND"
"""Parkey of references by MRS band."""
SUBARRAY = "META.SUBARRAY.NAME"
"""Parkey of references by subarray."""
FILTER = "META.INSTRUMENT.FILTER"
"""Parkey of references by filter."""
GRATING = "META.INSTRUMENT.GRATING"
"""Parkey of references by disperser."""
MIRI_OPTICS = (DETECTOR, CHANNEL, BAND, EXP_TYPE)
"""Parkeys of references by the optics of MIRI."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One choice that the rules offer."""

    reftype: str
    """Reference type, lower case."""
    name: str
    """File name, or N/A."""
    parkeys: tuple[str, ...] = ()
    """Header values that the choice depends on."""
    match: tuple[str, ...] = ()
    """What they must be, one for each parkey."""
    contexts: tuple[int, ...] = CONTEXTS
    """Contexts that offer this choice."""
    instrument: str = "NIRSPEC"
    """Instrument of the exposures."""


def _get_mode(reference: Reference) -> str:
    return reference.match[reference.parkeys.index(EXP_TYPE)]


def stamp(model: Any, reftype: str, instrument: str) -> None:
    """Fill the metadata that every reference file must have."""
    model.meta.author = "Rewebb"
    model.meta.description = f"Synthetic {reftype} reference of a sample program"
    model.meta.pedigree = "DUMMY"
    model.meta.useafter = "2022-01-01T00:00:00"
    model.meta.reftype = reftype.upper()
    model.meta.telescope = "JWST"
    model.meta.instrument.name = instrument


class Library:
    """Publishes references and remembers for what they are.

    Parameters
    ----------
    cache
        Folder of the CRDS cache.
    instrument
        Instrument that the references are for.
    """

    def __init__(self, cache: Path, instrument: str = "NIRSPEC") -> None:
        self._folder = cache / "references" / "jwst" / instrument.lower()
        self._instrument = instrument
        self._references: list[Reference] = []
        self._is_wanted = True

    def __iter__(self) -> Iterator[Reference]:
        return iter(self._references)

    @property
    def instrument(self) -> str:
        """Instrument that the references are for."""
        return self._instrument

    @property
    def folder(self) -> Path:
        """Folder of the files."""
        return self._folder

    @contextmanager
    def publishing(self, *, is_wanted: bool) -> Iterator[None]:
        """Publish what is added in this block only if it is wanted.

        The rules of a context offer all the same: they must not depend on what else
        is made.
        """
        before, self._is_wanted = self._is_wanted, self._is_wanted and is_wanted
        try:
            yield
        finally:
            self._is_wanted = before

    def offer(
        self,
        reftype: str,
        name: str,
        *,
        parkeys: tuple[str, ...] = (),
        matches: Sequence[tuple[str, ...]] = ((),),
        contexts: tuple[int, ...] = CONTEXTS,
    ) -> None:
        """Let the rules select a file (or N/A) for some exposures."""
        self._references += [
            Reference(reftype, name, parkeys, match, contexts, self._instrument)
            for match in matches
        ]

    def fill(self, modes: Sequence[str]) -> None:
        """Offer N/A to exposure types that a reference type has nothing for."""
        keyed = [each for each in self._references if EXP_TYPE in each.parkeys]
        keys = {each.reftype: each.parkeys for each in keyed}
        served = {(each.reftype, _get_mode(each)) for each in keyed}
        for reftype, parkeys in keys.items():
            matches = [
                tuple(mode if key == EXP_TYPE else NOT_APPLICABLE for key in parkeys)
                for mode in modes
                if (reftype, mode) not in served
            ]
            self.offer(reftype, NOT_APPLICABLE, parkeys=parkeys, matches=matches)

    def add_model(
        self, reftype: str, model: Any, *, serial: int = 1, suffix: str = "fits"
    ) -> str:
        """Publish a data model as reference file; return its name."""
        stamp(model, reftype, self._instrument)
        name = self._name(reftype, serial, suffix)
        return self.add(name, lambda path: publish_model(path, model))

    def add_inline(self, reftype: str, model: Any, *, serial: int = 1) -> str:
        """Publish a model whose arrays must be readable after it is closed."""
        stamp(model, reftype, self._instrument)
        name = self._name(reftype, serial, "asdf")
        return self.add(name, lambda path: publish_model(path, model, inline=True))

    def add_json(self, reftype: str, tree: Any, *, serial: int = 1) -> str:
        """Publish a JSON reference file; return its name."""
        name = self._name(reftype, serial, "json")
        return self.add(name, lambda path: publish_text(path, to_json_text(tree)))

    def add_asdf(self, reftype: str, tree: dict[str, Any], *, serial: int) -> str:
        """Publish an ASDF file without a data model; return its name."""
        name = self._name(reftype, serial, "asdf")
        return self.add(name, lambda path: publish(path, asdf.AsdfFile(tree).write_to))

    def add(self, name: str, publish_to: Callable[[Path], object]) -> str:
        """Publish a file, if it is wanted; return its name."""
        if self._is_wanted:
            publish_to(self._folder / name)
        return name

    def _name(self, reftype: str, serial: int, suffix: str) -> str:
        return f"jwst_{self._instrument.lower()}_{reftype}_{serial:04d}.{suffix}"
