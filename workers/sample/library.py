"""The reference files of a sample, and what each is for."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import asdf
import numpy as np

from ..contract import NOT_APPLICABLE
from ..publishing import publish
from .publishing import to_json_text, write_model

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
    "add_aperture",
    "make_table",
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
_KEYWORDS = {
    EXP_TYPE: "EXP_TYPE",
    DETECTOR: "DETECTOR",
    CHANNEL: "CHANNEL",
    BAND: "BAND",
    SUBARRAY: "SUBARRAY",
    FILTER: "FILTER",
    GRATING: "GRATING",
}
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


def _stamp(model: Any, reftype: str, instrument: str) -> None:
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

    References of a type are numbered in the order in which they are added.

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
        self._serials: Counter[str] = Counter()
        self._is_wanted = True

    def __iter__(self) -> Iterator[Reference]:
        return iter(self._references)

    @property
    def instrument(self) -> str:
        """Instrument that the references are for."""
        return self._instrument

    @contextmanager
    def publishing(self, *, is_wanted: bool) -> Iterator[None]:
        """Publish what is added in this block only if it is wanted.

        The rules of a context offer all the same: they must not depend on what else
        is made.
        """
        before, self._is_wanted = self._is_wanted, is_wanted
        try:
            yield
        finally:
            self._is_wanted = before

    def offer(
        self,
        reftype: str,
        name: str,
        choices: Mapping[str, Sequence[str]] | None = None,
        *,
        contexts: tuple[int, ...] = CONTEXTS,
    ) -> None:
        """Add a rule that selects a file (or N/A) for some exposures.

        Parameters
        ----------
        choices
            By parkey the values that it is for, in any combination.
        """
        parkeys = tuple(choices or ())
        self._references += [
            Reference(reftype, name, parkeys, match, contexts, self._instrument)
            for match in product(*(choices or {}).values())
        ]

    def fill(self, modes: Sequence[str]) -> None:
        """Offer N/A to exposure types that a reference type has nothing for."""
        keyed = [each for each in self._references if EXP_TYPE in each.parkeys]
        keys = {each.reftype: each.parkeys for each in keyed}
        served = {(each.reftype, _get_mode(each)) for each in keyed}
        for reftype, parkeys in keys.items():
            others = dict.fromkeys(parkeys, (NOT_APPLICABLE,))
            free = [mode for mode in modes if (reftype, mode) not in served]
            self.offer(reftype, NOT_APPLICABLE, {**others, EXP_TYPE: free})

    def select(
        self, cards: Mapping[str, object], reftypes: Collection[str]
    ) -> dict[str, str]:
        """Select files for a header, as CRDS would in the first context.

        Returns
        -------
        paths
            By reference type.
        """
        return {
            each.reftype: str(self._folder / each.name)
            for each in self._references
            if each.reftype in reftypes
            if CONTEXTS[0] in each.contexts
            if each.match
            == tuple(cards.get(_KEYWORDS[key], NOT_APPLICABLE) for key in each.parkeys)
        }

    def add_model(
        self,
        reftype: str,
        make: Callable[[], Any],
        *,
        suffix: str = "fits",
        serial: int | None = None,
        inline: bool = False,
    ) -> str:
        """Publish a data model as reference file; return its name.

        Parameters
        ----------
        make
            Makes the model; called only if the file is wanted and not there.
        suffix
            What it is saved as.
        serial
            Number in its name; by default the next of its type.
        inline
            Whether its arrays must be readable after it is closed.
        """

        def write(path: Path) -> None:
            model = make()
            _stamp(model, reftype, self._instrument)
            write_model(path, model, inline=inline)

        return self.add(reftype, suffix, write, serial=serial)

    def add_json(self, reftype: str, tree: Any) -> str:
        """Publish a JSON reference file; return its name."""
        return self.add(
            reftype, "json", lambda path: path.write_text(to_json_text(tree), "utf-8")
        )

    def add_asdf(self, reftype: str, tree: dict[str, Any]) -> str:
        """Publish an ASDF file without a data model; return its name."""
        return self.add(reftype, "asdf", lambda p: asdf.AsdfFile(tree).write_to(p))

    def add(
        self,
        reftype: str,
        suffix: str,
        write: Callable[[Path], object],
        *,
        serial: int | None = None,
    ) -> str:
        """Publish a file, if it is wanted; return its name."""
        self._serials[reftype] += 1
        number = serial or self._serials[reftype]
        name = f"jwst_{self._instrument.lower()}_{reftype}_{number:04d}.{suffix}"
        if self._is_wanted:
            publish(self._folder / name, write)
        return name


_TEXTS = {"disperser": "S5", "filter": "S6", "channel": "S3", "band": "S12"}


def make_table(names: str, rows: Sequence[tuple[object, ...]]) -> Any:
    """Make a table of a cubepar reference: numbers, and names of optics."""
    return np.array(rows, [(name, _TEXTS.get(name, "f4")) for name in names.split()])


def add_aperture(
    library: Library, exp_type: str, aperture: Mapping[str, object]
) -> None:
    """Publish the aperture of slit spectra."""
    tree = {
        "reftype": "EXTRACT1D",
        "instrument": library.instrument,
        "telescope": "JWST",
        "exp_type": exp_type,
        "pedigree": "DUMMY",
        "description": "Synthetic extract1d reference of a sample program",
        "author": "Rewebb",
        "useafter": "2022-01-01T00:00:00",
        "apertures": [aperture],
    }
    name = library.add_json("extract1d", tree)
    library.offer("extract1d", name, {EXP_TYPE: [exp_type]})
