"""Keywords that the rules, the selectors of CRDS and the steps read in headers."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import crds.jwst
import jwst
import stcal
from jwst.pipeline import Detector1Pipeline, Spec2Pipeline, Spec3Pipeline
from stdatamodels.jwst.datamodels import Level1bModel

from flows.associations.pool import COLUMNS

__all__ = ["Keyword", "list_made", "list_read"]

_WORKED_OUT = ("TARGNAME", "TARGPROP", "EXPSTART", "OBSERVTN", "VISIT")
"""What columns of a pool that no header has are worked out from."""

_READ = re.compile(r"\bmeta\.([a-z_0-9]+(?:\.[a-z_0-9]+)+)")
_MADE = re.compile(r"\bmeta\.([a-z_0-9]+(?:\.[a-z_0-9]+)+)\s*=(?!=)")
_IMPORTED = re.compile(r"from jwst\.lib(?:\.| import )([a-z_0-9]+)")


class Keyword(NamedTuple):
    """A FITS keyword and the HDU that it is in."""

    name: str
    hdu: str


def list_read() -> set[Keyword]:
    """List what decides on members, references or pixels."""
    by_path = _map_keywords()
    paths = {path for text in _read_sources() for path in _READ.findall(text)}
    read = {by_path[path] for path in paths | _list_parkeys() if path in by_path}
    rules = (*(column.upper() for column in COLUMNS), *_WORKED_OUT)
    return read | {Keyword(name, "PRIMARY") for name in rules}


def list_made() -> set[Keyword]:
    """List what the steps write: references, their status, and what they assign."""
    by_path = _map_keywords()
    paths = {path for text in _read_sources() for path in _MADE.findall(text)}
    made = {by_path[path] for path in paths if path in by_path}
    taken = ("cal_step.", "ref_file.")
    return made | {by_path[path] for path in by_path if path.startswith(taken)}


def _map_keywords() -> Mapping[str, Keyword]:
    """Map the paths below ``meta`` to the keywords of their schema."""
    with Level1bModel() as model:
        found = dict(_walk(model.schema, ()))
    return {path.removeprefix("meta."): keyword for path, keyword in found.items()}


def _walk(
    schema: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[str, Keyword]]:
    if "fits_keyword" in schema:
        name = schema["fits_keyword"]
        yield ".".join(path), Keyword(name, schema.get("fits_hdu", "PRIMARY"))
    for part in schema.get("allOf", []):
        yield from _walk(part, path)
    for name, below in schema.get("properties", {}).items():
        yield from _walk(below, (*path, name))


def _read_sources() -> Iterator[str]:
    """Read the code of the steps, and of what they import from the library."""
    root = Path(jwst.__file__).parent
    pipelines = (Detector1Pipeline, Spec2Pipeline, Spec3Pipeline)
    modules = {s.__module__ for p in pipelines for s in p.step_defs.values()}
    folders = [root / module.split(".")[1] for module in modules]
    folders += [root / "pipeline", root / "stpipe", Path(stcal.__file__).parent]
    texts = [text for folder in folders for text in _read_folder(folder)]
    imported = {name for text in texts for name in _IMPORTED.findall(text)}
    yield from texts
    for path in (root / "lib").rglob("*.py"):
        if imported & {path.stem, path.parent.name}:
            yield path.read_text()


def _read_folder(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        if "tests" not in path.parts:
            yield path.read_text()


def _list_parkeys() -> set[str]:
    """List what the rules of CRDS for NIRSpec match, by paths below ``meta``."""
    path = Path(crds.jwst.__file__).parent / "specs" / "combined_specs.json"
    specs = json.loads(path.read_text())["nirspec"].values()
    groups = [group for spec in specs for group in spec.get("parkey", ())]
    keys = {key for group in groups for key in group}
    return {key.lower().removeprefix("meta.") for key in keys}
