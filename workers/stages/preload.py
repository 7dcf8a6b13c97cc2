"""What the fork server imports once, so that no child has to."""

import gc
from multiprocessing import spawn

import jwst.pipeline  # noqa: F401
import stdatamodels.jwst.datamodels  # noqa: F401

from ..versions import calibration_versions
from . import calibration, resolve  # noqa: F401
from .schemas import prepare_schemas

__all__: list[str] = []

prepare_schemas()
calibration_versions()  # of what is loaded now, whatever is installed later

# stpipe collects garbage before each step. What is imported never is garbage, so no
# child needs to look through it again, nor to copy its pages by doing so.
gc.freeze()
# Between steps it would be looked for after every 700 objects, and a tree of world
# coordinates has hundreds of thousands: a tenth of the time of a job, and no less
# memory.
gc.set_threshold(5_000, 20, 20)

# A child would run the main module of its worker again, which imports all of Dask. What
# children are given to do is in modules that they import by name.
for name in ("_fixup_main_from_name", "_fixup_main_from_path"):
    setattr(spawn, name, lambda _: None)
