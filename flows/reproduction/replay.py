"""Replays bundles: their products made again, where there is nothing else."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from config.settings import Settings
from workers.content import file_sha256
from workers.contract import Input

from ..errors import BundleError, DataFolderError
from ..execution import Listener
from ..provenance import find_outcomes, load_outcome
from .files import MissingFileError
from .making import Sources, make_again
from .manifest import CRDS, INPUTS, MANIFEST, Manifest
from .records import link
from .unpacking import load_bundled_environment, load_outcomes, unpack
from .verdict import Reproduced

__all__ = ["replay"]

_UNPACKED: Final = "bundle"
"""Folder of what was in the bundle."""

_PRODUCTS: Final = "products"
"""Folder of the products, by their names."""


def replay(
    path: Path,
    place: Path,
    settings: Settings,
    *,
    inputs: Path | None = None,
    listener: Listener = lambda _: None,
    tell: Callable[[str], object] = lambda _: None,
) -> Reproduced:
    """Make the products of a bundle again in a folder of its own, and compare them.

    Parameters
    ----------
    place
        The folder, absolute; empty, or not there yet.
    inputs
        Where the files are that the bundle names by URI.
    listener, tell
        As in `make_again`; told the sha256 of the manifest, too.

    Raises
    ------
    BundleError
        The bundle is damaged or unsafe, or files are missing that it names by URI.
    DataFolderError
        The folder holds something, or cannot be written.
    PlanError
        The cluster cannot be used.
    """
    _refuse_taken(place)
    unpacked = place / _UNPACKED
    manifest = unpack(path, unpacked)
    tell(f"sha256 of the manifest: {file_sha256(unpacked / MANIFEST)}")
    records = link(load_outcomes(unpacked, manifest))
    brought = _find_brought(manifest, inputs)

    def find_input(file: Input) -> Path:
        found = unpacked / INPUTS / file.sha256 / file.name
        if found.is_file():
            return found
        if file.sha256 in brought:
            return brought[file.sha256]
        raise MissingFileError(f"the input {file.name} is not in the bundle")

    made = make_again(
        records,
        Sources(
            find_input,
            lambda _: unpacked / CRDS,
            lambda outcome: load_bundled_environment(unpacked, outcome),
        ),
        settings=settings,
        place=place,
        listener=listener,
        tell=tell,
    )
    _show_products(place)
    return replace(made, folder=place / _PRODUCTS)


def _refuse_taken(place: Path) -> None:
    try:
        is_taken = place.exists() and next(place.iterdir(), None) is not None
    except OSError as error:
        raise DataFolderError(
            f"The folder {place} cannot be used: {error.strerror}."
        ) from error
    if is_taken:
        raise DataFolderError(
            f"The folder {place} is not empty: give one that is, or that is not there "
            "yet, with --in."
        )


def _find_brought(manifest: Manifest, folder: Path | None) -> dict[str, Path]:
    """Find what the bundle names by URI, by sha256."""
    found: dict[str, Path] = {}
    for remote in manifest.remote:
        for path in folder.rglob(remote.name) if folder else ():
            if path.is_file() and file_sha256(path) == remote.sha256:
                found[remote.sha256] = path.absolute()
    missing = [one for one in manifest.remote if one.sha256 not in found]
    if missing:
        listed = "; ".join(
            f"{one.name} (sha256 {one.sha256}) is {one.uri} of {one.source}"
            for one in missing
        )
        raise BundleError(
            f"{len(missing)} inputs are not in the bundle: fetch them into a folder, "
            f"and give it with --inputs: {listed}"
        )
    return found


def _show_products(place: Path) -> None:
    """Link products by their names; of equal names the first."""
    shown = place / _PRODUCTS
    try:
        shown.mkdir()
        for path in find_outcomes(place):
            for product in load_outcome(path).products:
                if not (shown / product.name).exists():
                    os.link(path.with_name(product.name), shown / product.name)
    except OSError as error:
        raise DataFolderError(
            f"{shown} cannot be written: {error.strerror}."
        ) from error
