"""Advice on a run: of the exposures that it draws, by what its jobs will use."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import ifu_program

from config.recipe import load_recipe
from flows.archive import FolderArchive
from flows.planning import ResolvedSet
from flows.run import (
    Drawn,
    Making,
    Request,
    ResolvedGraph,
    advise_drawn,
    advise_resolved,
    associate,
    draw,
    find,
)
from workers.contract import ReferenceFile, ReferenceUse, Resolved, Stage

OBSERVED = Making("3.0.0", "installed here", None, "not known")


@pytest.fixture
def drawn(tmp_path: Path) -> Drawn:
    """Draw the graph of one IFU observation, whose background is of another one."""
    for exposure in ifu_program():
        primary = fits.PrimaryHDU(header=fits.Header(dict(exposure.header)))
        pixels = fits.ImageHDU(np.ones((2, 2)), name="SCI")
        path = tmp_path / f"{exposure.name}_uncal.fits"
        fits.HDUList([primary, pixels]).writeto(path)
    request = Request("99001", observations=("001",))
    found = find(request, load_recipe("official"), FolderArchive(tmp_path))
    return draw(associate(found))


def resolve(drawn: Drawn, steps: Mapping[Stage, Mapping[str, object]]) -> ResolvedGraph:
    """Resolve every job to the same reference, and to parameters of its stage."""
    reference = ReferenceFile("jwst_nirspec_chromcorr_0001.asdf", "sha1", 9, 7)
    by_key = {
        job.key: Resolved(
            key=job.key,
            parameters={"steps": steps.get(job.stage, {})},
            references=(
                (ReferenceUse("chromcorr", reference),)
                if job.stage is Stage.SPEC2
                else ()
            ),
            pars=(),
            mappings=(),
        )
        for job in drawn.graph
    }
    resolved = ResolvedSet(
        context="jwst_1581.pmap",
        crds_path="/crds",
        versions={"jwst": "3.0.0"},
        by_key=by_key,
        overrides={},
        recipe="official",
        raw={},
    )
    return ResolvedGraph(drawn, resolved)


def test_a_graph_knows_the_exposures_that_its_jobs_read(drawn: Drawn) -> None:
    assert {exposure.observation for exposure in drawn.exposures} == {"001", "002"}


def test_before_references_are_resolved_the_recipe_is_all_that_is_known(
    drawn: Drawn,
) -> None:
    states = {one.issue.id: one.state for one in advise_drawn(drawn, OBSERVED)}
    assert states["NS-IFU04"] == "OPEN"
    assert states["NS-IFU06"] == "OPEN"


def test_what_jobs_will_use_mitigates_and_fixes(drawn: Drawn) -> None:
    steps = {Stage.SPEC3: {"extract_1d": {"ifu_autocen": True}}}
    found = advise_resolved(resolve(drawn, steps))
    states = {one.issue.id: one.state for one in found}
    assert states["NS-IFU04"] == "MITIGATED"
    assert states["NS-IFU05"] == "OPEN"
    assert states["NS-IFU06"] == "FIXED"
