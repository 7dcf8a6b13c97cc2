"""Programs that come from MAST: the same products, nothing lost, nothing said."""

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from commands import Ended, Rewebb, assert_refused, query, stopped, wait_until
from loopback import Fault, ScriptedFaults
from mast_server import MastServer, mast_server
from small_files import name_exposure, write_small_files

from workers.sample import SampleSet

SECRET = "0123456789abcdef0123456789abcdef"
"""A token that gives access to program 99002."""


@pytest.fixture
def mast(sample: SampleSet) -> Iterator[MastServer]:
    with mast_server(sample.archive) as server:
        yield server


@pytest.fixture
def far(rewebb: Rewebb, mast: MastServer, standing: Mapping[str, str]) -> Rewebb:
    """Return the command with an empty data folder and an archive far away."""
    return rewebb.given(REWEBB_ARCHIVE="mast", REWEBB_MAST_URL=mast.url, **standing)


@pytest.fixture(scope="module")
def run_from_mast(
    make_rewebb: Callable[..., Rewebb],
    finished: Rewebb,
    sample: SampleSet,
    standing: Mapping[str, str],
) -> Iterator[tuple[Rewebb, Ended]]:
    """Run a program whose products are there from MAST, which stays."""
    with mast_server(sample.archive) as mast:
        far = make_rewebb(finished).given(
            REWEBB_ARCHIVE="mast", REWEBB_MAST_URL=mast.url, **standing
        )
        yield far, far("run", "99002", "--json")


@pytest.mark.slow
def test_a_program_from_mast_gives_the_same_fingerprints_and_pixels(
    run_from_mast: tuple[Rewebb, Ended], finished: Rewebb
) -> None:
    """What was made from the folder is found to be just what is asked for."""
    far, ended = run_from_mast
    assert ended.code == 0, ended
    assert set(ended.states.values()) == {"REUSED"}
    assert {path.name for path in far.data.glob("raw/99002/v1/*.fits")} == {
        path.name
        for path in Path(finished.variables["REWEBB_ARCHIVE"]).rglob("*99002*.fits")
    }


def test_a_plan_fetches_nothing_and_says_what_is_to_be_fetched(far: Rewebb) -> None:
    ended = far.call_here("plan", "99001", "--json")
    assert ended.code == 0, ended
    assert set(ended.states.values()) == {"DUE"}
    assert "are to be fetched first" in ended.why("detector1:" + _first(ended.states))
    assert "NS-IFU05" in ended.record["issues"]["OPEN"], "headers are enough for advice"
    assert list(far.data.rglob("*.fits")) == []


def test_associations_are_the_same_before_a_file_is_here(
    far: Rewebb, sample: SampleSet
) -> None:
    near = far.given(REWEBB_ARCHIVE=sample.archive)
    for program in ("99001", "99002"):
        assert (
            far.call_here("asn", program, "--json").record
            == near.call_here("asn", program, "--json").record
        )
    assert list(far.data.rglob("*.fits")) == []


def test_search_says_what_there_is_and_what_is_here(far: Rewebb) -> None:
    assert far.call_here("fetch", "99002").code == 0
    here = far.call_here("search", "99002", "--json").record
    assert len(here["files"]) == len(here["here"]) > 0
    shown = far.call_here("search", "--exp-type", "NRS_IFU")
    assert "99001" in shown.out
    assert "99002" not in shown.out
    assert "0 are here" in shown.out
    assert_refused(far.call_here("search"), "Say what to search")


def test_a_killed_fetch_goes_on_where_it_was(rewebb: Rewebb, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    paths = write_small_files(folder, 40)
    big = paths[0]
    with big.open("ab") as stream:  # another HDU: a table of zeros would do as well
        stream.write(_make_image(3_000_000))
    with mast_server(folder) as mast:
        far = rewebb.given(REWEBB_ARCHIVE="mast", REWEBB_MAST_URL=mast.url)
        mast.loopback.faults = ScriptedFaults({big.name: [Fault.SLOW]})
        with stopped(far.start("fetch", "99100")) as process:
            wait_until(lambda: _sent(mast, big.name) > 1_000_000)
            process.send_signal(signal.SIGKILL)
            process.wait()
        half = {path.name for path in far.data.glob("raw/99100/v1/jw*.fits")}
        assert big.name not in half
        killed_at = _sent(mast, big.name)
        ended = far("fetch", "99100", "--json")
        assert ended.code == 0, ended
        again = _sent(mast, big.name) - killed_at
    assert ended.record["have"] == len(half)
    assert again <= big.stat().st_size - 900_000
    assert {p.name: p.read_bytes() for p in far.data.glob("raw/99100/v1/jw*.fits")} == {
        p.name: p.read_bytes() for p in paths
    }


def test_a_fetch_that_is_interrupted_says_so_and_keeps_what_is_here(
    rewebb: Rewebb, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    paths = write_small_files(folder, 40)
    bad = f"{name_exposure(39)}_uncal.fits"
    with mast_server(folder) as mast:
        mast.loopback.faults = ScriptedFaults({bad: [Fault.HANG]})
        far = rewebb.given(REWEBB_ARCHIVE="mast", REWEBB_MAST_URL=mast.url)
        with stopped(far.start("fetch", "99100")) as process:
            wait_until(lambda: len(list(far.data.glob("raw/*/v1/jw*.fits"))) == 39)
            process.send_signal(signal.SIGINT)
        assert process.returncode != 0
        ended = far("fetch", "99100", "--json")
    assert ended.record["have"] == 39
    assert ended.record["files"] == [bad]
    assert len(paths) == len(list(far.data.glob("raw/*/v1/jw*.fits")))


def test_exclusive_exposures_without_a_token_are_listed_with_their_date(
    rewebb: Rewebb, sample: SampleSet
) -> None:
    exclusive = {"99002": datetime(2099, 3, 1, tzinfo=UTC)}
    with mast_server(sample.archive, exclusive=exclusive) as mast:
        far = rewebb.given(REWEBB_ARCHIVE="mast", REWEBB_MAST_URL=mast.url)
        assert "exclusive until 2099-03-01" in far.call_here("search", "99002").out
        fetched = far.call_here("fetch", "99002", "--json").record
        assert_refused(far("run", "99002"), "2099-03-01", "MAST_API_TOKEN")
    assert fetched["files"] == []
    assert len(fetched["withheld"]) > 0


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("expired0", "expired or unknown token"),
        ("other000", "no access to program 99002"),
    ],
)
def test_a_bad_token_ends_a_run_before_its_first_job(
    rewebb: Rewebb, sample: SampleSet, token: str, said: str
) -> None:
    exclusive = {"99002": datetime(2099, 3, 1, tzinfo=UTC)}
    tokens = {SECRET: {"99002"}, "other000": {"99001"}}
    with mast_server(sample.archive, exclusive=exclusive, tokens=tokens) as mast:
        far = rewebb.given(
            REWEBB_ARCHIVE="mast", REWEBB_MAST_URL=mast.url, MAST_API_TOKEN=token
        )
        assert_refused(far("run", "99002"), said)
    ((state, message),) = query(far.data, "SELECT state, message FROM run")
    assert state == "FAILED"
    assert said in message
    assert query(far.data, "SELECT * FROM run_job") == []


