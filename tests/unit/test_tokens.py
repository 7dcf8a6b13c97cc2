import pickle
from datetime import UTC, datetime

import pytest

from flows.archive.access import Token, describe_withheld, find_token, probe, withhold
from flows.archive.source import Access, FileKind, Listing, RemoteFile, Source
from flows.errors import AccessError


class FakeSource(Source):
    """Knows who asks, and what they may have."""

    name = "the fake"
    has_token = True

    def __init__(self, *, user: str | None = "A", readable: str = "") -> None:
        self._user = user
        self._readable = readable
        self.asked: list[str] = []

    def whoami(self) -> str | None:
        """Count the question."""
        self.asked.append("whoami")
        return self._user

    def may_read(self, file: RemoteFile) -> bool:
        """Count the question."""
        self.asked.append(file.name)
        return file.program in self._readable


def make_file(
    name: str, access: Access = Access.EXCLUSIVE, day: int | None = 1
) -> RemoteFile:
    return RemoteFile(
        name=name,
        uri=name,
        kind=FileKind.UNCAL,
        size_bytes=1,
        program=name[:5],
        observation=name[5:8],
        access=access,
        public_from=datetime(2030, 1, day, tzinfo=UTC) if day else None,
    )


def test_a_token_is_not_shown() -> None:
    token = Token("s3cret")
    assert token.reveal() == "s3cret"
    assert "s3cret" not in f"{token} {token!r} {[token]} {token!s:>20}"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(token)


@pytest.mark.parametrize("secret", ["", "a b", "a\r\nX-Evil: 1", "tökén", "a\0"])
def test_what_is_no_token_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(AccessError) as caught:
        Token(secret)
    assert not secret or secret not in str(caught.value)


def test_the_variable_is_stronger_than_the_block() -> None:
    found = find_token(
        {"MAST_API_TOKEN": " one\n"}, block="mast", load_block=lambda _: "two"
    )
    assert found is not None
    assert found.reveal() == "one"


def test_the_block_is_read_if_there_is_no_variable() -> None:
    blocks = {"mast": "two\n"}
    found = find_token(
        {"MAST_API_TOKEN": ""}, block="mast", load_block=blocks.__getitem__
    )
    assert found is not None
    assert found.reveal() == "two"


def test_there_may_be_no_token() -> None:
    assert find_token({}) is None
    assert find_token({}, block="mast") is None
    assert find_token({}, load_block=lambda _: "two") is None


def test_an_empty_block_is_an_error() -> None:
    with pytest.raises(AccessError, match="Secret block mast"):
        find_token({}, block="mast", load_block=lambda _: " ")


def test_only_exclusive_files_are_withheld_in_order() -> None:
    files = [
        make_file("99001001a"),
        make_file("99001001b", Access.PUBLIC),
        make_file("99001001c"),
    ]
    allowed, withheld = withhold(files, has_token=False)
    assert allowed == (files[1],)
    assert withheld == (files[0], files[2])
    assert withhold(files, has_token=True) == (tuple(files), ())


def test_what_is_withheld_is_told_by_observation_with_the_last_date() -> None:
    files = [
        make_file("99002001a", day=None),
        make_file("99001002a", day=3),
        make_file("99001001a"),
        make_file("99001002b", day=2),
    ]
    between = " of exclusive access, public from "
    told = [line.partition(between) for line in describe_withheld(files)]
    assert [(what, date.partition(";")[0]) for what, _, date in told] == [
        ("program 99001 observation 001: 1 file", "2030-01-01"),
        ("program 99001 observation 002: 2 files", "2030-01-03"),
        ("program 99002 observation 001: 1 file", "an unknown date"),
    ]


def test_nothing_is_probed_where_everything_is_public() -> None:
    source = FakeSource(user=None)
    probe(source, Listing((make_file("99001001a", Access.PUBLIC),)))
    assert source.asked == []


def test_one_file_of_every_program_is_probed() -> None:
    source = FakeSource(readable="99001 99002")
    names = ("99001001a", "99001002a", "99002001a")
    probe(source, Listing(tuple(make_file(name) for name in names)))
    assert source.asked == ["whoami", "99001001a", "99002001a"]


def test_all_programs_without_access_are_named() -> None:
    source = FakeSource(readable="99002")
    names = ("99001001a", "99002001a", "99003001a")
    with pytest.raises(AccessError) as caught:
        probe(source, Listing(tuple(make_file(name) for name in names)))
    assert "no access to program 99001 (99001001a, public" in str(caught.value)
    assert "no access to program 99003" in str(caught.value)
    assert "99002" not in str(caught.value)
