"""The unmodified client of CRDS, in a process of its own, since it remembers."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["PlainCrds"]

_ASK = """
import json, sys
import crds
from astropy.io import fits

exposure, reftypes = {exposure!r}, {reftypes!r}
header = {{
    key: value
    for key, value in fits.getheader(exposure).items()
    if key and isinstance(value, (str, int, float))
}} if exposure else {{}}
json.dump({expression}, sys.stdout)
"""


@dataclass(frozen=True)
class PlainCrds:
    """CRDS as anyone may use it: a cache, and a server or none."""

    cache: Path
    """Its ``CRDS_PATH``."""
    url: str | None
    """Its ``CRDS_SERVER_URL``."""
    exposure: Path
    """Whose header ``header`` is."""
    reftypes: tuple[str, ...] = ("area", "gain", "photom", "pars-spec2pipeline")
    """What ``reftypes`` is."""

    def ask(self, expression: str, **variables: str) -> Any:
        """Evaluate an expression; it has ``crds``, ``header`` and ``reftypes``."""
        code = _ASK.format(
            exposure=str(self.exposure),
            reftypes=list(self.reftypes),
            expression=expression,
        )
        ended = self._run(["-c", code], variables)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def sync(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``crds sync``."""
        return self._run(["-m", "crds.sync", *arguments], {})

    def _run(
        self, arguments: list[str], variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("CRDS_")}
        environment = kept | {"CRDS_PATH": str(self.cache)} | dict(variables)
        if self.url is not None:
            environment["CRDS_SERVER_URL"] = self.url
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
