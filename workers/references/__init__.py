"""The CRDS cache: what a context selects from it, and how it is filled and kept whole.

`cache` is what jobs and `resolve` see: read only and without a server. `catalogue`,
`sync` and `verification` bring the files of a cache to what a server says.
"""

from .cache import (
    ReferenceCache,
    locate_reference,
    name_pars,
    name_references,
    pin,
)

__all__ = [
    "ReferenceCache",
    "locate_reference",
    "name_pars",
    "name_references",
    "pin",
]
