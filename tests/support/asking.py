"""Work for children that ask CRDS for what they may not have, or that it is off."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from workers.contract import Job
from workers.errors import ResolvedNotUsedError
from workers.references import pin
from workers.references.fence import fenced
from workers.run import _run_stage

__all__ = ["ask_by_header", "ask_by_name", "run_without_pars"]

_CONTEXT = "jwst_0001.pmap"


def _ask(crds_path: str, ask: Callable[[], object]) -> str:
    pin(crds_path=crds_path, context=_CONTEXT)
    try:
        with fenced((), job="job"), suppress(ResolvedNotUsedError):
            ask()
    except ResolvedNotUsedError as error:
        return str(error)
    return ""


def ask_by_header(raw: str, crds_path: str) -> str:
    """Ask for the gain of an exposure as stpipe does; give what the fence says."""
    from stpipe import crds_client

    from workers.stages.resolve import read_header

    header = dict(read_header(raw))
    return _ask(
        crds_path, lambda: crds_client.get_reference_file(header, "gain", "jwst")
    )


def ask_by_name(_: str, crds_path: str) -> str:
    """Ask for a gain that a file records; give what the fence says."""
    from stpipe import crds_client

    uri = "crds://jwst_nirspec_gain_0004.fits"
    return _ask(crds_path, lambda: crds_client.reference_uri_to_cache_path(uri, "jwst"))


def run_without_pars(job: Job, scratch: Path) -> str:
    """Run a job where something has switched parameter references off; say why not."""
    os.environ["STPIPE_DISABLE_CRDS_STEPPARS"] = "true"
    for name in ("work/inputs", "publish"):
        (scratch / name).mkdir(parents=True)
    try:
        _run_stage(job, scratch)
    except ResolvedNotUsedError as error:
        return str(error)
    return ""
