"""Products made again from their records: here, or elsewhere from a bundle."""

from .bundle import Bundled, write_bundle
from .replay import replay
from .reproducing import reproduce
from .verdict import JobVerdict, ProductVerdict, Reproduced, Verdict

__all__ = [
    "Bundled",
    "JobVerdict",
    "ProductVerdict",
    "Reproduced",
    "Verdict",
    "replay",
    "reproduce",
    "write_bundle",
]
