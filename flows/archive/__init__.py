"""Where exposures come from. In time: MAST, a folder, the sample programs."""

from .folder import FolderArchive
from .roles import role_of
from .texts import read_text, read_texts, write_texts

__all__ = ["FolderArchive", "read_text", "read_texts", "role_of", "write_texts"]
