"""A fence around CRDS: a job gets the files that were resolved for it, and no others.

Steps ask CRDS through stpipe, which calls ``crds.getreferences``; a name that a file
records becomes a path by ``crds.locate_file``. Whatever passes there and is none of
the job's was not fingerprinted, verified or recorded.
"""

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from ..contract import NOT_APPLICABLE, ParsUse, ReferenceUse
from ..errors import ResolvedNotUsedError

__all__ = ["fenced"]


@contextmanager
def fenced(uses: Iterable[ReferenceUse | ParsUse], *, job: str) -> Iterator[None]:
    """Let CRDS hand out only the files that were resolved for a job to this process.

    A step may catch the error that stops it; at the end it is raised all the same.
    """
    import crds  # two seconds

    fence = _Fence(uses, job)
    getreferences, locate_file = crds.getreferences, crds.locate_file
    crds.getreferences = fence.watch_selection(getreferences)
    crds.locate_file = fence.watch_names(locate_file)
    try:
        yield
    finally:
        crds.getreferences, crds.locate_file = getreferences, locate_file
        fence.raise_first()


class _Fence:
    """Compares what CRDS hands out with what was resolved."""

    def __init__(self, uses: Iterable[ReferenceUse | ParsUse], job: str) -> None:
        self._job = job
        self._names: dict[str, set[str]] = defaultdict(set)
        for use in uses:
            if use.file is not None:
                # "filteroffset of target_acquisition" is a filteroffset, too.
                self._names[use.reftype.partition(" ")[0]].add(use.file.name)
        self._errors: list[ResolvedNotUsedError] = []

    def watch_selection(self, select: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap what gives the path of a file for each type."""

        @wraps(select)
        def watched(*args: Any, **kwargs: Any) -> Any:
            paths = select(*args, **kwargs)
            for reftype, path in paths.items():
                name = Path(path).name
                if NOT_APPLICABLE not in path.upper() and (
                    name not in self._names[reftype]
                ):
                    self._refuse(reftype, name)
            return paths

        return watched

    def watch_names(self, locate: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap what gives the path of a file by its name."""

        @wraps(locate)
        def watched(name: str, *args: Any, **kwargs: Any) -> Any:
            if name not in set().union(*self._names.values()):
                self._refuse("a reference by its name", name)
            return locate(name, *args, **kwargs)

        return watched

    def raise_first(self) -> None:
        """Raise what a step may have caught."""
        if self._errors:
            raise self._errors[0]

    def _refuse(self, reftype: str, name: str) -> None:
        resolved = ", ".join(sorted(self._names[reftype])) or "none"
        error = ResolvedNotUsedError(
            f"{self._job}: {_name_asker()} asked CRDS for {reftype} and got {name}, "
            f"which was not resolved for this job (resolved: {resolved}); nothing was "
            "kept, since the file is in no fingerprint: please report this step."
        )
        self._errors.append(error)
        raise error


def _name_asker() -> str:
    """Name the steps that are at work, the innermost first."""
    found = (
        frame.f_locals.get("self", frame.f_locals.get("cls"))
        for frame, _ in traceback.walk_stack(None)
    )
    steps = [
        (step if isinstance(step, type) else type(step)).__name__
        for step in found
        if hasattr(step, "get_config_reftype")
    ]
    return " in ".join(dict.fromkeys(steps)) or "something that is no step"
