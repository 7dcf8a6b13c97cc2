"""Recipes: how to reprocess, as TOML data without logic.

A recipe chooses among associations and sets parameters of pipelines over those of
the context; it may extend others. It can never name paths, hooks or code: a request
must not make a worker read or run anything but the pipeline and its references, and
files that `rewebb put` has checked, which it names by their sha256.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from .brought import BroughtFile, explain_brought
from .edits import EDITS, RecipeEdit
from .errors import RecipeError
from .extending import join_recipes, to_toml
from .jwst_versions import JwstVersions
from .match import Match, to_tuple
from .problems import list_problems
from .recipe_texts import collect_texts

__all__ = [
    "AssociationChoice",
    "LinkedObservations",
    "MemberRule",
    "ParameterSet",
    "ProductChoice",
    "Recipe",
    "count_exposures",
    "load_recipe",
    "make_schema",
]

_FORBIDDEN = re.compile(
    r"override_.*|user_.*|(pre|post)_hooks|config_file|logcfg|output_(?!type).*"
    r"|input_.*|.*_file|ta_file|bkg_list|suffix|class|name|maximum_cores"
    r"|save_persistence|wfss_mask|soss_wave_grid_(in|out)|(int|opt)_name"
    r"|dark_output|soss_(estimate|modelname)|grism_objects"
)
"""Parameters that name files, code or places, or that take more than one core.

The ``output_type`` of `cube_build` names none: it tells what goes into one cube. This
is said when a recipe is read; workers refuse by the types that the steps give."""

_Observation = Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")]
"""Id of an observation."""


class _Table(BaseModel):
    """A table of a recipe, which has no other keys; the schema has its docstrings."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True
    )


class LinkedObservations(_Table):
    """Observations that the proposal links, which no header tells."""

    id: str = Field(pattern=r"^c1[0-9]{3}$")
    """Candidate: ``c1000``, ..."""
    type: Literal["background", "group", "mosaic"]
    """What they are to each other."""
    observations: tuple[_Observation, ...] = Field(min_length=2)
    """Three digits each."""


class MemberRule(_Table):
    """Members to put in, or to leave out; patterns are those of a shell."""

    exposure: str = Field(min_length=1)
    """Pattern of the exposures."""
    exptype: Literal["background", "imprint", "selfcal", "target_acquisition", "*"]
    """As what; ``*`` for any, of those left out."""
    product: str = "*"
    """Pattern of the products."""


class AssociationChoice(_Table):
    """What a recipe asks of the associations."""

    backgrounds: Literal["same-program", "linked", "none"] = "same-program"
    """Which dedicated background exposures join the science of a program."""
    background_observations: tuple[_Observation, ...] = ()
    """Observations that are off-scene backgrounds, whatever their headers say."""
    background_targets: tuple[str, ...] = ()
    """Names of targets that are."""
    nod_backgrounds: Literal["on", "off", "both"] = "on"
    """Whether nods are each other's background; ``both`` processes the MSA twice."""
    selfcal: bool | Literal["all"] = False
    """Whether exposures of the same detector and optics join as selfcal members;
    ``all``: leakcals too."""
    imprints: bool = True
    """Whether leakcals are members."""
    background_imprints: bool = True
    """Whether those of the backgrounds are."""
    imprints_as_science: bool = False
    """Whether leakcals are processed to spectra of their own."""
    level3: Literal["observation", "target"] = "observation"
    """Whether spec3 joins a target by observation, or over all observations."""
    candidates: tuple[LinkedObservations, ...] = ()
    """What the proposal links besides the observations."""
    include: tuple[MemberRule, ...] = ()
    """Members to put in."""
    exclude: tuple[MemberRule, ...] = ()
    """Members to leave out; science stays."""
    why: str = ""
    """Which known issue, notebook or page advises it; nothing follows from it."""

    @field_validator("include")
    @classmethod
    def _names_exptype(cls, rules: tuple[MemberRule, ...]) -> tuple[MemberRule, ...]:
        """Refuse to put in members without saying as what."""
        if any(rule.exptype == "*" for rule in rules):
            raise ValueError("expected the exptype of members to put in, got '*'")
        return rules


class ProductChoice(_Table):
    """What a recipe asks of the products."""

    exposure_cubes: Literal["all", "needed"] = "all"
    """Of which IFU and MRS exposures spec2 makes cubes and spectra, as DMS does;
    ``needed``: only of those that spec3 does not combine, and of backgrounds whose
    spectra it reads. Other products are the same."""
    why: str = ""
    """Which known issue, notebook or page advises it; nothing follows from it."""


