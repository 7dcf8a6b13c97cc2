"""The table `raw_content`."""

from collections.abc import Mapping

from sqlalchemy.orm import Mapped, mapped_column

from ._base import JsonText, SQLBase

__all__ = ["SQLRawContent"]


class SQLRawContent(SQLBase):
    """What can be told apart in the content of a raw file, which may be gone."""

    __tablename__ = "raw_content"

    content_sha256: Mapped[str] = mapped_column(primary_key=True)
    pixels_sha256: Mapped[str]
    cards: Mapped[Mapping[str, str]] = mapped_column(JsonText)
