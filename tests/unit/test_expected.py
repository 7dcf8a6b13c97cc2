import pytest

from workers.contract import Parameters, Stage
from workers.stages.expected_products import list_endings


def of_cubes(output_type: str, **others: object) -> Parameters:
    cube_build = {"output_type": output_type, "channel": "all", **others}
    return {"steps": {"cube_build": cube_build}}


@pytest.mark.parametrize(
    ("exp_type", "parameters", "endings"),
    [
        ("MIR_MRS", of_cubes("multi"), "cal s3d x1d"),
        ("MIR_MRS", of_cubes("band"), "0_x1d 1_x1d cal s3d"),
        ("MIR_MRS", of_cubes("channel"), "0_x1d 1_x1d cal s3d"),
        ("MIR_MRS", of_cubes("band", channel="1"), "cal s3d x1d"),
        ("MIR_MRS", of_cubes("grating"), "cal"),
        ("NRS_IFU", of_cubes("band"), "cal s3d x1d"),
        ("NRS_IFU", of_cubes("band", skip=True), "cal x1d"),
        ("NRS_BRIGHTOBJ", {}, "calints x1dints"),
        ("NIS_SOSS", {}, ""),
    ],
)
def test_products_of_spec2_follow_from_its_parameters(
    exp_type: str, parameters: Parameters, endings: str
) -> None:
    made = list_endings(Stage.SPEC2, exp_type, parameters)
    assert " ".join(made) == endings


def test_products_of_sources_have_names_of_their_own() -> None:
    assert list_endings(Stage.SPEC3, "NRS_MSASPEC", {}) == ()
