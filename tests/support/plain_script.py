"""What a scientist would write instead of Rewebb: pipeline calls, one after the other.

    python plain_script.py CALLS.json

It knows nothing of Rewebb: its calls name a pipeline, an input and parameters. Only
its environment is that of jobs, since pixels depend on what numpy and OpenBLAS use of
the processor.
"""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from workers.environment import PINS, make_environment

__all__ = ["CALLS", "PipelineCall", "start"]

CALLS = "calls.json"
"""File that lists the calls, in the folder of the products."""


@dataclass(frozen=True, slots=True)
class PipelineCall:
    """A call of a pipeline, with products in the folder of the script."""

    pipeline: str
    """Class of `jwst.pipeline`."""
    input: str
    """Path of a raw file, or name of an association beside the products."""
    parameters: Mapping[str, object]
    """Keyword arguments of ``Pipeline.call``."""


def start(
    calls: Sequence[PipelineCall],
    folder: Path,
    *,
    crds_path: Path,
    context: str,
    is_pinned: bool = True,
) -> subprocess.Popen[bytes]:
    """Start the script in a process of its own; its log is beside the products.

    Parameters
    ----------
    is_pinned
        Whether it may use of the processor what jobs may, so that the last bits are
        theirs; or whatever is there, as without Rewebb.
    """
    file = folder / CALLS
    file.write_text(json.dumps([asdict(call) for call in calls]))
    made = make_environment(os.environ)
    environment = {
        **{name: made[name] for name in made if is_pinned or name not in PINS},
        "CRDS_PATH": str(crds_path),
        "CRDS_CONTEXT": context,
    }
    with (folder / "script.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, __file__, str(file)],
            env=environment,
            stdout=log,
            stderr=log,
        )


def main(file: Path) -> None:
    """Make every call of a file, in its folder."""
    import jwst.pipeline  # only in the script itself

    # Each step looks for garbage first, also among all that is imported: a fifth of
    # the time, and nothing to the pixels.
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)
    folder = file.parent
    for call in json.loads(file.read_text()):
        pipeline = getattr(jwst.pipeline, call["pipeline"])
        source = str(folder / call["input"])  # a path from the root stays as it is
        pipeline.call(
            source, save_results=True, output_dir=str(folder), **call["parameters"]
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