@pytest.mark.slow
def test_no_token_is_in_any_file_log_row_or_error(
    make_rewebb: Callable[..., Rewebb],
    finished: Rewebb,
    sample: SampleSet,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """With a run that ends well, one that fails, and one with an expired token."""
    exclusive = {"99002": datetime(2099, 3, 1, tzinfo=UTC)}
    far = make_rewebb(finished).given(REWEBB_ARCHIVE="mast", MAST_API_TOKEN=SECRET)
    said = ""
    with mast_server(
        sample.archive, exclusive=exclusive, tokens={SECRET: {"99002"}}
    ) as mast:
        far = far.given(REWEBB_MAST_URL=mast.url)
        good = far("run", "99002")
        assert good.code == 0, good
        shutil.rmtree(far.data / "raw")
        mast.loopback.faults = ScriptedFaults(
            {"retrieve": [Fault.EXPIRED]}, persistent=["retrieve"]
        )
        said = str([good, far("run", "99002"), far("fetch", "99002")])
        mast.tokens.clear()
        said += str(far("run", "99002"))
        used = {r.headers.get("authorization") for r in mast.loopback.requests}
    assert f"token {SECRET}" in used
    assert SECRET not in said
    servers = [*tmp_path_factory.getbasetemp().glob("prefect*")]
    assert servers
    found = [
        path
        for folder in (far.folder, *servers)
        for path in folder.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    assert found == []


def test_the_sample_programs_are_an_archive(
    rewebb: Rewebb, sample: SampleSet, standing: Mapping[str, str]
) -> None:
    """They are made where they are not; here they are."""
    (rewebb.folder / "rewebb-sample").symlink_to(sample.directory)
    near = rewebb.given(REWEBB_ARCHIVE="sample", CRDS_PATH="", **standing)
    ended = near("plan", "99002", "--json")
    assert ended.code == 0, ended
    assert set(ended.states.values()) == {"DUE"}
    assert ended.record["context"] == sample.contexts[0]


@pytest.mark.slow
def test_show_says_where_raw_files_were_fetched_also_after_a_rebuild(
    run_from_mast: tuple[Rewebb, Ended],
) -> None:
    far, ended = run_from_mast
    url = far.variables["REWEBB_MAST_URL"]
    (rate,) = [name for name in ended.record["products"] if "seg001_nrs1_rate" in name][
        :1
    ]
    show = ("show", rate, "--json")
    origins = list(far.call_here(*show).record["origins"].values())
    assert [one["source"] for one in origins] == [f"MAST at {url}"]
    assert url in far.call_here("show", rate).out
    (far.data / "rewebb.db").unlink()
    assert far.call_here("db", "rebuild", "--json").record["fetched"] == 2
    assert list(far.call_here(*show).record["origins"].values()) == origins


def test_requests_say_who_asks(far: Rewebb, mast: MastServer) -> None:
    far.call_here("fetch", "99002")
    agents = {r.headers.get("user-agent", "") for r in mast.loopback.requests}
    assert agents
    assert all(agent.startswith("rewebb/") for agent in agents)
    assert mast.loopback.most_at_once <= 4


def _first(states: dict[str, str]) -> str:
    return next(key for key in states if key.startswith("detector1:")).partition(":")[2]


def _sent(mast: MastServer, name: str) -> int:
    return sum(count for path, count in mast.loopback.sent.items() if name in path)


def _make_image(count_bytes: int) -> bytes:
    """Make an HDU of zeros."""
    cards = (
        "XTENSION= 'IMAGE   '",
        "BITPIX  =                    8",
        "NAXIS   =                    1",
        f"NAXIS1  = {count_bytes:20d}",
        "PCOUNT  =                    0",
        "GCOUNT  =                    1",
        "EXTNAME = 'ZEROS   '",
        "END",
    )
    header = "".join(card.ljust(80) for card in cards)
    data = bytes(-(-count_bytes // 2880) * 2880)
    return header.ljust(2880).encode() + data
