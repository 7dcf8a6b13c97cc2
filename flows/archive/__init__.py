"""Where exposures come from: MAST, an S3 mirror, a folder, the sample programs."""

from .access import describe_withheld, find_token
from .brought import BroughtFiles
from .cones import parse_cone
from .fetch import Fetcher, FetchReport, ToFetch
from .files import FetchedFiles, FoundFiles, fetch_files, find_files, list_files
from .folder import FolderArchive
from .headers import role_of
from .known_headers import HeaderMemory
from .remote import RemoteArchive
from .source import (
    Access,
    Archive,
    FetchListener,
    FileKind,
    Listing,
    Query,
    RemoteFile,
    Source,
)
from .texts import read_text, read_texts, write_texts
from .vault import Vault, find_records, load_record

__all__ = [
    "Access",
    "Archive",
    "BroughtFiles",
    "FetchListener",
    "FetchReport",
    "FetchedFiles",
    "Fetcher",
    "FileKind",
    "FolderArchive",
    "FoundFiles",
    "HeaderMemory",
    "Listing",
    "Query",
    "RemoteArchive",
    "RemoteFile",
    "Source",
    "ToFetch",
    "Vault",
    "describe_withheld",
    "fetch_files",
    "find_files",
    "find_records",
    "find_token",
    "list_files",
    "load_record",
    "parse_cone",
    "read_text",
    "read_texts",
    "role_of",
    "write_texts",
]