class ParameterSet(_Table):
    """Parameters of one stage, for all exposures or some of them."""

    stage: Literal["detector1", "spec2", "spec3", "tso3"]
    """Stage that they are of."""
    exp_types: tuple[str, ...] = ()
    """EXP_TYPEs that they are for; none means all."""
    match: Match = Match()
    """What else exposures must be to have them: ``match.grating = "G395*"``."""
    max_exposures: int | None = Field(default=None, ge=1)
    """Only for products of at most so many exposures, those that two detectors took at
    once counted once; none means any number."""
    optional: bool = False
    """Whether a program may have no such exposure; otherwise that is an error."""
    pipeline: Mapping[str, bool | int | float | str] = Field(default_factory=dict)
    """Parameters of the pipeline itself."""
    steps: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """Parameters of its steps."""
    why: str = ""
    """Which known issue, notebook or page advises it; nothing follows from it."""

    def fits(self, facts: Mapping[str, str]) -> bool:
        """Return whether it is for an exposure of these facts (`match.FACTS`)."""
        is_of_type = not self.exp_types or facts.get("exp_type", "") in self.exp_types
        return is_of_type and self.match.fits(facts)

    def fits_all(self, science: Sequence[Mapping[str, str]]) -> bool:
        """Return whether it is for a job over science exposures of these facts."""
        count = count_exposures(facts.get("exposure", "") for facts in science)
        is_small = self.max_exposures is None or count <= self.max_exposures
        return is_small and all(map(self.fits, science))

    def describe(self) -> str:
        """Write down what it is for: ``spec2, exp_types NRS_IFU, grating G395H``."""
        asked: list[str] = [self.stage]
        if self.exp_types:
            asked.append(f"exp_types {' or '.join(self.exp_types)}")
        if self.match != Match():
            asked.append(self.match.describe())
        if self.max_exposures is not None:
            asked.append(f"at most {self.max_exposures} exposures")
        return ", ".join(asked)


def count_exposures(names: Iterable[str]) -> int:
    """Count exposures by name; those that two detectors took at once count once."""
    return len({name.rpartition("_")[0] for name in names})


class _RecipeFile(_Table):
    """How to reprocess JWST spectra: a recipe of Rewebb."""

    title: str
    """What it does, in one sentence."""
    extends: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1)], ...],
        BeforeValidator(to_tuple, json_schema_input_type=str | list[str]),
    ] = ()
    """Recipes that it extends, by name, or by path relative to its file; of two that
    set the same, the later one wins, and the file itself wins over all."""
    jwst: JwstVersions = JwstVersions()
    """Versions of jwst that it is for."""
    associations: AssociationChoice = AssociationChoice()
    """What it asks of the associations."""
    products: ProductChoice = ProductChoice()
    """What it asks of the products."""
    parameters: tuple[ParameterSet, ...] = ()
    """Parameters that it sets; of two sets, the later one wins."""
    edits: tuple[RecipeEdit, ...] = ()
    """What it changes in copies of metafiles and headers, in this order."""
    files: tuple[BroughtFile, ...] = ()
    """Files that `rewebb put` has kept, by their sha256."""


_KEYS = {
    name: f"{table}{name}"
    for table, model in (
        ("associations.candidates.", LinkedObservations),
        ("parameters.match.", Match),
        ("associations.include.", MemberRule),
        ("associations.", AssociationChoice),
        ("products.", ProductChoice),
        ("jwst.", JwstVersions),
        ("parameters.", ParameterSet),
        ("", _RecipeFile),
    )
    for name in model.model_fields
}
"""Where each key belongs."""
_KEYS |= {
    name: f"edits.{name}"
    for model in EDITS
    for name in model.model_fields
    if name not in _KEYS
}
_KEYS |= {
    name: f"files.{name}" for name in BroughtFile.model_fields if name not in _KEYS
}

_CUBE_EXP_TYPES = frozenset({"NRS_IFU", "MIR_MRS"})
"""EXP_TYPEs of which spec2 makes a cube."""

