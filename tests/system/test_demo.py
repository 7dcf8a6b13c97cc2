"""`rewebb demo` and `rewebb sample make`, over a sample that is there."""

from collections.abc import Callable, Mapping

from commands import Rewebb, query

from workers.sample import Mode, SampleSet

MakeRewebb = Callable[..., Rewebb]


def test_the_demo_checks_the_products_of_a_sample_against_its_truth(
    make_rewebb: MakeRewebb,
    finished: Rewebb,
    sample: SampleSet,
    standing: Mapping[str, str],
) -> None:
    """It uses the sample, whatever archive and cache are set."""
    rewebb = make_rewebb(finished).given(
        REWEBB_ARCHIVE="/nowhere",
        CRDS_PATH="/nowhere",
        CRDS_CONTEXT="jwst_9999.pmap",
        **standing,
    )
    mode = str(Mode.NIRSPEC_BOTS_PRISM)
    ended = rewebb(
        "demo", "--modes", mode, "--sample-dir", str(sample.directory), "--json"
    )
    assert ended.code == 0, ended
    [run] = ended.record["runs"]
    assert {job["state"] for job in run["jobs"]} == {"REUSED"}
    checks = ended.record["checks"]
    assert len(checks) > 0
    for check in checks:
        assert abs(check["measured"] - check["expected"]) <= check["tolerance"], check
        assert check["passed"] is True
    assert query(rewebb.data, "select program, state from run") == [
        (Mode.NIRSPEC_BOTS_PRISM.program, "SUCCEEDED")
    ]


def test_the_demo_refuses_a_mode_that_is_unknown(rewebb: Rewebb) -> None:
    ended = rewebb.call_here("demo", "--modes", "nirspec-wfss")
    assert ended.code == 2
    assert "unknown mode nirspec-wfss" in " ".join(ended.err.split())


def test_a_sample_that_is_there_is_told_and_not_made_again(
    rewebb: Rewebb, sample: SampleSet
) -> None:
    before = sample.manifest.stat().st_mtime_ns
    ended = rewebb.call_here("sample", "make", str(sample.directory), "--json")
    assert ended.code == 0, ended
    assert ended.record == {
        "archive": str(sample.archive),
        "crds_path": str(sample.crds),
        "contexts": list(sample.contexts),
        "truth": str(sample.truth),
        "programs": [mode.program for mode in Mode],
    }
    assert sample.manifest.stat().st_mtime_ns == before
    said = rewebb.call_here("sample", "make", str(sample.directory)).out
    assert f"The sample in {sample.directory} is whole." in said
