"""Reproduces what is recorded here: jobs made again from their records, and compared.

Nothing is read but inputs and references, and nothing is written but in a fresh folder.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from config.settings import Settings
from workers.contract import Outcome, Product
from workers.errors import TreeError
from workers.trees import IN_USE, in_use, remove_tree

from ..errors import DataFolderError
from ..execution import Listener
from ..factory import open_records
from ..layout import REPRODUCED
from .files import RecordedFiles, find_cache
from .making import Sources, make_again
from .records import find_environment, find_records
from .verdict import Reproduced

__all__ = ["reproduce"]


def reproduce(
    fingerprints: Iterable[str],
    settings: Settings,
    *,
    chain: bool = False,
    folder: Path | None = None,
    keep: bool = False,
    listener: Listener = lambda _: None,
    tell: Callable[[str], object] = lambda _: None,
) -> Reproduced:
    """Make recorded jobs again in a fresh folder, and compare their products.

    Parameters
    ----------
    fingerprints
        The jobs.
    chain
        Whether to make also what they read, from the raw files on.
    folder
        Where the fresh folder is made; in the scratch of the data folder by default.
    keep
        Whether to keep it; else it is removed.
    listener, tell
        As in `make_again`.

    Raises
    ------
    UnknownRecordError
        A job is not recorded, or never succeeded.
    PlanError
        The cluster cannot be used.
    DataFolderError
        The folder cannot be written.
    """
    data_dir = settings.data_dir.absolute()
    above = (folder or data_dir / REPRODUCED).absolute()
    with open_records(settings) as database:
        records = find_records(database, fingerprints, chain=chain)
        files = RecordedFiles(database, data_dir)

        def find_kept(outcome: Outcome, product: Product) -> Path:
            return data_dir / outcome.folder / product.name

        with _make_place(above, keep=keep) as place:
            made = make_again(
                records,
                Sources(
                    files.find,
                    partial(find_cache, settings=settings),
                    partial(find_environment, database),
                    find_kept,
                ),
                settings=settings,
                place=place,
                listener=listener,
                tell=tell,
            )
    return replace(made, folder=place if keep else None)


@contextmanager
def _make_place(above: Path, *, keep: bool) -> Iterator[Path]:
    """Make a fresh folder, which is removed at the end unless it is to be kept."""
    place = above / uuid.uuid4().hex[:12]
    stack = ExitStack()
    try:
        place.mkdir(parents=True)
        stack.enter_context(in_use(place))
    except OSError as error:
        raise DataFolderError(
            f"The folder {above} cannot be written: {error.strerror}; give another one "
            "with --in."
        ) from error
    try:
        with stack:
            yield place
    finally:
        if keep:
            (place / IN_USE).unlink(missing_ok=True)
        else:
            with suppress(TreeError):
                remove_tree(place, below=above)