_NO_CUBES = {"cube_build": {"skip": True}, "extract_1d": {"skip": True}}
"""Parameters of the steps of spec2 that make no cube and no spectrum."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to reprocess, with all that it extends."""

    name: str
    """Name of a packaged recipe, or stem of the file."""
    title: str
    """What it does, in one sentence."""
    sha256: str
    """Hash of its text."""
    text: str
    """All that it says, as TOML that extends nothing."""
    origins: Mapping[str, str]
    """Which recipe each value comes from, by dotted key, if it extends others; tables
    of an array are numbered from 1."""
    jwst: JwstVersions
    """Versions of `jwst` that it is for."""
    associations: AssociationChoice
    """What it asks of the associations."""
    products: ProductChoice
    """What it asks of the products."""
    parameters: tuple[ParameterSet, ...]
    """Parameters that it sets; of two sets, the later one wins."""
    edits: tuple[RecipeEdit, ...] = ()
    """What it changes in copies of metafiles and headers, in this order."""
    files: tuple[BroughtFile, ...] = ()
    """Files that `rewebb put` has kept, by their sha256."""

    @property
    def needs_specs(self) -> bool:
        """Whether what it says depends on the version of `jwst`."""
        return bool(self.parameters) or self.jwst != JwstVersions()

    def select_parameters(
        self,
        stage: str,
        science: Sequence[Mapping[str, str]],
        *,
        only_combined: bool = False,
    ) -> Mapping[str, Any]:
        """Return the parameters for a job, those of steps below ``steps``.

        A set is for the job if it fits all of its science exposures, and if these are
        few enough.

        Parameters
        ----------
        science
            What is known of these (`config.match.FACTS`).
        only_combined
            Whether spec3 reads the calibrated exposure, and nothing its spectra.
        """
        pipeline: dict[str, Any] = {}
        steps: dict[str, dict[str, Any]] = {}
        drops_cubes = stage == "spec2" and self.products.exposure_cubes != "all"
        has_cube = all(facts["exp_type"] in _CUBE_EXP_TYPES for facts in science)
        if only_combined and drops_cubes and has_cube:
            steps |= _NO_CUBES
        for given in self.parameters:
            if given.stage == stage and given.fits_all(science):
                pipeline |= given.pipeline
                for step, parameters in given.steps.items():
                    steps[step] = steps.get(step, {}) | dict(parameters)
        return pipeline | {"steps": steps} if steps else pipeline

    def describe_set(self, number: int) -> str:
        """Name a parameter set, numbered from 1: ``set 2 (spec2, grating PRISM)``."""
        origin = self.origins.get(f"parameters.{number}", self.name)
        whose = "" if origin == self.name else f" of {origin}"
        given = self.parameters[number - 1]
        return f"parameter set {number}{whose} ({given.describe()})"


def load_recipe(name: str) -> Recipe:
    """Load a packaged recipe by name, or any recipe by path, with all that it extends.

    Parameters
    ----------
    name
        A name of `list_recipes`, or the path of a ``.toml`` file.

    Raises
    ------
    RecipeError
        There is no such recipe, it cannot be read, holds what it may not, or extends
        itself.
    """
    texts = collect_texts(name)
    checked = [_parse(text.shown, text.tree) for text in texts]
    last, parsed = texts[-1], checked[-1]
    if len(texts) == 1:
        return _make_recipe(last.name, last.text, parsed, {})
    tree, origins = join_recipes((one.name, one.tree) for one in texts)
    text = to_toml(tree, origins)
    return _make_recipe(last.name, text, _parse(last.shown, tree), origins)


def make_schema() -> dict[str, Any]:
    """Make the JSON Schema of recipes, for editors."""
    return _RecipeFile.model_json_schema()


def _make_recipe(
    name: str, text: str, parsed: _RecipeFile, origins: Mapping[str, str]
) -> Recipe:
    return Recipe(
        name=name,
        title=parsed.title,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
        origins=origins,
        jwst=parsed.jwst,
        associations=parsed.associations,
        products=parsed.products,
        parameters=parsed.parameters,
        edits=parsed.edits,
        files=parsed.files,
    )


def _parse(name: str, tree: Mapping[str, Any]) -> _RecipeFile:
    try:
        parsed = _RecipeFile.model_validate(tree)
    except ValidationError as error:
        problems = list_problems(error, _KEYS)
        raise RecipeError(f"The recipe {name} cannot be used: {problems}") from error
    if refused := sorted(_find_forbidden(parsed.parameters)):
        raise RecipeError(
            f"The recipe {name} sets {', '.join(refused)}: a recipe sets neither "
            f"files, hooks nor places.{explain_brought(refused)}"
        )
    return parsed


def _find_forbidden(parameters: Iterable[ParameterSet]) -> Iterator[str]:
    for given in parameters:
        names = {name: name for name in _walk(given.pipeline)}
        for step, of_step in given.steps.items():
            names |= {f"{step}.{name}": name for name in _walk(of_step)}
        for where, name in names.items():
            if _FORBIDDEN.fullmatch(name):
                yield f"{given.stage}.{where}"


def _walk(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Return every name, those of the steps of a step included."""
    for name, value in parameters.items():
        yield name
        if isinstance(value, Mapping):
            yield from _walk(value)
