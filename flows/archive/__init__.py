"""Where exposures come from. In time: MAST, a folder, the sample programs."""

from .folder import FolderArchive
from .roles import role_of

__all__ = ["FolderArchive", "role_of"]
