"""What the pipelines of the workers accept: kept, or asked of a worker."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from config.errors import RecipeError
from config.recipe import Recipe
from workers.calls import list_specs
from workers.contract import CodeSpecs, ErrorInfo, to_json
from workers.publishing import replace
from workers.versions import calibration_versions

from ..errors import PlanError
from ..execution import CallError, Cluster, WorkerLostError
from ..layout import get_specs_path
from ..planning import find_problems

__all__ = ["ask_specs", "check_recipe", "find_specs"]

_LIGHT_BYTES = 1 << 30
"""Memory that listing them may take."""


def check_recipe(recipe: Recipe, get_specs: Callable[[], CodeSpecs]) -> None:
    """Refuse a recipe that the calibration code would refuse.

    Parameters
    ----------
    get_specs
        Asked only if the recipe sets a parameter, or is for some versions alone.

    Raises
    ------
    RecipeError
        It sets what the pipelines do not have, or is not for their version.
    """
    if not recipe.needs_specs:
        return
    if problems := find_problems(recipe, get_specs()):
        raise RecipeError(
            f"The recipe {recipe.name} cannot be used: {'; '.join(problems)}."
        )


def find_specs(
    data_dir: Path,
    ask: Callable[[], CodeSpecs],
    *,
    is_foreign: bool = False,
    keep: bool = False,
) -> CodeSpecs:
    """Find the parameters of the calibration code of the workers.

    Those of this machine have the code that is installed here, and are asked once.

    Parameters
    ----------
    ask
        Asks a worker.
    is_foreign
        Whether the cluster is not of this machine: only its workers know their code.
    keep
        Whether to keep the answer in the data folder, if there is room.

    Raises
    ------
    PlanError
        No worker can be asked.
    """
    if is_foreign:
        return ask()
    path = data_dir / get_specs_path(_take_digest(calibration_versions()))
    kept = _read(path)
    if kept is not None:
        return kept
    specs = ask()
    if keep:
        with suppress(OSError):  # on a full disk they are asked for again
            replace(path, lambda draft: draft.write_text(to_json(specs)))
    return specs


def _take_digest(versions: Mapping[str, str]) -> str:
    text = json.dumps(versions, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> CodeSpecs | None:
    """Read what is kept; None if there is nothing, or of another version of Rewebb."""
    try:
        return _adapter().validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


@cache
def _adapter() -> TypeAdapter[CodeSpecs]:
    return TypeAdapter(CodeSpecs)


def ask_specs(open_cluster: Callable[[], Cluster] | None = None) -> CodeSpecs:
    """Ask a worker of a cluster, or a child of this process.

    Raises
    ------
    PlanError
        It has no answer.
    """
    try:
        answer = _ask(open_cluster()) if open_cluster else list_specs()
    except (WorkerLostError, CallError) as error:
        raise PlanError(
            f"A worker failed to list the parameters of the pipelines: {error}"
        ) from error
    if isinstance(answer, ErrorInfo):
        raise PlanError(answer.message)
    return answer


def _ask(cluster: Cluster) -> CodeSpecs | ErrorInfo:
    light_bytes = min(_LIGHT_BYTES, cluster.get_largest_bytes())
    [answer] = cluster.map(list_specs, [None], memory_bytes=light_bytes)
    return answer
