"""What a mirror in S3 is asked, and what happens when it fails."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from exposures import raw_header
from loopback import Answer, Fault, Request, Validator, serving
from s3_server import S3Mirror, s3_mirror

from flows.archive.s3 import S3Source, find_server
from flows.archive.source import FileKind, Query, RemoteFile
from flows.errors import ArchiveError
from workers.errors import (
    AccessDeniedError,
    NotHeldError,
    TransientTransferError,
)
from workers.transfer import Expected, RetryPolicy, receive

FIRST = "jw99001001001_03101_00001_nrs1_uncal.fits"
SECOND = "jw99001001001_03101_00002_nrs1_uncal.fits"
BACKGROUND = "jw99001002001_03101_00001_nrs1_uncal.fits"
PROGRAM = Query(program="99001")
QUICK = RetryPolicy(first_wait_s=0.01, fruitless_tries=3)


def write_raw(folder: Path, name: str, *, history: int = 0) -> Path:
    """Write a raw file, with so many lines of history."""
    header = fits.Header(raw_header(name.removesuffix("_uncal.fits")))
    for number in range(history):
        header["HISTORY"] = f"line {number}"
    header["TARGPROP"] = "BEHIND THE HISTORY"
    pixels = np.arange(100_000, dtype=np.uint16).reshape(10, 100, 100)
    hdus = [fits.PrimaryHDU(header=header), fits.ImageHDU(pixels, name="SCI")]
    fits.HDUList(hdus).writeto(folder / name)
    return folder / name


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    for name in (FIRST, SECOND, BACKGROUND):
        write_raw(folder, name)
    return folder


@pytest.fixture
def mirror(folder: Path) -> Iterator[S3Mirror]:
    with s3_mirror(folder, page_keys=2) as mirror:
        yield mirror


@pytest.fixture
def source(mirror: S3Mirror) -> S3Source:
    return make_source(mirror)


def make_source(
    mirror: S3Mirror, *, parallel: int = 4, read_timeout_s: float = 60.0
) -> S3Source:
    return S3Source(
        mirror.url,
        endpoint=mirror.endpoint,
        parallel=parallel,
        policy=QUICK,
        read_timeout_s=read_timeout_s,
    )


def names(source: S3Source, query: Query = PROGRAM) -> list[str]:
    return [file.name for file in source.search(query)]


def first_of(source: S3Source) -> RemoteFile:
    return source.search(PROGRAM).files[0]


def make_file(uri: str) -> RemoteFile:
    return RemoteFile(
        name=FIRST,
        uri=uri,
        kind=FileKind.UNCAL,
        size_bytes=10,
        program="99001",
        observation="001",
    )


def read(source: S3Source, file: RemoteFile) -> bytes:
    with source.opener(file)() as body:
        return b"".join(body.chunks)


def strike(mirror: S3Mirror, part: str, *faults: Fault, persist: bool = False) -> None:
    """Let the next requests fail."""
    counts = {"n": 0}

    def decide(request: Request) -> Fault | None:
        if part not in f"{request.path}?{request.query}":
            return None
        counts["n"] += 1
        if counts["n"] <= len(faults):
            return faults[counts["n"] - 1]
        return faults[-1] if persist else None

    mirror.loopback.faults = decide


def test_a_search_needs_a_program(source: S3Source) -> None:
    with pytest.raises(ArchiveError, match="five digits"):
        source.search(Query())


@pytest.mark.parametrize(
    "url", ["", "stpubdata/jwst", "https://x/y", "s3://", "s3://Up/x", "s3://ab//x"]
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ArchiveError, match="s3://bucket/folder"):
        S3Source(url, parallel=4)


def test_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys, flows.archive.s3, flows.archive.folder;"
        "heavy = {'s3fs', 'botocore', 'astropy', 'httpx', 'requests'};"
        "sys.exit(str(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    assert done.stderr.strip() == "set()"


def test_a_bucket_may_be_a_mirror_without_a_folder(
    mirror: S3Mirror, folder: Path
) -> None:
    content = (folder / FIRST).read_bytes()
    mirror.put(FIRST, content, folder="../../jw99001")
    source = S3Source(f"s3://{mirror.bucket}", endpoint=mirror.endpoint, parallel=4)
    assert names(source) == [FIRST]


def test_requests_are_not_signed_and_say_who_asks(
    mirror: S3Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    source = make_source(mirror)
    read(source, first_of(source))
    for request in mirror.loopback.requests:
        assert "authorization" not in request.headers
        assert "rewebb/" in request.headers["user-agent"]


def test_only_headers_of_what_names_do_not_exclude_are_read(
    mirror: S3Mirror, source: S3Source
) -> None:
    query = Query(program="99001", observations=("002",))
    assert names(source, query) == [BACKGROUND]
    [asked] = mirror.asked("_uncal.fits")
    assert asked.path.endswith(BACKGROUND)
    assert asked.headers["range"] == "bytes=0-65535"


def test_a_listing_of_several_pages_is_read_to_its_end(
    mirror: S3Mirror, source: S3Source
) -> None:
    assert names(source) == [FIRST, SECOND, BACKGROUND]
    assert len(mirror.asked("list-type")) == 2


def test_no_more_headers_are_read_at_once_than_is_allowed(
    mirror: S3Mirror, folder: Path
) -> None:
    content = (folder / FIRST).read_bytes()
    for number in range(10, 30):
        mirror.put(f"jw99001001001_03101_000{number}_nrs1_uncal.fits", content)
    assert len(names(make_source(mirror, parallel=2))) == 23
    assert mirror.loopback.most_at_once <= 2


def test_a_header_longer_than_usual_is_read_whole(
    mirror: S3Mirror, source: S3Source, tmp_path: Path
) -> None:
    path = write_raw(tmp_path, FIRST, history=2000)
    mirror.put(FIRST, path.read_bytes())
    assert first_of(source).target == "BEHIND THE HISTORY"


def test_a_file_without_a_header_is_listed_to_be_missed(
    mirror: S3Mirror, source: S3Source
) -> None:
    mirror.put(FIRST, b"<html>not found</html>")
    file = first_of(source)
    assert (file.name, file.size_bytes, file.exp_type) == (FIRST, 22, "")


def test_a_file_without_a_header_is_refused_where_headers_matter(
    mirror: S3Mirror, source: S3Source
) -> None:
    mirror.put(FIRST, b"<html>not found</html>")
    listing = source.search(Query(program="99001", exp_types=("NRS_IFU",)))
    assert [file.name for file in listing] == [SECOND, BACKGROUND]
    assert [FIRST in reason for reason in listing.refused] == [True]


def test_a_file_that_belies_its_name_is_listed_to_be_missed(
    mirror: S3Mirror, source: S3Source, folder: Path
) -> None:
    mirror.put(FIRST, (folder / BACKGROUND).read_bytes())
    assert first_of(source).exp_type == ""


def test_a_file_that_is_not_public_is_listed_and_not_given(
    mirror: S3Mirror, source: S3Source
) -> None:
    mirror.hide(FIRST)
    file = first_of(source)
    assert file.name == FIRST
    with pytest.raises(AccessDeniedError, match="403"):
        read(source, file)


@pytest.mark.parametrize(
    "fault", [Fault.UNAVAILABLE, Fault.SERVER_ERROR, Fault.TOO_MANY, Fault.CUT]
)
@pytest.mark.parametrize("part", ["list-type", FIRST])
def test_a_search_asks_again(
    mirror: S3Mirror, source: S3Source, part: str, fault: Fault
) -> None:
    strike(mirror, part, fault, fault)
    assert names(source) == [FIRST, SECOND, BACKGROUND]
    assert len(mirror.loopback.struck) == 2


@pytest.mark.parametrize("part", ["list-type", FIRST])
def test_a_search_that_gets_no_whole_answer_says_what_was_tried(
    mirror: S3Mirror, source: S3Source, part: str
) -> None:
    strike(mirror, part, Fault.UNAVAILABLE, persist=True)
    with pytest.raises(ArchiveError, match=r"no whole answer: .* after 3 tries .* 503"):
        source.search(PROGRAM)


def test_a_bucket_that_is_not_there_is_an_error(mirror: S3Mirror) -> None:
    source = S3Source("s3://nobodys-bucket/x", endpoint=mirror.endpoint, parallel=4)
    with pytest.raises(ArchiveError, match=r"nobodys-bucket.* 404"):
        source.search(PROGRAM)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault.UNAVAILABLE, "503"),
        (Fault.SERVER_ERROR, "500"),
        (Fault.TOO_MANY, "429"),
        (Fault.CUT, FIRST),
        (Fault.SHORT, FIRST),
        (Fault.HANG, "(?i)time"),
    ],
)
def test_a_try_that_fails_may_be_made_again_and_is_made_once(
    mirror: S3Mirror, fault: Fault, message: str
) -> None:
    source = make_source(mirror, read_timeout_s=0.5)
    file = first_of(source)
    strike(mirror, FIRST, fault)
    with pytest.raises(TransientTransferError, match=message):
        read(source, file)
    assert len(mirror.loopback.struck) == 1


def test_the_wait_that_the_server_asks_for_is_told(
    mirror: S3Mirror, source: S3Source
) -> None:
    file = first_of(source)
    strike(mirror, FIRST, Fault.TOO_MANY)
    with pytest.raises(TransientTransferError) as raised:
        read(source, file)
    assert raised.value.retry_after_s == 0.0


def test_a_server_that_is_down_may_come_back(
    mirror: S3Mirror, source: S3Source
) -> None:
    file = first_of(source)
    with serving(lambda _: Answer()) as gone:
        pass
    down = S3Source(mirror.url, endpoint=gone.url, parallel=4)
    with pytest.raises(TransientTransferError, match=FIRST):
        read(down, file)


@pytest.mark.parametrize(
    ("bucket", "endpoint", "server"),
    [
        ("stpubdata", None, "https://stpubdata.s3.amazonaws.com"),
        ("of.stsci.edu", None, "https://s3.amazonaws.com/of.stsci.edu"),
        ("stpubdata", "http://minio:9000/", "http://minio:9000/stpubdata"),
    ],
)
def test_a_bucket_is_asked_for_where_certificates_hold(
    bucket: str, endpoint: str | None, server: str
) -> None:
    assert find_server(bucket, endpoint) == server


def test_a_server_that_knows_neither_ranges_nor_versions_gives_all() -> None:
    def answer(_: Request) -> Answer:
        return Answer(200, b"everything", {"ETag": '"new"'})

    file = make_file(f"s3://bucket/{FIRST}")
    with serving(answer) as server:
        source = S3Source("s3://bucket", endpoint=server.url, parallel=4)
        with source.opener(file)(start_byte=5, end_byte=7, entity='"old"') as body:
            assert b"".join(body.chunks) == b"everyth"  # no more than was wanted
    assert (body.start_byte, body.total_bytes, body.entity) == (0, 10, '"new"')


def test_a_server_that_gives_the_rest_of_another_version_is_asked_for_all() -> None:
    def answer(request: Request) -> Answer:
        etag = {"ETag": '"new"'}
        if "range" not in request.headers:
            return Answer(200, b"everything", etag)
        return Answer(206, b"thing", etag | {"Content-Range": "bytes 5-9/10"})

    file = make_file(f"s3://bucket/{FIRST}")
    with serving(answer) as server:
        source = S3Source("s3://bucket", endpoint=server.url, parallel=4)
        with source.opener(file)(start_byte=5, entity='"old"') as body:
            assert b"".join(body.chunks) == b"everything"
    assert body.start_byte == 0


def test_an_empty_file_is_opened_with_an_end(
    mirror: S3Mirror, source: S3Source
) -> None:
    mirror.put(FIRST, b"")
    with source.opener(first_of(source))(end_byte=1) as body:
        assert b"".join(body.chunks) == b""


def test_a_file_of_another_mirror_is_not_held(source: S3Source) -> None:
    uri = "s3://elsewhere/jwst/public/x"
    file = make_file(uri)
    with pytest.raises(NotHeldError, match="elsewhere"), source.opener(file)():
        pass


def test_keys_that_are_other_than_they_look_are_refused() -> None:
    places = ("L1/../../jw99002", "./L1", "..", "L1/.")
    keys = [f"jw99001/{place}/{FIRST}" for place in places]
    entries = [f"<Contents><Key>{key}</Key><Size>9</Size></Contents>" for key in keys]
    listed = f"<ListBucketResult>{''.join(entries)}</ListBucketResult>"
    with serving(lambda _: Answer(200, listed.encode())) as server:
        listing = S3Source("s3://bucket", endpoint=server.url, parallel=4).search(
            PROGRAM
        )
    assert listing.files == ()
    assert len(listing.refused) == len(keys)
    assert all(reason.startswith("refused the key") for reason in listing.refused)


def test_a_key_that_is_only_a_folder_is_left_out(
    mirror: S3Mirror, source: S3Source
) -> None:
    mirror.put("", b"", folder="jw99001/L1/t")
    listing = source.search(PROGRAM)
    assert [file.name for file in listing] == [FIRST, SECOND, BACKGROUND]
    assert listing.refused == ()


def test_a_file_that_is_there_twice_counts_once(
    mirror: S3Mirror, source: S3Source, folder: Path
) -> None:
    mirror.put(FIRST, (folder / FIRST).read_bytes(), folder="jw99001/L1/again")
    assert names(source) == [FIRST, SECOND, BACKGROUND]


def test_different_files_of_one_name_are_an_error_that_names_both(
    mirror: S3Mirror, source: S3Source
) -> None:
    mirror.put(FIRST, b"other", folder="jw99001/L1/again")
    with pytest.raises(ArchiveError, match=f"again/{FIRST} and .*t/{FIRST}"):
        source.search(PROGRAM)


@pytest.mark.parametrize(
    "validator", [Validator.STRONG, Validator.WEAK, Validator.NONE]
)
def test_a_file_arrives_over_cut_connections_and_goes_on_where_it_was(
    mirror: S3Mirror, source: S3Source, tmp_path: Path, validator: Validator
) -> None:
    content = (mirror.bucket * 1_000_000).encode()
    mirror.put(FIRST, content)
    file = first_of(source)
    mirror.loopback.validator = validator
    fates = iter([Fault.CUT, Fault.UNAVAILABLE, Fault.SHORT])
    mirror.loopback.faults = lambda request: (
        next(fates, None) if request.headers.get("range", "-").endswith("-") else None
    )
    received = receive(
        source.opener(file),
        tmp_path / FIRST,
        expected=Expected(uri=file.uri, size_bytes=file.size_bytes),
        policy=QUICK,
    )
    assert received.path.read_bytes() == content
    assert received.tries == 4
    ranges = [request.headers.get("range", "") for request in mirror.asked(FIRST)]
    starts = [int(text[6:-1] or 0) for text in ranges if text.endswith("-")][-3:]
    assert 0 < starts[0] == starts[1] < starts[2]
