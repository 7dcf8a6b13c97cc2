"""Prefetching references of the sample programs, and looking at what became of it."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from workers.cache_contract import (
    PrefetchReport,
    PrefetchRequest,
    VerifyReport,
    VerifyRequest,
)
from workers.calls import prefetch_references, resolve_jobs, verify_references
from workers.contract import (
    ErrorInfo,
    ReferenceFile,
    Resolution,
    ResolveItem,
    ResolveRequest,
    Stage,
)
from workers.sample import Mode, SampleSet

PHOTOM = "jwst_nirspec_photom_0001.fits"
LINEARITY = "jwst_nirspec_linearity_0001.fits"
SPEC2_PARS = "jwst_nirspec_pars-spec2pipeline_0001.asdf"
RMAP = "jwst_nirspec_photom_0001.rmap"


def list_items(
    sample: SampleSet, *stages: Stage, mode: Mode = Mode.NIRSPEC_IFU_PRISM
) -> tuple[ResolveItem, ...]:
    """List jobs of stages over the first exposure of a sample program."""
    raw = str(sample.list_raw(mode)[0])
    return tuple(ResolveItem(f"{stage}:x", stage, raw, {}) for stage in stages)


def prefetch(
    cache: Path,
    url: str | None,
    *,
    items: Sequence[ResolveItem] = (),
    context: str | None = None,
    known: Sequence[ReferenceFile] = (),
    everything: bool = False,
    dry_run: bool = False,
) -> PrefetchReport:
    """Prefetch, which must not be refused."""
    request = PrefetchRequest(
        tuple(items), context, str(cache), url, tuple(known), everything, dry_run
    )
    answer = prefetch_references(request)
    assert isinstance(answer, PrefetchReport), answer
    return answer


def refuse(cache: Path, url: str | None, *items: ResolveItem) -> ErrorInfo:
    """Prefetch, which must be refused, in one sentence."""
    answer = prefetch_references(PrefetchRequest(items, None, str(cache), url))
    assert isinstance(answer, ErrorInfo), answer
    assert len(answer.message.splitlines()) == 1
    return answer


def verify(
    cache: Path,
    url: str | None,
    *,
    known: Sequence[ReferenceFile] = (),
    repair: bool = False,
) -> VerifyReport:
    """Verify a cache, which must not be refused."""
    request = VerifyRequest(str(cache), None, url, tuple(known), repair)
    answer = verify_references(request)
    assert isinstance(answer, VerifyReport), answer
    return answer


def resolve(
    cache: Path, items: Sequence[ResolveItem], *, context: str | None = None
) -> Resolution:
    """Resolve jobs without a server, which must all be resolved."""
    answer = resolve_jobs(ResolveRequest(tuple(items), context, str(cache)))
    assert isinstance(answer, Resolution), answer
    assert [one.error for one in answer.resolved if one.error] == []
    return answer


def find(cache: Path, name: str) -> Path:
    """Find the one file of a name."""
    [path] = (path for path in cache.rglob(name) if "set-aside" not in str(path))
    return path


def spoil(cache: Path, name: str, *, truncate: bool = False) -> bytes:
    """Put other bytes in the place of a file that may be linked from elsewhere."""
    path = find(cache, name)
    good = path.read_bytes()
    bad = good[: len(good) // 2] if truncate else good[:-1] + bytes([good[-1] ^ 1])
    path.unlink()
    path.write_bytes(bad)
    return bad


def hash_files(cache: Path) -> dict[str, str]:
    """Hash all mappings and references of a cache."""
    return {
        path.name: sha256(path.read_bytes()).hexdigest()
        for kind in ("mappings", "references")
        for path in (cache / kind).rglob("*")
        if path.is_file()
    }
