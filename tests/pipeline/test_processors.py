"""Products whatever is chosen of the processor outside: content hashes are equal."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from commands import BIN
from processed import Processed, find_outcomes
from processing import make_request, make_settings, process

from workers.contract import Outcome, Stage
from workers.sample import Mode, SampleSet, find_sample

pytestmark = pytest.mark.slow  # unit/test_environment.py does it with what is called

HIGH = {"OPENBLAS_CORETYPE": "SkylakeX", "OMP_NUM_THREADS": "2"}
LOW = {
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
}
MODES = {"bots": Mode.NIRSPEC_BOTS_PRISM, "ifu": Mode.NIRSPEC_IFU_PRISM}
CASES = (
    pytest.param("bots", HIGH, id="bots-high"),
    pytest.param("bots", LOW, id="bots-low"),
    pytest.param("ifu", LOW, id="ifu-low"),
)
Hashes = dict[str, str]
ProcessElsewhere = Callable[[str, dict[str, str], Path | None], Hashes]


@pytest.fixture
def process_elsewhere(
    sample: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ProcessElsewhere:
    """Process a program with variables that Dask workers inherit; give hashes."""

    def give(name: str, outside: dict[str, str], start_at: Path | None) -> Hashes:
        for variable, value in outside.items():
            monkeypatch.setenv(variable, value)
        settings, request = make_settings(sample, tmp_path), make_request(MODES[name])
        if start_at is not None:
            settings = settings.model_copy(update={"archive": start_at})
            request = replace(request, start_at=Stage.SPEC3, observations=("001",))
        process(settings, request, is_alone=True)  # its workers inherit it
        return list_hashes(find_outcomes(tmp_path))

    return give


def list_hashes(outcomes: dict[str, Outcome]) -> Hashes:
    products = [product for each in outcomes.values() for product in each.products]
    return {product.name: product.content_sha256 for product in products}


def list_files(folder: Path) -> dict[Path, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def test_a_sample_is_the_same_whatever_is_chosen_outside(
    sample: SampleSet, tmp_path: Path
) -> None:
    program = Mode.NIRSPEC_BOTS_PRISM
    subprocess.run(
        [BIN / "rewebb", "sample", "make", "--mode", str(program), str(tmp_path)],
        env=os.environ | LOW,
        check=True,
    )
    made = find_sample(tmp_path)
    assert made is not None
    for here, there in ((made.archive, sample.archive), (made.crds, sample.crds)):
        found, expected = list_files(here), list_files(there)
        assert {name: expected.get(name) == found[name] for name in found} == (
            dict.fromkeys(found, True)
        )


@pytest.mark.parametrize(("name", "outside"), CASES)
def test_products_are_equal_whatever_is_chosen_outside(
    name: str,
    outside: dict[str, str],
    request: pytest.FixtureRequest,
    process_elsewhere: ProcessElsewhere,
) -> None:
    done: Processed = request.getfixturevalue(name)
    # What is before cubes does with the IFU what it does with the time series.
    hashes = process_elsewhere(name, outside, done.folder if name == "ifu" else None)
    expected = list_hashes(done.list_outcomes())
    assert len(hashes) > 2
    assert hashes == {product: expected[product] for product in hashes}
    assert name == "ifu" or len(hashes) == len(expected)
