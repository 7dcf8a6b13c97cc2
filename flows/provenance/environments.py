"""Environments: what was installed where jobs and runs ran."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from workers.installed import Environment, hash_environment
from workers.outside import read_outside

from ..errors import OutcomeError, UnknownRecordError
from ..layout import ENVIRONMENT_FILES
from .insertion import insert_missing
from .rows import to_record, to_values
from .schema import SQLDistribution, SQLEnvironment
from .sessions import Tables, reads

__all__ = ["Environments", "find_environments", "load_environment"]

_MOST_BYTES: Final = 1 << 24
"""More than any environment has."""


class Environments(Tables):
    """Environments, each once."""

    def record(self, environment: Environment) -> None:
        """Record an environment; to do it again changes nothing."""
        own = environment.sha256
        versions = environment.distributions.items()
        rows = [
            {"environment_sha256": own, "name": name, "version": version}
            for name, version in versions
        ]

        def work(session: Session) -> None:
            values = to_values(SQLEnvironment, environment)
            insert_missing(session, SQLEnvironment, [values])
            insert_missing(session, SQLDistribution, rows)

        self._sessions.write(work)

    @reads
    def get(self, session: Session, sha256: str) -> Environment:
        """Return an environment.

        Raises
        ------
        UnknownRecordError
            It is not recorded.
        """
        row = session.get(SQLEnvironment, sha256)
        if row is None:
            raise UnknownRecordError(f"The database holds no environment {sha256!r}.")
        query = select(SQLDistribution.name, SQLDistribution.version)
        query = query.where(SQLDistribution.environment_sha256 == sha256)
        versions = session.execute(query.order_by(SQLDistribution.name)).tuples()
        return to_record(Environment, row, distributions=dict(versions.all()))


def find_environments(data_dir: Path) -> Iterator[Path]:
    """Find the files of all environments of a data folder."""
    yield from sorted(data_dir.glob(ENVIRONMENT_FILES))


def load_environment(path: Path) -> Environment:
    """Read an environment back.

    Raises
    ------
    OutcomeError
        The file cannot be read, is no environment, or was changed.
    """
    try:
        found = _adapter().validate_json(read_outside(path, most_bytes=_MOST_BYTES))
    except (OSError, ValidationError) as error:
        raise OutcomeError(
            f"The environment {path} cannot be read: {str(error).splitlines()[0]}."
        ) from error
    if not found.sha256 == path.stem == hash_environment(found):
        raise OutcomeError(
            f"The environment {path} was changed: its hash is not that of its name."
        )
    return found


@cache
def _adapter() -> TypeAdapter[Environment]:
    return TypeAdapter(Environment)
