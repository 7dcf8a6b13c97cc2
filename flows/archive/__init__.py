"""Where exposures come from: MAST, an S3 mirror, a folder, the sample programs."""

from .access import admit
from .archive import Archive
from .fetch import Fetcher, FetchReport, ToFetch
from .files import FetchedFiles, FoundFiles, fetch_files, find_files, list_files
from .folder import FolderArchive
from .folder_source import FolderSource
from .listing import Access, Cone, FileKind, Listing, Query, RemoteFile, Source
from .progress import FetchListener, FetchProgress
from .remote import RemoteArchive
from .roles import role_of
from .texts import read_text, read_texts, write_texts
from .tokens import find_token, tell_withheld
from .vault import Vault, find_records, load_record

__all__ = [
    "Access",
    "Archive",
    "Cone",
    "FetchListener",
    "FetchProgress",
    "FetchReport",
    "FetchedFiles",
    "Fetcher",
    "FileKind",
    "FolderArchive",
    "FolderSource",
    "FoundFiles",
    "Listing",
    "Query",
    "RemoteArchive",
    "RemoteFile",
    "Source",
    "ToFetch",
    "Vault",
    "admit",
    "fetch_files",
    "find_files",
    "find_records",
    "find_token",
    "list_files",
    "load_record",
    "read_text",
    "read_texts",
    "role_of",
    "tell_withheld",
    "write_texts",
]
