"""Headers of the shutters against the real one: what is read is there."""

import pytest
from astropy.io import fits
from keywords import Keyword, list_made, list_read
from real_data import REAL_SLITS, needs_real_data

from workers.sample import Mode, SampleSet

NOT_READ_HERE = {"NRS_NORM", "NRS_REF"}
"""Of the IRS2 readout alone, which the sample does not use."""

Headers = dict[str, fits.Header]


def read_headers(path: object) -> Headers:
    with fits.open(path) as hdus:
        return {name: hdus[name].header.copy() for name in ("PRIMARY", "SCI")}


@pytest.fixture(scope="module")
def real() -> Headers:
    return read_headers(REAL_SLITS[0])


@pytest.fixture(scope="module", params=["nrs1", "nrs2"])
def simulated(request: pytest.FixtureRequest, sample: SampleSet) -> Headers:
    first, *_ = (
        path
        for path in sample.list_raw(Mode.NIRSPEC_MOS_PRISM)
        if request.param in path.name
    )
    return read_headers(first)


@pytest.fixture(scope="module")
def wanted(real: Headers) -> set[Keyword]:
    """Return what the rules, CRDS and the steps read, and the real header has."""
    return {k for k in list_read() if k.hdu in real and k.name in real[k.hdu]}


@needs_real_data
def test_the_real_header_has_much_of_what_is_read(wanted: set[Keyword]) -> None:
    names = {keyword.name for keyword in wanted}
    rules = {"PATT_NUM", "MSAMETFL", "EXP_TYPE", "BKGDTARG", "TARGPROP", "EXPSTART"}
    crds = {"DETECTOR", "GRATING", "FILTER", "READPATT", "SUBARRAY", "DATE-OBS"}
    steps = {"GWA_XTIL", "V2_REF", "ROLL_REF", "MSAMETID", "TGROUP", "SRCTYAPT"}
    assert rules | crds | steps <= names
    assert len(names) > 80


@needs_real_data
def test_simulated_headers_have_all_of_it_that_no_step_makes(
    simulated: Headers, wanted: set[Keyword]
) -> None:
    missing = {k for k in wanted - list_made() if k.name not in simulated[k.hdu]}
    assert {keyword.name for keyword in missing} == NOT_READ_HERE


@needs_real_data
def test_their_values_are_of_the_same_kind(
    real: Headers, simulated: Headers, wanted: set[Keyword]
) -> None:
    both = [keyword for keyword in wanted if keyword.name in simulated[keyword.hdu]]
    kinds = {
        (name, type(real[hdu][name]), type(simulated[hdu][name])) for name, hdu in both
    }
    assert {name for name, one, other in kinds if one is not other} == set()
