"""Which calibration code this environment holds, told without importing it.

It is what `jwst` requires, and what that requires, without what is left out here with
its reason. So what a later `jwst` requires in addition is in, unless somebody says why
it is not.
"""

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

__all__ = ["LEFT_OUT", "OPTIONAL", "calibration_versions", "list_requirements"]

_NETWORK = "talks to servers, which no job does"
_SCHEMAS = "says which documents are valid; values are read by asdf and stdatamodels"
_PLOTS = "draws, for people at a terminal"
_FORMATS = "reads formats of pictures that no job reads"
_PYTHON = "helps to import, or to tell versions and types"
_CATALOGUES = "reads catalogues of stars, for images"

LEFT_OUT: Mapping[str, str] = {
    "asdf-coordinates-schemas": _SCHEMAS,
    "asdf-standard": _SCHEMAS,
    "asdf-transform-schemas": _SCHEMAS,
    "asdf-wcs-schemas": _SCHEMAS,
    "astropy-healpix": _CATALOGUES,
    "astropy-iers-data": "tells how the Earth turns, which no step asks",
    "attrs": _SCHEMAS,
    "certifi": _NETWORK,
    "charset-normalizer": _NETWORK,
    "configobj": "reads parameters, which are in the fingerprint by value",
    "contourpy": _PLOTS,
    "crds": "selects references, which are in the fingerprint by sha1",
    "cycler": _PLOTS,
    "filelock": "holds locks of the CRDS cache",
    "fonttools": _PLOTS,
    "idna": _NETWORK,
    "imageio": _FORMATS,
    "importlib-metadata": _PYTHON,
    "jmespath": "searches ASDF files, for people at a terminal",
    "jsonschema": _SCHEMAS,
    "jsonschema-specifications": _SCHEMAS,
    "kiwisolver": _PLOTS,
    "lazy-importer": _PYTHON,
    "lazy-loader": _PYTHON,
    "matplotlib": _PLOTS,
    "networkx": "knows graphs, of which scikit-image makes a module that no step uses",
    "packaging": _PYTHON,
    "parsley": "parses the rules of CRDS",
    "pillow": _FORMATS,
    "pyarrow": _CATALOGUES,
    "pyparsing": _PLOTS,
    "python-dateutil": _PLOTS,
    "referencing": _SCHEMAS,
    "requests": _NETWORK,
    "rpds-py": _SCHEMAS,
    "semantic-version": _SCHEMAS,
    "six": _PYTHON,
    "tifffile": _FORMATS,
    "typing-extensions": _PYTHON,
    "urllib3": _NETWORK,
    "zipp": _PYTHON,
}
"""Distributions that `jwst` requires and that cannot change a pixel, and why."""

OPTIONAL = ("bottleneck", "scikit-umfpack")
"""Distributions that nobody requires, and that astropy, photutils and scipy compute
with where they find them."""

_ABSENT = "none"


def calibration_versions() -> dict[str, str]:
    """Return the installed version of all code that can change a pixel.

    Python is told by its minor version, and what is optional may be "none". They are
    looked up once in the life of a process, the fork server's for its children.
    """
    return {**_look_up_versions()}


def list_requirements(root: str) -> frozenset[str]:
    """List a distribution, what it requires, and what that requires, as installed.

    Raises
    ------
    PackageNotFoundError
        One of them is not installed.
    """
    seen: set[tuple[NormalizedName, frozenset[str]]] = set()
    due = [(canonicalize_name(root), frozenset[str]())]
    while due:
        one = due.pop()
        if one not in seen:
            seen.add(one)
            due.extend(_iterate_requirements(*one))
    return frozenset(name for name, _ in seen)


def _iterate_requirements(
    name: str, extras: frozenset[str]
) -> Iterator[tuple[NormalizedName, frozenset[str]]]:
    for line in metadata.requires(name) or ():
        requirement = Requirement(line)
        marker = requirement.marker
        asked = ({"extra": extra} for extra in ("", *extras))
        if marker is None or any(marker.evaluate(each) for each in asked):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


@cache
def _look_up_versions() -> Mapping[str, str]:
    names = list_requirements("jwst") - LEFT_OUT.keys()
    found = {name: metadata.version(name) for name in names}
    found |= {name: _find_version(name) for name in OPTIONAL}
    found["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    return dict(sorted(found.items()))


def _find_version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return _ABSENT
