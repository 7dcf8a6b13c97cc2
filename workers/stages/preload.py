"""What the fork server imports once, so that no child has to."""

import jwst.pipeline  # noqa: F401
import stdatamodels.jwst.datamodels  # noqa: F401

from . import calibration, resolve  # noqa: F401

__all__: list[str] = []
