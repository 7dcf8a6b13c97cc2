"""Sample programs: what MAST and CRDS would give, made offline in minutes."""

from .check import check_products
from .making import make_sample
from .products import Check
from .sample_set import SAMPLE_VERSION, Mode, SampleSet, find_sample

__all__ = [
    "SAMPLE_VERSION",
    "Check",
    "Mode",
    "SampleSet",
    "check_products",
    "find_sample",
    "make_sample",
]
