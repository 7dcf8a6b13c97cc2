"""Why a job that was done before is due again, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from workers.contract import Job, ParsUse, ReferenceUse

__all__ = ["explain_difference", "flatten_parameters"]


def explain_difference(previous: Job, job: Job) -> str:
    """Say in one line what differs between two jobs of one stage and product name.

    Differences are those that a fingerprint takes in, so two jobs without any have
    one fingerprint.
    """
    return "; ".join(_list_differences(previous, job)) or "nothing differs"


def _list_differences(previous: Job, job: Job) -> Iterator[str]:
    yield from _compare("", _files(previous.references), _files(job.references))
    yield from _compare("", _files(previous.pars), _files(job.pars))
    yield from _compare(
        "", flatten_parameters(previous.parameters), flatten_parameters(job.parameters)
    )
    yield from _compare("", previous.versions, job.versions)
    yield from _compare_inputs(previous, job)


def _compare(
    label: str, before: Mapping[str, object], after: Mapping[str, object]
) -> Iterator[str]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield f"{label}{name} {old} -> {new}"


def _files(uses: tuple[ReferenceUse, ...] | tuple[ParsUse, ...]) -> dict[str, str]:
    return {
        use.reftype: f"{use.file.name} ({use.file.sha1[:8]})" if use.file else "N/A"
        for use in uses
    }


def flatten_parameters(
    parameters: Mapping[str, Any], where: str = ""
) -> dict[str, object]:
    """Give parameters by dotted names, those of steps by ``step.parameter``."""
    flat: dict[str, object] = {}
    for name, value in parameters.items():
        path = f"{where}.{name}".removeprefix(".").removeprefix("steps.")
        if isinstance(value, Mapping):
            flat |= flatten_parameters(value, path)
        else:
            flat[path] = value
    return flat


def _compare_inputs(previous: Job, job: Job) -> Iterator[str]:
    before = {(f.name, f.exptype): f.content_sha256 for f in previous.inputs}
    after = {(f.name, f.exptype): f.content_sha256 for f in job.inputs}
    for name, exptype in sorted(after.keys() - before.keys()):
        yield f"new {exptype} member {name}"
    for name, exptype in sorted(before.keys() - after.keys()):
        yield f"{exptype} member {name} is gone"
    for key in sorted(before.keys() & after.keys()):
        if before[key] != after[key]:
            yield f"{key[1]} input {key[0]} has changed"
    if list(before) != list(after) and before.keys() == after.keys():
        yield "the order of the members has changed"
