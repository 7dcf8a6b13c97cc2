"""A trial: a sample of what is out of date is made anew, and compared."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from astropy.io import fits
from commands import Rewebb
from processed import find_outcomes

from workers.sample import SampleSet

pytestmark = pytest.mark.slow

MakeRewebb = Callable[..., Rewebb]


@pytest.fixture
def rewebb(
    make_rewebb: MakeRewebb,
    finished: Rewebb,
    standing: Mapping[str, str],
    sample: SampleSet,
    tmp_path: Path,
) -> Rewebb:
    """Return the command where 99002 is done, and the flux is another since."""
    copy = make_rewebb().given(**standing)
    shutil.copytree(finished.data, copy.data)
    crds = shutil.copytree(sample.crds, tmp_path / "crds", copy_function=os.link)
    name = find_photom(finished.data)
    [path] = crds.rglob(name)
    with fits.open(path) as hdus:
        for column in hdus[1].columns.names:
            if column.casefold() == "photmj":
                hdus[1].data[column] *= 1.05
        path.unlink()  # its bytes are those of the sample
        hdus.writeto(path)
    return copy.given(CRDS_PATH=crds)


def find_photom(data: Path) -> str:
    uses = [use for one in find_outcomes(data).values() for use in one.job.references]
    [name] = {use.file.name for use in uses if use.reftype == "photom" and use.file}
    return name


def test_a_sample_is_made_anew_and_compared_with_what_is_recorded(
    rewebb: Rewebb,
) -> None:
    chosen = rewebb("trial", "99002", "--sample", "1", "--dry-run", "--json")
    assert chosen.code == 0, chosen
    [job] = chosen.record["jobs"]
    assert job["key"].startswith("spec2:")
    assert job["of"] == 2
    assert 0 < chosen.record["cpu_s"] < chosen.record["due_cpu_s"]
    tried = rewebb("trial", "99002", "--sample", "1")
    assert tried.code == 0, tried
    assert job["key"] in tried.out
    assert "by up to 0.0476 relatively" in tried.out  # 1 - 1 / 1.05
    assert f"rewebb diff {job['fingerprint'][:12]}" in tried.out
    assert "3 jobs are due" in tried.out
    [left] = rewebb("stale", "99002", "--json").record["programs"]
    states = {each["key"]: each["staleness"] for each in left["jobs"]}
    assert states[job["key"]] == "CURRENT"
    assert [*states.values()].count("STALE") == 2
