"""A program is held for as long as somebody works at it."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import load_settings
from flows.errors import LeaseHeldError
from flows.factory import Services, open_services
from flows.runs import hold_lease
from workers.errors import TreeError

SHORT = timedelta(seconds=0.5)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = load_settings(
        archive=tmp_path, crds_path=tmp_path, data_dir=tmp_path / "data"
    )
    with open_services(settings) as services:
        yield services


def test_a_lease_is_renewed_while_files_are_fetched(services: Services) -> None:
    with hold_lease(services, "99001", ttl=SHORT, renew_s=0.05):
        time.sleep(1.5)
        with (
            pytest.raises(LeaseHeldError),
            hold_lease(services, "99001", ttl=SHORT, renew_s=0.05),
        ):
            pass


def test_a_lease_that_is_given_back_is_free(services: Services) -> None:
    for _ in range(2):
        with hold_lease(services, "99001", ttl=SHORT, renew_s=0.05):
            pass


def test_a_link_in_the_place_of_scratch_is_refused_and_the_lease_given_back(
    services: Services, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    (precious / "more").mkdir(parents=True)
    link = services.data_dir / "scratch" / "99001"
    link.parent.mkdir()
    link.symlink_to(precious)
    with pytest.raises(TreeError, match="99001"), hold_lease(services, "99001"):
        pass
    assert (precious / "more").is_dir()
    assert services.store.get_lease("99001") is None


def test_what_a_dead_run_has_left_is_cleared(services: Services) -> None:
    left = services.data_dir / "scratch" / "99001" / "attempt" / "work"
    other = services.data_dir / "scratch" / "99002"
    for folder in (left, other):
        folder.mkdir(parents=True)
    with hold_lease(services, "99001"):
        assert not left.parent.parent.exists()
    assert other.is_dir()
