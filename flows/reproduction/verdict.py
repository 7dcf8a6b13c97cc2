"""What came of making jobs again: the same, different, or not possible (pure)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from workers.contract import CONTENT_VERSION, Job, Outcome
from workers.differences import Difference
from workers.installed import Environment

__all__ = [
    "JobVerdict",
    "ProductVerdict",
    "Reproduced",
    "Verdict",
    "join",
    "judge_job",
    "list_changed_code",
    "list_changed_environment",
    "list_unproven",
]


class Verdict(StrEnum):
    """What came of it; the worst of several counts."""

    IDENTICAL = "IDENTICAL"
    """All arrays are the same bit by bit, and all keywords but those of dates and
    paths."""
    DIFFERENT = "DIFFERENT"
    """It was made again, and something differs."""
    CANNOT = "CANNOT"
    """It could not be made again: something is gone, or its job failed."""


_WORST = (Verdict.CANNOT, Verdict.DIFFERENT, Verdict.IDENTICAL)


@dataclass(frozen=True, slots=True)
class ProductVerdict:
    """What came of a product."""

    name: str
    """Name of the file."""
    verdict: Verdict
    """What came of it."""
    message: str = ""
    """Why, where the differences do not say it."""
    differences: tuple[Difference, ...] = ()
    """What differs, by extension; here is what was made now."""


@dataclass(frozen=True, slots=True)
class JobVerdict:
    """What came of a job."""

    key: str
    """Its stage and name."""
    fingerprint: str
    """Its identity."""
    verdict: Verdict
    """The worst of its products."""
    message: str = ""
    """Why it could not be made again."""
    products: tuple[ProductVerdict, ...] = ()
    """What came of each product."""


@dataclass(frozen=True, slots=True)
class Reproduced:
    """What came of making jobs again."""

    verdict: Verdict
    """The worst of the jobs."""
    environment: tuple[str, ...]
    """What differs in packages, Python and the machine, in words."""
    jobs: tuple[JobVerdict, ...]
    """Each job, producers first."""
    folder: Path | None = None
    """Where the products are, if they were kept."""


def join(verdicts: Collection[Verdict]) -> Verdict:
    """Return the worst; of none, that all is the same."""
    return next((one for one in _WORST if one in verdicts), Verdict.IDENTICAL)


def list_changed_code(job: Job, here: Mapping[str, str]) -> tuple[str, ...]:
    """List what has another version here than a job was made with."""
    return tuple(
        f"{name} was {job.versions.get(name, 'none')}, is {here.get(name, 'none')}"
        for name in sorted({*job.versions, *here})
        if job.versions.get(name) != here.get(name)
    )


def list_changed_environment(then: Environment, here: Environment) -> tuple[str, ...]:
    """List what else is not here as it was where a job ran."""
    was, now = then.distributions, here.distributions
    packages = [
        (name, was.get(name, "none"), now.get(name, "none"))
        for name in sorted({*was, *now})
    ]
    machine = [
        ("Python", then.python, here.python),
        ("the system", then.system, here.system),
        ("the machine", then.machine, here.machine),
        ("the container", then.container or "none", here.container or "none"),
    ]
    flags = [
        (f"the flag {flag} of the processor", _say(flag, then), _say(flag, here))
        for flag in sorted({*then.cpu_flags, *here.cpu_flags})
    ]
    return tuple(
        f"{what} was {old}, is {new}"
        for what, old, new in (*packages, *machine, *flags)
        if old != new
    )


def _say(flag: str, environment: Environment) -> str:
    return "there" if flag in environment.cpu_flags else "absent"


def list_unproven(recorded: Outcome, made: Outcome) -> tuple[str, ...]:
    """List the products of which hashes do not show that they are the same."""
    contents = {product.name: product.content_sha256 for product in made.products}
    is_comparable = recorded.content_version == CONTENT_VERSION
    return tuple(
        product.name
        for product in recorded.products
        if product.name in contents
        and not (is_comparable and contents[product.name] == product.content_sha256)
    )


def judge_job(
    key: str,
    recorded: Outcome,
    why: str,
    made: Outcome | None,
    compared: Mapping[str, tuple[Difference, ...] | str],
) -> JobVerdict:
    """Judge what came of a job.

    Parameters
    ----------
    why
        Why it could not be made, if it could not.
    made
        What it left now; None if it could not be made.
    compared
        What differs in products that are not proven the same, by name, or why they
        could not be compared.
    """
    fingerprint = recorded.job.fingerprint
    if made is None:
        return JobVerdict(key, fingerprint, Verdict.CANNOT, why)
    was, now = (
        {product.name: product for product in outcome.products}
        for outcome in (recorded, made)
    )
    products = [
        _judge_product(name, compared.get(name, ()))
        if name in was and name in now
        else ProductVerdict(
            name,
            Verdict.DIFFERENT,
            f"it was {'not made then' if name in now else 'not made now'}",
        )
        for name in sorted({*was, *now})
    ]
    verdict = join([product.verdict for product in products])
    return JobVerdict(key, fingerprint, verdict, products=tuple(products))


def _judge_product(name: str, found: tuple[Difference, ...] | str) -> ProductVerdict:
    if isinstance(found, str):
        return ProductVerdict(name, Verdict.DIFFERENT, found)
    verdict = Verdict.DIFFERENT if found else Verdict.IDENTICAL
    return ProductVerdict(name, verdict, differences=found)
