"""The table `product`."""

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from ._base import SQLBase

__all__ = ["SQLProduct"]


class SQLProduct(SQLBase):
    """A file that the success of a job made which lies in the store."""

    __tablename__ = "product"

    fingerprint: Mapped[str] = mapped_column(
        ForeignKey("job.fingerprint"), primary_key=True
    )
    name: Mapped[str] = mapped_column(primary_key=True, index=True)
    attempt_id: Mapped[str] = mapped_column(ForeignKey("attempt.id"), index=True)
    size_bytes: Mapped[int]
    mtime_ns: Mapped[int]
    sha256: Mapped[str] = mapped_column(index=True)
    content_sha256: Mapped[str]
    # Empty if it has none, or was made before it was recorded.
    pixels_sha256: Mapped[str]
