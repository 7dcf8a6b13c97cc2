"""What the ``pars-*`` files that were selected for a job set, and if it is in effect.

stpipe reads and merges them itself, and leaves them out without a word if the
environment asks for it. Here they are read again, without stpipe.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import asdf
from stpipe import Pipeline, Step, config_parser
from stpipe.step import get_disable_crds_steppars

from ..contract import Parameters, ParsUse
from ..errors import ResolvedNotUsedError
from ..parameters import flatten_parameters
from ..references.cache import locate
from .pipelines import PLUMBING, get_parameters

__all__ = ["Tree", "check_pars", "find_origins"]

Tree = dict[str, Any]
"""Parameters by name; those of steps below ``steps``."""


def check_pars(
    pipeline: Pipeline, pars: Iterable[ParsUse], overrides: Parameters
) -> None:
    """Refuse a pipeline whose parameters are not those of its parameter references.

    Precedence, low to high: files of the steps, those of the pipeline, `overrides`.

    Raises
    ------
    ResolvedNotUsedError
        A parameter has another value.
    """
    files = {use.reftype: use.file.name for use in pars}
    trees = {kind: _read_tree(name) for kind, name in files.items()}
    expected = _collect(type(pipeline), trees)
    _merge(expected, overrides)
    wrong = _compare("", type(pipeline), expected, get_parameters(pipeline))
    if wrong:
        names = ", ".join(sorted(files.values())) or "the recipe"
        hint = " (STPIPE_DISABLE_CRDS_STEPPARS is set)" * get_disable_crds_steppars()
        raise ResolvedNotUsedError(
            f"The parameters of {names} are not in effect{hint}: {'; '.join(wrong)}."
        )


def find_origins(pipeline: Pipeline, pars: Iterable[ParsUse]) -> dict[str, str]:
    """Find which file sets each parameter of a pipeline that any sets.

    They are named as by `flatten_parameters`, and the files ``pars FILE``.
    """
    named = {
        use.reftype: _replace_leaves(_read_tree(use.file.name), f"pars {use.file.name}")
        for use in pars
    }
    origins = flatten_parameters(_collect(type(pipeline), named))
    effective = flatten_parameters(get_parameters(pipeline))
    return {name: str(origins[name]) for name in sorted(origins.keys() & effective)}


def _replace_leaves(tree: Mapping[str, Any], by: str) -> Tree:
    return {
        name: _replace_leaves(value, by) if isinstance(value, Mapping) else by
        for name, value in tree.items()
    }


@lru_cache(maxsize=256)
def _read_tree(name: str) -> Tree:
    with asdf.open(locate(name)) as file:
        return _to_tree(file.tree)


def _to_tree(node: Mapping[str, Any]) -> Tree:
    steps = {step["name"]: _to_tree(step) for step in node.get("steps", ())}
    return {**node.get("parameters", {}), **({"steps": steps} if steps else {})}


def _collect(cls: type[Step], trees: Mapping[str, Tree]) -> Tree:
    """Join what the files set of a step and of the steps in it."""
    steps = getattr(cls, "step_defs", {})
    joined: Tree = {"steps": {name: _collect(steps[name], trees) for name in steps}}
    _merge(joined, trees.get(cls.get_config_reftype(), {}))
    return joined


def _merge(into: Tree, new: Mapping[str, Any]) -> None:
    for name, value in new.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(name, {}), value)
        else:
            into[name] = value


def _compare(
    where: str, cls: type[Step], expected: Tree, used: Mapping[str, Any]
) -> list[str]:
    """List the parameters that have another value than expected."""
    own = {k: v for k, v in expected.items() if k != "steps" and k not in PLUMBING}
    wrong = [
        f"{where}{name} {value!r} but {used.get(name)!r}"
        for name, value in _convert(cls, own).items()
        if json.dumps(value) != json.dumps(used.get(name))
    ]
    for name, below in expected.get("steps", {}).items():
        step = getattr(cls, "step_defs", {})[name]
        wrong += _compare(f"{where}{name}.", step, below, used["steps"][name])
    return wrong


def _convert(cls: type[Step], own: Tree) -> Tree:
    """Convert values to the types of the step: files hold numbers as text, too."""
    spec = config_parser.get_merged_spec_file(cls)
    typed = config_parser.config_from_dict(own, spec, allow_missing=True)
    converted: Tree = json.loads(json.dumps({name: typed[name] for name in own}))
    return converted
