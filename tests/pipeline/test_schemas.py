"""Schemas that the fork server parses once say what they say when parsed each time."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asdf
import numpy as np
import pytest
from crds.jwst import locate
from stdatamodels.jwst import datamodels

from workers.stages.schemas import index_keywords, prepare_schemas

ARRAY = "http://stsci.edu/schemas/asdf/core/ndarray-1.1.0"
CORE = "http://stsci.edu/schemas/jwst_datamodel/core.schema"

Load = Callable[[str], tuple[Any, str]]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Prepare schemas for a while; give how asdf loads one."""
    for module, name in (
        (asdf.schema, "_make_schema_loader"),
        (locate, "cached_dm_find_fits_keyword"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))
    prepare_schemas()
    return asdf.schema._make_schema_loader()


@pytest.mark.parametrize("url", [ARRAY, CORE])
def test_a_schema_is_what_it_is_when_parsed_anew(
    url: str, request: pytest.FixtureRequest
) -> None:
    expected = asdf.schema._make_schema_loader()(url)
    load: Load = request.getfixturevalue("load")
    assert load(url) == expected
    assert load(url)[0] is not expected[0]


def test_each_loader_of_a_prepared_process_gives_the_same_object(load: Load) -> None:
    first, second = (asdf.schema._make_schema_loader()(ARRAY)[0] for _ in range(2))
    assert first is second
    assert load(ARRAY)[0] is first


def test_models_that_are_made_validated_and_written_change_no_schema(
    load: Load, tmp_path: Path
) -> None:
    urls = [ARRAY, CORE, "http://stsci.edu/schemas/jwst_datamodel/multislit.schema"]
    before = {url: copy.deepcopy(load(url)[0]) for url in urls}
    with datamodels.MultiSlitModel() as model:
        model.meta.instrument.name = "NIRSPEC"
        model.slits.append(datamodels.SlitModel(np.ones((8, 8), np.float32)))
        model.save(tmp_path / "made_cal.fits")
    with datamodels.open(tmp_path / "made_cal.fits") as model:
        model.validate()
        assert model.meta.instrument.name == "NIRSPEC"
    assert {url: load(url)[0] for url in urls} == before


def test_keywords_are_found_where_the_model_finds_them(load: Load) -> None:
    del load
    locate.get_datamodels()
    schema = locate.MODEL.schema
    paths = index_keywords(schema)
    assert len(paths) > 400
    for keyword in [*paths, "NOTHING", "CAL_LOGS.CALWEBB_DETECTOR1.7", "META.TARGET"]:
        expected = locate.MODEL.find_fits_keyword(keyword)
        assert locate.cached_dm_find_fits_keyword(keyword.lower()) == expected
        assert list(paths.get(keyword, ())) == expected
